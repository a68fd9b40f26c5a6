"""The store on SQL: SQLAlchemy Core over SQLite (WAL) or PostgreSQL.

Exactly once: rows and the segment's new offset commit in one transaction, so a keeper killed between
batches repeats nothing and skips nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from steward.adapters.stores import feedback as feedbacks
from steward.adapters.stores import meters
from steward.adapters.stores.tables import drained, exchanges, feedback, outstanding
from steward.core.errors import InputError, Unavailable
from steward.core.meters import MeterKey, MeterRow, count_exchanges
from steward.core.records import (
    Admitted,
    ExchangeRow,
    Feedback,
    FeedbackReport,
    FeedbackSum,
    LedgerRecord,
    SeriesPoint,
    Settled,
    Tally,
    Usage,
    UsageRow,
    UsageSum,
)

Group = Literal["key", "team", "model", "route", "project", "day"]
_SECONDS_PER_DAY: Final = 86400
_MANY: Final = 500  # rows in one IN (…); SQLite's limit of variables is higher

_encode = msgspec.msgpack.Encoder().encode
_admitted = msgspec.msgpack.Decoder(Admitted)


class SqlStore:
    """`url` as SQLAlchemy reads it: sqlite:///FILE or postgresql+psycopg://…"""

    def __init__(self, url: str) -> None:
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self._engine = sa.create_engine(url, future=True)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _sqlite_pragmas)

    def migrate(self) -> None:
        """Bring the tables to the newest revision."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self._named_errors(), self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def check(self) -> None:
        """:raises Unavailable: the database does not answer, or has no tables yet"""
        with self._reading() as connection:
            connection.execute(sa.select(drained.c.segment).limit(1))

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """:raises Unavailable: no answer, no tables :raises InputError: what is there is not a database"""
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            kind = type(error.orig).__name__
            raise Unavailable(
                f"the store does not answer ({kind}); check that `steward up` and its database are running"
            ) from error
        except sa.exc.DatabaseError as error:  # SQLite: "file is not a database", "malformed"
            place = self._engine.url.database
            raise InputError(
                f"the store {place} is damaged ({error.orig}); restore it from a backup, or move it away"
            ) from error

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._named_errors(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    # -- writing -----------------------------------------------------------------------------------

    def offsets(self) -> dict[str, int]:
        """How far each segment has been drained, in bytes."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(drained.c.segment, drained.c.offset))
            return {row.segment: row.offset for row in rows}

    def drain(self, writer: str, segment: str, offset_to: int, records: Sequence[LedgerRecord]) -> int:
        """Take in `records` and remember `offset_to`, in one transaction; returns how many requests it settled."""
        admits = {record.request_id: record for record in records if isinstance(record, Admitted)}
        settles = {record.request_id: record for record in records if isinstance(record, Settled)}
        with self._engine.begin() as connection:
            before = _hold(connection, segment)
            waiting = [request_id for request_id in settles if request_id not in admits]
            known = {**admits, **_outstanding(connection, waiting)}
            rows = [_row(known[request_id], record) for request_id, record in settles.items() if request_id in known]
            counts = self._take_in(connection, rows)
            for part in _parts(waiting):
                connection.execute(sa.delete(outstanding).where(outstanding.c.request_id.in_(part)))
            open_rows = [
                {"request_id": request_id, "writer": writer, "record": _encode(record)}
                for request_id, record in admits.items()
                if request_id not in settles
            ]
            self._insert(connection, outstanding, open_rows)
            said = [record for record in records if isinstance(record, Feedback)]
            self._insert(connection, feedback, feedbacks.rows_of(said))
            tallies = [record for record in records if isinstance(record, Tally)]
            if tallies and before < offset_to:
                counts = _with_tallies(counts, tallies)
            meters.add(connection, counts)
            connection.execute(sa.update(drained).where(drained.c.segment == segment).values(offset=offset_to))
        return len(rows)

    def lost(self, writer: str, at: float) -> int:
        """Settle what a dead writer left open, at its reservation; returns how many."""
        with self._engine.begin() as connection:
            gone = sa.delete(outstanding).where(outstanding.c.writer == writer).returning(outstanding.c.record)
            rows = [_lost_row(_admitted.decode(record), at) for record in connection.execute(gone).scalars()]
            meters.add(connection, self._take_in(connection, rows))
        return len(rows)

    def forget(self, segment: str) -> None:
        """Drop the offset of a segment whose file is gone."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(drained).where(drained.c.segment == segment))

    def _take_in(self, connection: sa.Connection, rows: list[dict[str, Any]]) -> dict[MeterKey, float]:
        """Insert settled exchanges; what those that were not there yet add to the counts."""
        if not rows:
            return {}
        there: set[str] = set()
        for part in _parts([row["request_id"] for row in rows]):
            query = sa.select(exchanges.c.request_id).where(exchanges.c.request_id.in_(part))
            there.update(connection.execute(query).scalars())
        fresh = [row for row in rows if row["request_id"] not in there] if there else rows
        self._insert(connection, exchanges, fresh)
        return count_exchanges(fresh)

    def _insert(self, connection: sa.Connection, into: sa.Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows; those whose primary key exists are left as they are.

        The driver gets the values as they stand: SQLAlchemy's own way through each of them costs four times the insert.
        """
        if rows:
            text, names = _insert_text(into, connection.dialect)
            connection.exec_driver_sql(text, [tuple([row[name] for name in names]) for row in rows])

    # -- reading -----------------------------------------------------------------------------------

    def usage(self, since: float, until: float, by: Group | None) -> Usage:
        """Settled rows admitted in [since, until), summed, and by group where asked."""
        table = exchanges.c
        sums = (
            sa.func.count().label("requests"),
            sa.func.coalesce(sa.func.sum(table.input_tokens), 0).label("input_tokens"),
            sa.func.coalesce(sa.func.sum(table.output_tokens), 0).label("output_tokens"),
            sa.func.coalesce(sa.func.sum(table.usd), 0.0).label("usd"),
            sa.func.coalesce(sa.func.sum(sa.case((table.outcome != "ok", 1), else_=0)), 0).label("errors"),
        )
        span = sa.and_(table.at >= since, table.at < until)
        with self._reading() as connection:
            total = connection.execute(sa.select(*sums).where(span)).one()
            rows: list[UsageRow] = []
            if by is not None:
                group = self._group(by)
                query = sa.select(group.label("name"), *sums).where(span).group_by(group).order_by(group)
                rows = [UsageRow(name=str(row.name or "none"), **_sums(row)) for row in connection.execute(query)]
        return Usage(**_sums(total), by=tuple(rows))

    def _group(self, by: Group) -> Any:
        if by != "day":
            return {
                "key": exchanges.c.key_id,
                "team": exchanges.c.team,
                "model": exchanges.c.model,
                "route": exchanges.c.route,
                "project": exchanges.c.project,
            }[by]
        if self._engine.dialect.name == "sqlite":
            return sa.func.date(exchanges.c.at, "unixepoch")
        return sa.func.to_char(sa.func.timezone("UTC", sa.func.to_timestamp(exchanges.c.at)), "YYYY-MM-DD")

    def sums(self, since: float, until: float) -> list[UsageSum]:
        """Rows admitted in [since, until) that a model answered, per UTC day and model."""
        day, model = self._group("day"), exchanges.c.model
        query = sa.select(day.label("day"), model, *self._totals()).group_by(day, model).order_by(day, model)
        return self._summed(query.where(exchanges.c.at >= since, exchanges.c.at < until, model.is_not(None)))

    def sums_by_upstream_id(self, since: float, until: float) -> dict[str, UsageSum]:
        """Rows admitted in [since, until) that have an upstream id, per id."""
        day, model, name = self._group("day"), exchanges.c.model, exchanges.c.upstream_id
        columns = (sa.func.min(day).label("day"), sa.func.min(model).label("model"), name, *self._totals())
        where = (exchanges.c.at >= since, exchanges.c.at < until, name.is_not(None), model.is_not(None))
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(*where).group_by(name)).all()
        return {row.upstream_id: _usage_sum(row) for row in rows}

    def lost_between(self, since: float, until: float) -> int:
        """How many rows admitted in [since, until) were settled for a process that died."""
        query = sa.select(sa.func.count()).where(
            exchanges.c.at >= since, exchanges.c.at < until, exchanges.c.outcome == "lost"
        )
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    @staticmethod
    def _totals() -> tuple[Any, ...]:
        table = exchanges.c
        return (
            sa.func.count().label("requests"),
            sa.func.sum(table.input_tokens).label("input_tokens"),
            sa.func.sum(table.output_tokens).label("output_tokens"),
            sa.func.coalesce(sa.func.sum(table.usd), 0.0).label("usd"),
        )

    def _summed(self, query: Any) -> list[UsageSum]:
        with self._reading() as connection:
            return [_usage_sum(row) for row in connection.execute(query)]

    def meters(self) -> list[MeterRow]:
        """What the metrics count, over all settled requests; one snapshot."""
        with self._reading() as connection:
            return meters.read(connection)

    def open_requests(self) -> int:
        """Requests that were admitted and have not settled."""
        with self._reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(outstanding)).scalar_one())

    def feedback_sums(self) -> list[FeedbackSum]:
        """Matched feedback by route, model and sign of the score."""
        with self._reading() as connection:
            return feedbacks.sums(connection)

    def tail(self, limit: int, after: float | None = None) -> list[ExchangeRow]:
        """The newest exchanges, newest first; with `after`, those settled later than that."""
        names = ExchangeRow.__struct_fields__
        query = sa.select(*(exchanges.c[name] for name in names)).order_by(exchanges.c.at.desc()).limit(limit)
        if after is not None:
            query = query.where(exchanges.c.settled_at > after)
        with self._reading() as connection:
            return [ExchangeRow(**row._mapping) for row in connection.execute(query)]

    def feedback(self, since: float, limit: int) -> FeedbackReport:
        """Scores by label and the newest `limit` rows, without content."""
        with self._engine.connect() as connection:
            return feedbacks.report(connection, since, limit)

    def feedback_sealed(self, ids: Sequence[str]) -> list[Feedback]:
        """The records of `ids` that have content, sealed."""
        with self._engine.connect() as connection:
            return feedbacks.sealed(connection, ids)

    def series(self, since: float, bucket_s: float, until: float) -> list[SeriesPoint]:
        """Equal buckets over [since, until), empty ones included, shadows left out; percentiles by nearest rank."""
        table = exchanges.c
        query = sa.select(table.at, table.outcome, table.output_tokens, table.duration_s, table.ttft_s).where(
            table.at >= since, table.at < until, table.key_id != "shadow"
        )
        count = max(1, round((until - since) / bucket_s))
        buckets: list[list[Any]] = [[] for _ in range(count)]
        with self._reading() as connection:
            for row in connection.execute(query):
                buckets[min(count - 1, int((row.at - since) / bucket_s))].append(row)
        return [_point(since + index * bucket_s, rows) for index, rows in enumerate(buckets)]


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _MANY] for start in range(0, len(ids), _MANY)]


