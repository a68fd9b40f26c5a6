"""Series in the store: a request is added to its minute, hour and day in the transaction that takes it in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.legal_holds import is_tenant_held, sweep_rows
from steward.adapters.stores.rollups import add_rollups, count_exchanges, is_complete
from steward.adapters.stores.series_merge import merge_rows
from steward.adapters.stores.tables import keys, rollups, series
from steward.core.rights import SweptRows
from steward.core.series import (
    DAY_S,
    EVERYBODY,
    HISTOGRAMS,
    OTHER,
    RESOLUTIONS,
    SUMS,
    TOTALS,
    VERSIONS,
    CountedSeries,
    KnownGroups,
    SeriesFilter,
    SeriesGroup,
    SeriesName,
    SeriesPlace,
    SeriesRow,
    SeriesSums,
    SeriesTotal,
    VersionTotal,
    roll_up,
    start_of,
    sum_groups,
    sum_series,
)

KEY: Final = ("resolution_s", "start", "tenant", "model", "route", "key_id")
_GROUP: Final = ("start", "model", "route", "key_id")
_COLUMNS: Final[dict[SeriesName, str]] = {"start": "start", "model": "model", "route": "route", "key": "key_id"}


class SqlSeries:
    """`core.stores.SeriesStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(
        self,
        resolution_s: int,
        since: int,
        until: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        histograms: Collection[str] = HISTOGRAMS,
        keys_of: Collection[str] | None = None,
    ) -> list[SeriesRow]:
        empty = sa.literal(b"", sa.LargeBinary)
        columns = [series.c[name] if name in histograms else empty.label(name) for name in HISTOGRAMS]
        query = (
            sa.select(*(series.c[name] for name in (*_GROUP, *SUMS)), *columns)
            .where(*_choose(resolution_s, since, until, tenant, where))
            .order_by(series.c.start, series.c.tenant, series.c.model, series.c.route, series.c.key_id)
        )
        if keys_of is not None:
            query = query.where(series.c.key_id.in_(keys_of))
        with self._database.read() as connection:
            return _make_rows(connection.execute(query))

    def read_rollup(
        self,
        resolution_s: int,
        since: int,
        until: int,
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        histograms: Collection[str] = HISTOGRAMS,
    ) -> list[SeriesRow] | None:
        rolled = where.find_dimension()
        if rolled is None:
            return None
        empty = sa.literal(b"", sa.LargeBinary)
        columns = [rollups.c[name] if name in histograms else empty.label(name) for name in HISTOGRAMS]
        names = (*(rollups.c[name] for name in ("start", "model", "route")), sa.literal("").label("key"))
        query = (
            sa.select(*names, *(rollups.c[name] for name in SUMS), *columns)
            .where(*_choose_rollups(resolution_s, since, until, tenant, where))
            .order_by(rollups.c.start, rollups.c.tenant, rollups.c.model, rollups.c.route)
        )
        with self._database.read() as connection:
            if is_complete(connection, resolution_s, since, rolled[0]):
                return _make_rows(connection.execute(query))
        if where.has_version():
            return None
        return self.read(resolution_s, since, until, tenant=tenant, where=where, histograms=histograms)

    def version_totals(
        self, resolution_s: int, since: int, until: int, *, tenant: str | None, where: SeriesFilter
    ) -> list[VersionTotal]:
        names = (rollups.c.dimension, rollups.c.value)
        sums = (sa.func.sum(rollups.c[name]).label(name) for name in TOTALS)
        chosen = {"tenant": tenant, "model": where.model, "route": where.route}
        query = (
            sa.select(*names, *sums)
            .where(rollups.c.resolution_s == resolution_s, rollups.c.start >= since, rollups.c.start < until)
            .where(rollups.c.dimension.in_(VERSIONS))
            .where(*(rollups.c[name] == value for name, value in chosen.items() if value is not None))
            .group_by(*names)
            .order_by(*names)
        )
        with self._database.read() as connection:
            return [
                VersionTotal(row[0], row[1], SeriesTotal(**dict(zip(TOTALS, row[2:], strict=True))))
                for row in connection.execute(query)
            ]

    def count_requests(
        self, resolution_s: int, since: int, until: int, most: int, *, tenant: str | None, where: SeriesFilter
    ) -> CountedSeries:
        with self._database.read() as connection:
            return count_exchanges(connection, resolution_s, (since, until), most, tenant, where)

    def has_other_keys(self, resolution_s: int, since: int, until: int, *, tenant: str | None) -> bool:
        chosen = _choose(resolution_s, since, until, tenant, SeriesFilter(key=OTHER))
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.literal(1)).where(*chosen).limit(1)).first() is not None

    def totals(
        self,
        resolution_s: int,
        since: int,
        until: int,
        by: Sequence[SeriesName],
        *,
        tenant: str | None,
        where: SeriesFilter = SeriesFilter(),
        keys_of: Collection[str] | None = None,
    ) -> list[SeriesTotal]:
        with self._database.read() as connection:
            of_keys = keys_of is not None or not {"key", "team"}.isdisjoint(by)
            rolled = None if of_keys else where.find_dimension()
            if rolled is not None and is_complete(connection, resolution_s, since, rolled[0]):
                table, chosen = rollups, _choose_rollups(resolution_s, since, until, tenant, where)
            else:
                table, chosen = series, _choose(resolution_s, since, until, tenant, where)
            team = sa.func.coalesce(keys.c.team, "")
            columns = [(team if name == "team" else table.c[_COLUMNS[name]]).label(name) for name in by]
            query = sa.select(*columns, *(sa.func.sum(table.c[name]).label(name) for name in TOTALS)).where(*chosen)
            if "team" in by:
                own = sa.and_(keys.c.id == series.c.key_id, keys.c.tenant == series.c.tenant)
                query = query.select_from(series.outerjoin(keys, own))
            if keys_of is not None:
                query = query.where(series.c.key_id.in_(keys_of))
            if columns:
                query = query.group_by(*columns).order_by(*columns)
            rows = connection.execute(query).all()
        groups, place = tuple(by), len(by)
        return [
            SeriesTotal(**dict(zip(groups, row, strict=False)), **dict(zip(TOTALS, row[place:], strict=True)))
            for row in rows
            if row[place] is not None
        ]

    def first(self, resolution_s: int, *, tenant: str | None) -> int | None:
        query = sa.select(sa.func.min(series.c.start)).where(series.c.resolution_s == resolution_s)
        if tenant is not None:
            query = query.where(series.c.tenant == tenant)
        with self._database.read() as connection:
            start = connection.execute(query).scalar_one()
        return None if start is None else int(start)

    def delete_before(self, resolution_s: int, start: int) -> SweptRows:
        swept = []
        for table in (series, rollups):
            old = sa.and_(table.c.resolution_s == resolution_s, table.c.start < start)
            swept.append(sweep_rows(self._database, table, old, is_tenant_held(table)))
        return swept[0]  # rollups are the same requests


def _choose(
    resolution_s: int, since: int, until: int, tenant: str | None, where: SeriesFilter
) -> Iterator[sa.ColumnElement[bool]]:
    yield from (series.c.resolution_s == resolution_s, series.c.start >= since, series.c.start < until)
    chosen = {"tenant": tenant, "model": where.model, "route": where.route, "key_id": where.key}
    yield from (series.c[name] == value for name, value in chosen.items() if value is not None)
    if where.project is not None:
        yield _is_of_project(where.project)


def _choose_rollups(
    resolution_s: int, since: int, until: int, tenant: str | None, where: SeriesFilter
) -> Iterator[sa.ColumnElement[bool]]:
    """By a filter that a rollup answers."""
    dimension, value = where.find_dimension() or ("", "")
    everybody = EVERYBODY if not dimension else None  # of all tenants together there is no other one
    chosen = {
        "dimension": dimension, "value": value, "tenant": everybody if tenant is None else tenant,
        "model": where.model, "route": where.route,
    }  # fmt: skip
    yield from (rollups.c.resolution_s == resolution_s, rollups.c.start >= since, rollups.c.start < until)
    yield from (rollups.c[name] == one for name, one in chosen.items() if one is not None)


def _make_rows(rows: Iterable[Any]) -> list[SeriesRow]:
    ends = len(_GROUP) + len(SUMS)
    return [SeriesRow(row[0], row[1], row[2], row[3], tuple(row[4:ends]), tuple(row[ends:])) for row in rows]


def _is_of_project(project: str) -> sa.ColumnElement[bool]:
    """Whether a row is of a key of the project: series know keys, and machines without one belong to none here."""
    owned = sa.select(sa.literal(1)).where(
        keys.c.id == series.c.key_id, keys.c.tenant == series.c.tenant, keys.c.project == project
    )
    return owned.correlate(series).exists()


def add_series(connection: sa.Connection, places: Mapping[SeriesPlace, SeriesSums], known: KnownGroups) -> None:
    """Add what requests of these minutes add to their minutes, hours and days, with their keys and without."""
    bounded = _bound(connection, places, known)
    minutes = sum_series(bounded)
    spans: dict[tuple[Any, ...], SeriesSums] = {
        (resolution_s, start, tenant, *names): sums
        for resolution_s in RESOLUTIONS
        for (tenant, start, *names), sums in roll_up(minutes, resolution_s).items()
    }
    merge_rows(connection, series, KEY, spans, ("start", "tenant", "key_id"))
    add_rollups(connection, bounded, known)


def _bound(
    connection: sa.Connection, places: Mapping[SeriesPlace, SeriesSums], known: KnownGroups
) -> dict[SeriesPlace, SeriesSums]:
    """With names that a tenant has too many of counted as "other", by what its day holds already."""
    days: dict[tuple[str, int], set[SeriesGroup]] = {}
    for place in places:
        days.setdefault((place.tenant, start_of(place.start, DAY_S)), set()).add(place[2:5])
    renamed = {
        (tenant, day): known.bound((None, tenant, day), groups, partial(_read_groups, connection, tenant, day))
        for (tenant, day), groups in sorted(days.items())
    }
    return sum_groups(
        (SeriesPlace(*place[:2], *renamed[place.tenant, start_of(place.start, DAY_S)][place[2:5]], *place[5:]), sums)
        for place, sums in places.items()
    )


def _read_groups(connection: sa.Connection, tenant: str, day: int) -> set[SeriesGroup]:
    query = sa.select(series.c.model, series.c.route, series.c.key_id).where(
        series.c.resolution_s == DAY_S, series.c.start == day, series.c.tenant == tenant
    )
    return {(row.model, row.route, row.key_id) for row in connection.execute(query)}
