"""Rollups in the store: series without keys, by project and by version.

They are added to in the transaction that takes requests in. What an older release took in is made good by the keeper:
from the series, which hold everything, and versions from the requests themselves. Made good is made anew, in one
transaction that nobody adds in, so that it may be cut off, or done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.reactions import list_request_columns
from steward.adapters.stores.series_merge import merge_rows
from steward.adapters.stores.tables import counters, exchanges, feedback, keys, rollups, series
from steward.core.histogram import decode_buckets, encode_buckets
from steward.core.reactions import Reaction
from steward.core.series import (
    DAY_S,
    EVERYBODY,
    HISTOGRAMS,
    HOUR_S,
    MINUTE_S,
    RESOLUTIONS,
    SUMS,
    TOTALS,
    VERSIONS,
    CountedSeries,
    KnownGroups,
    RollupDimension,
    RollupKey,
    SeriesFilter,
    SeriesGroup,
    SeriesPlace,
    SeriesRow,
    SeriesSums,
    collect_places,
    roll_up,
    start_of,
    sum_groups,
    sum_rollups,
    sum_series,
)

KEY: Final = ("resolution_s", "tenant", "start", "dimension", "value", "model", "route")
OF_VERSIONS: Final = "rollups of versions"
OF_SERIES: Final[tuple[RollupDimension, ...]] = ("", "project")  # what series tell
NAMED: Final[tuple[RollupDimension, ...]] = ("project", *VERSIONS)
_LATE_S: Final = HOUR_S  # requests that settle later after their admission than this are not looked for
_EXACT: Final = tuple(name for name in TOTALS if name != "usd")  # whole numbers, which add up the same in any order
_COLUMNS: Final = (
    *("tenant", "settled_at", "model", "route", "key_id", "project", *VERSIONS, "outcome", "status", "streamed"),
    *("input_tokens", "output_tokens", "usd", "ttft_s", "duration_s", "ready_s", "queued_s"),
)


def name_counter(resolution_s: int) -> str:
    return f"rollups {resolution_s}"


def is_complete(connection: sa.Connection, resolution_s: int, since: int, dimension: RollupDimension = "") -> bool:
    """Whether rollups from `since` on hold all requests."""
    name = OF_VERSIONS if dimension in VERSIONS else name_counter(resolution_s)
    value = connection.execute(sa.select(counters.c.value).where(counters.c.name == name)).scalar_one_or_none()
    return (value or 0) <= since


def add_rollups(connection: sa.Connection, places: Mapping[SeriesPlace, SeriesSums], known: KnownGroups) -> None:
    """Add what requests of these minutes add to their minutes, hours and days. Of `places`, models and routes are
    bounded already."""
    keyless = sum_groups((place._replace(key=""), sums) for place, sums in places.items())  # once for all dimensions
    minutes = _with_everybody(sum_rollups(keyless, [""]))
    for dimension in NAMED:
        minutes |= _bound(connection, sum_rollups(keyless, [dimension]), dimension, known)
    merge_rows(connection, rollups, KEY, _spread(minutes, RESOLUTIONS), ("dimension", "tenant", "start"))


def _with_everybody(rows: dict[RollupKey, SeriesSums]) -> dict[RollupKey, SeriesSums]:
    """And those of no dimension once more, of all tenants together."""
    everybody: Iterable[tuple[RollupKey, SeriesSums]] = (
        ((EVERYBODY, start, dimension, value, model, route), sums)
        for (_, start, dimension, value, model, route), sums in rows.items()
        if not dimension
    )
    return rows | sum_groups(everybody)


def _spread(minutes: Mapping[RollupKey, SeriesSums], resolutions: Iterable[int]) -> dict[tuple[Any, ...], SeriesSums]:
    return {
        (resolution_s, tenant, start, *names): sums
        for resolution_s in resolutions
        for (tenant, start, *names), sums in roll_up(minutes, resolution_s).items()
    }


def _bound(
    connection: sa.Connection,
    minutes: Mapping[RollupKey, SeriesSums],
    dimension: RollupDimension,
    known: KnownGroups,
) -> dict[RollupKey, SeriesSums]:
    """With values that a tenant has too many of in a day counted as "other"."""
    days: dict[tuple[str, int], set[tuple[str, str, str]]] = {}
    for tenant, start, _, value, model, route in minutes:
        days.setdefault((tenant, start_of(start, DAY_S)), set()).add((model, route, value))
    renamed = {
        (tenant, day): known.bound(
            (dimension, tenant, day), groups, partial(_read_groups, connection, dimension, tenant, day)
        )
        for (tenant, day), groups in sorted(days.items())
    }

    def rename(key: RollupKey) -> RollupKey:
        tenant, start, _, value, model, route = key
        model, route, value = renamed[tenant, start_of(start, DAY_S)][model, route, value]
        return (tenant, start, dimension, value, model, route)

    return sum_groups((rename(key), sums) for key, sums in minutes.items())


def _read_groups(connection: sa.Connection, dimension: RollupDimension, tenant: str, day: int) -> set[SeriesGroup]:
    query = sa.select(rollups.c.model, rollups.c.route, rollups.c.value).where(
        rollups.c.resolution_s == DAY_S, rollups.c.start == day, rollups.c.tenant == tenant,
        rollups.c.dimension == dimension,
    )  # fmt: skip
    return {(row.model, row.route, row.value) for row in connection.execute(query)}


class SqlRollups:
    """`core.stores.RollupStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def complete_since(self, resolution_s: int | None) -> int:
        name = OF_VERSIONS if resolution_s is None else name_counter(resolution_s)
        with self._database.read() as connection:
            value = connection.execute(sa.select(counters.c.value).where(counters.c.name == name)).scalar_one_or_none()
        return int(value or 0)

    def mark_complete(self, resolution_s: int | None, since: int) -> None:
        name = OF_VERSIONS if resolution_s is None else name_counter(resolution_s)
        change = sa.update(counters).where(counters.c.name == name, counters.c.value > since).values(value=since)
        with self._database.write() as connection:
            connection.execute(change)

    def find_differences(self, resolution_s: int, since: int, until: int) -> dict[int, int]:
        with self._database.read() as connection:
            kept, rolled = (
                {row.start: row for row in connection.execute(_sum_by_start(table, resolution_s, since, until, where))}
                for table, where in ((series, sa.true()), (rollups, _is_of_everybody()))
            )
        return {
            start: row.rows
            for start, row in sorted(kept.items())
            if start not in rolled or any(getattr(row, name) != getattr(rolled[start], name) for name in _EXACT)
        }

    def rebuild(self, resolution_s: int, starts: Sequence[int]) -> None:
        names = ("tenant", "start", "model", "route", "key_id")
        own = sa.and_(keys.c.id == series.c.key_id, keys.c.tenant == series.c.tenant)
        query = (
            sa.select(*(series.c[name] for name in (*names, *SUMS, *HISTOGRAMS)), keys.c.project)
            .select_from(series.outerjoin(keys, own))
            .where(series.c.resolution_s == resolution_s, series.c.start.in_(starts))
        )
        with self._database.write() as connection:
            self._hold(connection)
            places: dict[SeriesPlace, SeriesSums] = {}
            for row in connection.execute(query).mappings():
                tenant, start, model, route, key = (row[name] for name in names)
                places[SeriesPlace(tenant, start, model, route, key, row["project"] or "")] = _read_sums(dict(row))
            rows = _with_everybody(sum_rollups(places, OF_SERIES))
            self._replace(connection, resolution_s, starts, OF_SERIES, rows)

    def rebuild_versions(self, hour: int, with_minutes: bool) -> None:
        with self._database.write() as connection:
            self._hold(connection)
            places = collect_places(_read_exchanges(connection, hour), _read_reactions(connection, hour))
            minutes: dict[RollupKey, SeriesSums] = {}
            for dimension in VERSIONS:
                minutes |= _bound(connection, sum_rollups(places, [dimension]), dimension, KnownGroups())
            if with_minutes:
                self._replace(connection, MINUTE_S, range(hour, hour + HOUR_S, MINUTE_S), VERSIONS, minutes)
            self._replace(connection, HOUR_S, [hour], VERSIONS, roll_up(minutes, HOUR_S))

    def rebuild_version_day(self, day: int) -> None:
        query = sa.select(rollups).where(
            rollups.c.resolution_s == HOUR_S, rollups.c.dimension.in_(VERSIONS),
            rollups.c.start >= day, rollups.c.start < day + DAY_S,
        )  # fmt: skip
        with self._database.write() as connection:
            self._hold(connection)
            hours: dict[RollupKey, SeriesSums] = {}
            for row in connection.execute(query).mappings():
                tenant, start, dimension, value, model, route = (row[name] for name in KEY[1:])
                hours[tenant, start, dimension, value, model, route] = _read_sums(dict(row))
            self._replace(connection, DAY_S, [day], VERSIONS, roll_up(hours, DAY_S))

    def _hold(self, connection: sa.Connection) -> None:
        """Until the transaction ends nobody adds; SQLite's write transactions come one after the other anyway."""
        if not self._database.is_sqlite:
            connection.execute(sa.text("LOCK TABLE rollups IN SHARE ROW EXCLUSIVE MODE"))

    def _replace(
        self,
        connection: sa.Connection,
        resolution_s: int,
        starts: Sequence[int],
        dimensions: Sequence[RollupDimension],
        spans: Mapping[RollupKey, SeriesSums],
    ) -> None:
        connection.execute(
            sa.delete(rollups).where(
                rollups.c.resolution_s == resolution_s,
                rollups.c.start.in_(starts),
                rollups.c.dimension.in_(dimensions),
            )
        )
        rows = [
            dict(zip(KEY, (resolution_s, *key), strict=True))
            | dict(zip(SUMS, sums.sums, strict=True))
            | {name: encode_buckets(buckets) for name, buckets in zip(HISTOGRAMS, sums.histograms, strict=True)}
            for key, sums in sorted(spans.items())
        ]
        insert_rows(connection, rollups, rows)


def count_exchanges(
    connection: sa.Connection,
    resolution_s: int,
    span: tuple[int, int],
    most: int,
    tenant: str | None,
    where: SeriesFilter,
) -> CountedSeries:
    """Series by a filter of which no sums are kept, from at most the newest `most` requests of the time."""
    since, until = span
    chosen = [exchanges.c.at >= since - _LATE_S, exchanges.c.at < until]
    if tenant is not None:
        chosen.append(exchanges.c.tenant == tenant)
    names = ("request_id", "at", *_COLUMNS)
    newest = sa.select(*(exchanges.c[name] for name in names)).where(*chosen).order_by(exchanges.c.at.desc())
    looked = newest.limit(most).subquery()
    first, count = connection.execute(sa.select(sa.func.min(looked.c.at), sa.func.count()).select_from(looked)).one()
    matching = [looked.c.settled_at >= since, looked.c.settled_at < until, *_match(looked, where)]
    rows = [dict(row) for row in connection.execute(sa.select(looked).where(*matching)).mappings()]
    said = _select_reactions().join(looked, looked.c.request_id == feedback.c.request_id)
    said = said.where(feedback.c.at >= since, feedback.c.at < until, *_match(looked, where))
    reactions = [Reaction(**row) for row in connection.execute(said).mappings()]
    counted = roll_up(sum_series(collect_places(rows, reactions)), resolution_s)
    found = [
        SeriesRow(start, model, route, key, tuple(sums.sums), tuple(map(encode_buckets, sums.histograms)))
        for (_, start, model, route, key), sums in sorted(counted.items())
    ]
    return CountedSeries(found, None if count < most else max(float(since), first))


def _match(table: Any, where: SeriesFilter) -> Iterable[sa.ColumnElement[bool]]:
    chosen = {
        "key_id": where.key, "project": where.project, "route": where.route, "model_version": where.model_version,
        "prompt_version": where.prompt_version,
    }  # fmt: skip
    yield from (table.c[name] == value for name, value in chosen.items() if value is not None)
    if where.model is not None:
        yield sa.func.coalesce(table.c.model, "") == where.model
    if where.route_version is not None:
        yield sa.cast(table.c.route_version, sa.String) == where.route_version


def _is_of_everybody() -> sa.ColumnElement[bool]:
    return sa.and_(rollups.c.dimension == "", rollups.c.value == "", rollups.c.tenant == EVERYBODY)


def _sum_by_start(
    table: sa.Table, resolution_s: int, since: int, until: int, where: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    sums = (sa.func.sum(table.c[name]).label(name) for name in _EXACT)
    return (
        sa.select(table.c.start, sa.func.count().label("rows"), *sums)
        .where(table.c.resolution_s == resolution_s, table.c.start >= since, table.c.start < until, where)
        .group_by(table.c.start)
    )


def _read_sums(row: Mapping[str, Any]) -> SeriesSums:
    return SeriesSums([row[name] for name in SUMS], tuple(decode_buckets(row[name]) for name in HISTOGRAMS))


def _read_exchanges(connection: sa.Connection, hour: int) -> Iterable[Mapping[str, Any]]:
    query = sa.select(*(exchanges.c[name] for name in _COLUMNS)).where(
        exchanges.c.at >= hour - _LATE_S, exchanges.c.at < hour + HOUR_S,
        exchanges.c.settled_at >= hour, exchanges.c.settled_at < hour + HOUR_S,
    )  # fmt: skip
    return [dict(row) for row in connection.execute(query).mappings()]


def _read_reactions(connection: sa.Connection, hour: int) -> Iterable[Reaction]:
    query = _select_reactions().where(feedback.c.at >= hour, feedback.c.at < hour + HOUR_S)
    return [Reaction(**row) for row in connection.execute(query).mappings()]


def _select_reactions() -> sa.Select[Any]:
    """Those that count, with what is asked of their requests."""
    query = sa.select(
        *(feedback.c[name] for name in ("at", "kind", "score")),
        *list_request_columns(),
    ).join_from(feedback, exchanges, feedback.c.request_id == exchanges.c.request_id)
    return query.where(feedback.c.counted)