def _outstanding(connection: sa.Connection, ids: list[str]) -> dict[str, Admitted]:
    found: dict[str, Admitted] = {}
    for part in _parts(ids):
        query = sa.select(outstanding.c.record).where(outstanding.c.request_id.in_(part))
        for row in connection.execute(query):
            record = _admitted.decode(row.record)
            found[record.request_id] = record
    return found


def _hold(connection: sa.Connection, segment: str) -> int:
    """How far the segment has been drained; until the transaction ends no other keeper drains it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(drained).values(segment=segment, offset=0)
    same = insert.on_conflict_do_update(index_elements=["segment"], set_={"offset": drained.c.offset})
    return int(connection.execute(same.returning(drained.c.offset)).scalar_one())


@lru_cache(maxsize=16)
def _insert_text(into: sa.Table, dialect: sa.Dialect) -> tuple[str, tuple[str, ...]]:
    """The statement with the driver's own marks for values, and the columns in their order."""
    postgres = dialect.name == "postgresql"
    numbered: Any = type(dialect)
    insert = (postgresql if postgres else sqlite).insert(into).on_conflict_do_nothing()
    made: Any = insert.compile(dialect=numbered(paramstyle="format" if postgres else "qmark"))
    return str(made), tuple(made.positiontup or ())


def _with_tallies(counts: dict[MeterKey, float], tallies: Sequence[Tally]) -> dict[MeterKey, float]:
    """Tallies have no id: the segment's offset, kept in the same transaction, counts each once."""
    for tally in tallies:
        for labels, count in tally.counts:
            key = (tally.meter, labels, "")
            counts[key] = counts.get(key, 0.0) + count
    return counts


