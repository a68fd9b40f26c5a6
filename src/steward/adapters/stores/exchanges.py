"""Settled exchanges as they are read: usage, series, the newest, and sums to reconcile."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import exchanges, feedback, outstanding, traces
from steward.core.records import (
    Attempt,
    ExchangeDetails,
    ExchangeFilter,
    ExchangeMatch,
    ExchangeMatches,
    ExchangeOrigin,
    ExchangeRow,
    FeedbackRow,
    PromptSum,
    SeriesPoint,
    Usage,
    UsageRow,
    UsageSum,
)
from steward.core.stores import UsageGroup

MOST_LOOKED_AT: Final = 20_000  # exchanges that a condition without an index is asked of
MOST_FEEDBACK: Final = 100  # of one exchange
_CONDITIONS: Final = (  # of a search, without an index
    *("key_id", "conversation", "model", "route", "outcome", "model_version", "prompt_version", "route_version"),
)
_columns = exchanges.c
_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...])
_GROUPS: Final = {
    "key": _columns.key_id,
    "team": _columns.team,
    "model": _columns.model,
    "route": _columns.route,
    "project": _columns.project,
    "tenant": _columns.tenant,
}


class SqlExchanges:
    """`core.stores.ExchangeStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def usage(
        self, since: float, until: float, by: UsageGroup | None, *, tenant: str | None, project: str | None = None
    ) -> Usage:
        sums = (
            sa.func.count().label("requests"),
            sa.func.coalesce(sa.func.sum(_columns.input_tokens), 0).label("input_tokens"),
            sa.func.coalesce(sa.func.sum(_columns.output_tokens), 0).label("output_tokens"),
            sa.func.coalesce(sa.func.sum(_columns.usd), 0.0).label("usd"),
            sa.func.coalesce(sa.func.sum(sa.case((_columns.outcome != "ok", 1), else_=0)), 0).label("errors"),
        )
        span = sa.and_(_select_span(since, until, tenant), _select_project(project))
        group = sa.literal("") if by is None else self._day() if by == "day" else _GROUPS[by]
        with self._database.read() as connection:
            total = connection.execute(sa.select(*sums).where(span)).one()
            masked = _sum_masked(connection, group, span)
            rows: list[UsageRow] = []
            if by is not None:
                query = sa.select(group.label("name"), *sums).where(span).group_by(group).order_by(group)
                rows = [
                    UsageRow(name=str(row.name or "none"), **_read_sums(row), masked=dict(masked[row.name]))
                    for row in connection.execute(query)
                ]
        return Usage(**_read_sums(total), masked=dict(sum(masked.values(), Counter())), by=tuple(rows))

    def daily_sums(self, since: float, until: float, *, tenant: str | None) -> list[UsageSum]:
        day, model = self._day(), _columns.model
        query = sa.select(day.label("day"), model, *_sum_columns()).group_by(day, model).order_by(day, model)
        with self._database.read() as connection:
            rows = connection.execute(query.where(_select_span(since, until, tenant), model.is_not(None)))
            return [_make_usage_sum(row) for row in rows]

    def sums_by_upstream_id(self, since: float, until: float, *, tenant: str | None) -> dict[str, UsageSum]:
        day, model, name = self._day(), _columns.model, _columns.upstream_id
        columns = (sa.func.min(day).label("day"), sa.func.min(model).label("model"), name, *_sum_columns())
        where = (_select_span(since, until, tenant), name.is_not(None), model.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(sa.select(*columns).where(*where).group_by(name)).all()
        return {row.upstream_id: _make_usage_sum(row) for row in rows}

    def count_lost(self, since: float, until: float, *, tenant: str | None) -> int:
        query = sa.select(sa.func.count()).where(_select_span(since, until, tenant), _columns.outcome == "lost")
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def count_open(self) -> int:
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(outstanding)).scalar_one())

    def find_origin(self, request_id: str, *, tenant: str | None) -> ExchangeOrigin | None:
        plain = [name for name in ExchangeOrigin.__struct_fields__ if name != "release"]
        query = sa.select(*(_columns[name] for name in plain), _columns.release_id.label("release"))
        query = query.where(_columns.request_id == request_id)
        if tenant is not None:
            query = query.where(_columns.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ExchangeOrigin(**row._mapping)

    def prompt_sums(self, newest: int, *, tenant: str | None) -> list[PromptSum]:
        names = ("request_id", "prompt_version", "outcome", "input_tokens", "output_tokens", "usd", "duration_s")
        chosen = sa.select(*(_columns[name] for name in names)).order_by(_columns.at.desc()).limit(newest)
        if tenant is not None:
            chosen = chosen.where(_columns.tenant == tenant)
        rows = chosen.subquery()
        scores = (
            sa.select(feedback.c.request_id, sa.func.max(feedback.c.score).label("score"))
            .where(feedback.c.request_id.in_(sa.select(rows.c.request_id)), feedback.c.kind == "explicit")
            .group_by(feedback.c.request_id)
            .subquery()
        )
        query = (
            sa.select(
                rows.c.prompt_version.label("version"),
                sa.func.count().label("requests"),
                sa.func.sum(sa.case((rows.c.outcome != "ok", 1), else_=0)).label("errors"),
                sa.func.sum(rows.c.input_tokens).label("input_tokens"),
                sa.func.sum(rows.c.output_tokens).label("output_tokens"),
                sa.func.coalesce(sa.func.sum(rows.c.usd), 0.0).label("usd"),
                sa.func.avg(sa.case((rows.c.outcome == "ok", rows.c.duration_s))).label("mean_duration_s"),
                sa.func.count(scores.c.score).label("rated"),
                sa.func.coalesce(sa.func.sum(sa.case((scores.c.score > 0, 1), else_=0)), 0).label("satisfied"),
            )
            .select_from(rows.outerjoin(scores, rows.c.request_id == scores.c.request_id))
            .where(rows.c.prompt_version.is_not(None))
            .group_by(rows.c.prompt_version)
            .order_by(rows.c.prompt_version)
        )
        with self._database.read() as connection:
            return [PromptSum(**row) for row in connection.execute(query).mappings()]

    def tail(
        self, limit: int, after: float | None = None, *, tenant: str | None, project: str | None = None
    ) -> list[ExchangeRow]:
        names = ExchangeRow.__struct_fields__
        query = sa.select(*(_columns[name] for name in names)).order_by(_columns.at.desc()).limit(limit)
        query = query.where(_select_project(project))
        if after is not None:
            query = query.where(_columns.settled_at > after)
        if tenant is not None:
            query = query.where(_columns.tenant == tenant)
        with self._database.read() as connection:
            return [_make_exchange(dict(row._mapping)) for row in connection.execute(query)]

    def find(self, wanted: ExchangeFilter, limit: int, *, tenant: str | None) -> ExchangeMatches:
        names = ExchangeMatch.__struct_fields__
        query = sa.select(*(_columns[name] for name in dict.fromkeys((*names, *_CONDITIONS))))
        query = query.where(_select_span(wanted.since, wanted.until, tenant), _select_project(wanted.project))
        if wanted.subject is not None:
            query = query.where(_columns.subject == wanted.subject)
        if wanted.kept_for is not None:
            query = query.join(traces, traces.c.request_id == _columns.request_id).where(
                traces.c.kept_for == wanted.kept_for, traces.c.at >= wanted.since, traces.c.at < wanted.until
            )
        rest = {name: value for name in _CONDITIONS if (value := getattr(wanted, name)) is not None}
        newest = query.order_by(_columns.at.desc()).limit(MOST_LOOKED_AT if rest else limit).subquery()
        chosen = sa.select(*(newest.c[name] for name in names)).order_by(newest.c.at.desc()).limit(limit)
        chosen = chosen.where(*(newest.c[name] == value for name, value in rest.items()))
        with self._database.read() as connection:
            rows = tuple(ExchangeMatch(**row) for row in connection.execute(chosen).mappings())
            looked_at = None
            if rest and len(rows) < limit:
                looked = connection.execute(sa.select(sa.func.count()).select_from(newest)).scalar_one()
                looked_at = MOST_LOOKED_AT if looked == MOST_LOOKED_AT else None
            return ExchangeMatches(rows=rows, looked_at=looked_at)

    def show(self, request_id: str, *, tenant: str | None, project: str | None = None) -> ExchangeDetails | None:
        query = sa.select(exchanges).where(_columns.request_id == request_id, _select_project(project))
        if tenant is not None:
            query = query.where(_columns.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
            if row is None:
                return None
            said = sa.select(feedback).where(feedback.c.request_id == request_id, feedback.c.tenant == row["tenant"])
            if project is not None:
                said = said.where(feedback.c.project == project)
            ratings = connection.execute(said.order_by(feedback.c.at).limit(MOST_FEEDBACK)).mappings()
            return _make_details(dict(row), [dict(one) for one in ratings])

    def series(self, since: float, bucket_s: float, until: float, *, tenant: str | None) -> list[SeriesPoint]:
        query = sa.select(
            _columns.at, _columns.outcome, _columns.output_tokens, _columns.duration_s, _columns.ttft_s
        ).where(_select_span(since, until, tenant), _columns.key_id != "shadow")
        count = max(1, round((until - since) / bucket_s))
        buckets: list[list[Any]] = [[] for _ in range(count)]
        with self._database.read() as connection:
            for row in connection.execute(query):
                buckets[min(count - 1, int((row.at - since) / bucket_s))].append(row)
        return [_make_point(since + index * bucket_s, rows) for index, rows in enumerate(buckets)]

    def _day(self) -> Any:
        """The UTC day of admission, such as 2026-11-28."""
        if self._database.is_sqlite:
            return sa.func.date(_columns.at, "unixepoch")
        return sa.func.to_char(sa.func.timezone("UTC", sa.func.to_timestamp(_columns.at)), "YYYY-MM-DD")


def _make_details(row: dict[str, Any], said: Sequence[dict[str, Any]]) -> ExchangeDetails:
    names = set(ExchangeDetails.__struct_fields__) - {"attempts", "guards", "masked", "units", "feedback"}
    return ExchangeDetails(
        **{name: row[name] for name in names},
        attempts=_attempts.decode(row["attempts"]),
        guards=tuple(filter(None, row["guards"].split(", "))),
        masked=msgspec.json.decode(row["masked"]) if row["masked"] else {},
        units=msgspec.json.decode(row["units"]) if row["units"] else {},
        feedback=tuple(
            FeedbackRow(
                **{name: one[name] for name in ("id", "at", "key_id", "project", "request_id", "score", "label")},
                model=row["model"],
                route=row["route"],
                matched=one["project"] == row["project"],
                has_content=one["sealed"] is not None,
                kind=one["kind"],
            )
            for one in said
        ),
    )


def _make_exchange(row: dict[str, Any]) -> ExchangeRow:
    counts = {name: msgspec.json.decode(row[name]) if row[name] else {} for name in ("units", "masked")}
    return ExchangeRow(**{**row, **counts})


def _sum_masked(
    connection: sa.Connection, group: sa.ColumnElement[Any], span: sa.ColumnElement[bool]
) -> defaultdict[Any, Counter[str]]:
    """How many values were masked, by group and kind. Equal counts of a group are one row, however many requests."""
    query = (
        sa.select(group.label("name"), _columns.masked, sa.func.count().label("requests"))
        .where(span, _columns.masked.is_not(None))
        .group_by(group, _columns.masked)
    )
    found: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(query):
        for kind, count in msgspec.json.decode(row.masked).items():
            found[row.name][kind] += count * row.requests
    return found


def _select_span(since: float, until: float, tenant: str | None) -> sa.ColumnElement[bool]:
    """Admitted in [since, until), of one tenant or of all."""
    span = sa.and_(_columns.at >= since, _columns.at < until)
    return span if tenant is None else sa.and_(span, _columns.tenant == tenant)


def _select_project(project: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if project is None else _columns.project == project


def _sum_columns() -> tuple[Any, ...]:
    return (
        sa.func.count().label("requests"),
        sa.func.sum(_columns.input_tokens).label("input_tokens"),
        sa.func.sum(_columns.output_tokens).label("output_tokens"),
        sa.func.coalesce(sa.func.sum(_columns.usd), 0.0).label("usd"),
    )


def _make_usage_sum(row: Any) -> UsageSum:
    return UsageSum(
        day=str(row.day),
        model=str(row.model),
        requests=int(row.requests),
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        usd=float(row.usd),
    )


def _read_sums(row: Any) -> dict[str, Any]:
    return {
        "requests": int(row.requests),
        "input_tokens": int(row.input_tokens),
        "output_tokens": int(row.output_tokens),
        "usd": float(row.usd),
        "errors": int(row.errors),
    }


def nearest_rank(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value with at least `percent` of all values at or below it; None if there are no values.

    >>> nearest_rank([15, 20, 35, 40, 50], 40)
    20
    """
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * int(percent * 10) // 1000) - 1)]


def _make_point(at: float, rows: list[Any]) -> SeriesPoint:
    durations = sorted(row.duration_s for row in rows if row.outcome == "ok")
    first = sorted(row.ttft_s for row in rows if row.ttft_s is not None)
    return SeriesPoint(
        at=at,
        requests=len(rows),
        errors=sum(row.outcome != "ok" for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        p50_s=nearest_rank(durations, 50),
        p95_s=nearest_rank(durations, 95),
        p99_s=nearest_rank(durations, 99),
        ttft_p50_s=nearest_rank(first, 50),
    )