def _row(admitted: Admitted, settled: Settled) -> dict[str, Any]:
    return {
        "request_id": admitted.request_id,
        "at": admitted.at,
        "settled_at": settled.at,
        "key_id": admitted.key_id,
        "project": admitted.project,
        "team": admitted.team,
        "endpoint": admitted.endpoint,
        "route": admitted.route,
        "model": settled.model,
        "model_version": settled.model_version,
        "prompt_version": admitted.prompt_version,
        "route_version": admitted.route_version,
        "streamed": admitted.streamed,
        "outcome": settled.outcome,
        "status": settled.status,
        "input_tokens": settled.input_tokens,
        "output_tokens": settled.output_tokens,
        "estimated": settled.estimated,
        "usd": settled.usd,
        "ttft_s": settled.ttft_s,
        "duration_s": settled.duration_s,
        "subject": admitted.subject,
        "conversation": admitted.conversation,
        "attempts": _encode(settled.attempts),
        "guards": ", ".join(settled.guards),
        "upstream_id": settled.upstream_id and settled.upstream_id.replace("\0", "")[:200],  # PostgreSQL takes no NUL
    }


def _lost_row(admitted: Admitted, at: float) -> dict[str, Any]:
    settled = Settled(
        request_id=admitted.request_id,
        at=at,
        outcome="lost",
        status=500,
        model=None,
        input_tokens=admitted.reserved_input_tokens,
        output_tokens=admitted.reserved_output_tokens,
        usd=admitted.reserved_usd,
        estimated=True,
        duration_s=max(0.0, at - admitted.at),
    )
    return _row(admitted, settled)


def _usage_sum(row: Any) -> UsageSum:
    return UsageSum(
        day=str(row.day),
        model=str(row.model),
        requests=int(row.requests),
        input_tokens=int(row.input_tokens),
        output_tokens=int(row.output_tokens),
        usd=float(row.usd),
    )


def _sums(row: Any) -> dict[str, Any]:
    return {
        "requests": int(row.requests),
        "input_tokens": int(row.input_tokens),
        "output_tokens": int(row.output_tokens),
        "usd": float(row.usd),
        "errors": int(row.errors),
    }


def nearest_rank(ordered: Sequence[float], percent: float) -> float | None:
    """The smallest value with at least `percent` of all values at or below it; None of nothing.

    >>> nearest_rank([15, 20, 35, 40, 50], 40)
    20
    """
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * int(percent * 10) // 1000) - 1)]


def _point(at: float, rows: list[Any]) -> SeriesPoint:
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
