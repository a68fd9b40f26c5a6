"""Series in the store: a request is added to its minute, hour and day in the transaction that takes it in.

Histograms do not add up in SQL: their rows are read, merged and written while the transaction holds them. All keepers
take rows in one order, and new rows before old ones, so that two never wait for each other both ways.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from steward.adapters.stores.database import Database, make_insert
from steward.adapters.stores.legal_holds import is_tenant_held, sweep_rows
from steward.adapters.stores.tables import keys, series
from steward.core.histogram import decode_buckets, encode_buckets, merge
from steward.core.rights import SweptRows
from steward.core.series import (
    DAY_S,
    HISTOGRAMS,
    RESOLUTIONS,
    SUMS,
    MomentKey,
    SeriesFilter,
    SeriesGroup,
    SeriesName,
    SeriesRow,
    SeriesSums,
    SeriesTotal,
    bound_groups,
    roll_up,
    start_of,
)

KEY: Final = ("resolution_s", "start", "tenant", "model", "route", "key_id")
_GROUP: Final = ("start", "model", "route", "key_id")
_NAMES: Final = (*SUMS, *HISTOGRAMS)
_COLUMNS: Final = {
    "start": series.c.start, "model": series.c.model, "route": series.c.route, "key": series.c.key_id,
}  # fmt: skip
_TOTALS: Final = tuple(name for name in SUMS if name in SeriesTotal.__struct_fields__)
_RowKey = tuple[int, int, str, str, str, str]  # in the order of KEY


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
    ) -> list[SeriesRow]:
        empty = sa.literal(b"", sa.LargeBinary)
        columns = [series.c[name] if name in histograms else empty.label(name) for name in HISTOGRAMS]
        query = (
            sa.select(*(series.c[name] for name in (*_GROUP, *SUMS)), *columns)
            .where(series.c.resolution_s == resolution_s, series.c.start >= since, series.c.start < until)
            .order_by(series.c.start, series.c.tenant, series.c.model, series.c.route, series.c.key_id)
        )
        chosen = {"tenant": tenant, "model": where.model, "route": where.route, "key_id": where.key}
        for name, value in chosen.items():
            if value is not None:
                query = query.where(series.c[name] == value)
        if where.project is not None:
            query = query.where(_is_of_project(where.project))
        ends = len(_GROUP) + len(SUMS)
        with self._database.read() as connection:
            return [
                SeriesRow(row[0], row[1], row[2], row[3], tuple(row[4:ends]), tuple(row[ends:]))
                for row in connection.execute(query)
            ]

    def totals(
        self,
        resolution_s: int,
        since: int,
        until: int,
        by: Sequence[SeriesName],
        *,
        tenant: str | None,
        project: str | None = None,
    ) -> list[SeriesTotal]:
        columns = [_COLUMNS[name].label(name) for name in by]
        sums = [sa.func.sum(series.c[name]).label(name) for name in _TOTALS]
        query = sa.select(*columns, *sums).where(
            series.c.resolution_s == resolution_s, series.c.start >= since, series.c.start < until
        )
        if tenant is not None:
            query = query.where(series.c.tenant == tenant)
        if project is not None:
            query = query.where(_is_of_project(project))
        if columns:
            query = query.group_by(*columns).order_by(*columns)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [SeriesTotal(**row) for row in rows if row["requests"] is not None]

    def first(self, resolution_s: int, *, tenant: str | None) -> int | None:
        query = sa.select(sa.func.min(series.c.start)).where(series.c.resolution_s == resolution_s)
        if tenant is not None:
            query = query.where(series.c.tenant == tenant)
        with self._database.read() as connection:
            start = connection.execute(query).scalar_one()
        return None if start is None else int(start)

    def delete_before(self, resolution_s: int, start: int) -> SweptRows:
        old = sa.and_(series.c.resolution_s == resolution_s, series.c.start < start)
        return sweep_rows(self._database, series, old, is_tenant_held(series))


def _is_of_project(project: str) -> sa.ColumnElement[bool]:
    """Whether a row is of a key of the project: series know keys, and machines without one belong to none here."""
    owned = sa.select(sa.literal(1)).where(
        keys.c.id == series.c.key_id, keys.c.tenant == series.c.tenant, keys.c.project == project
    )
    return owned.correlate(series).exists()


def add_series(connection: sa.Connection, minutes: Mapping[MomentKey, SeriesSums]) -> None:
    """Add what requests of these minutes add to their minutes, hours and days."""
    bounded = _bound(connection, minutes)
    spans: dict[_RowKey, SeriesSums] = {
        (resolution_s, start, tenant, model, route, key): sums
        for resolution_s in RESOLUTIONS
        for (tenant, start, model, route, key), sums in roll_up(bounded, resolution_s).items()
    }
    if not spans:
        return
    insert = make_insert(series, connection.dialect)
    new = [dict(zip(KEY, row, strict=True)) | _EMPTY for row in sorted(spans)]
    connection.execute(insert.on_conflict_do_nothing(index_elements=list(KEY)), new)
    _merge(connection, spans)


_EMPTY: Final[dict[str, Any]] = dict.fromkeys(SUMS, 0.0) | dict.fromkeys(HISTOGRAMS, b"")


def _bound(connection: sa.Connection, minutes: Mapping[MomentKey, SeriesSums]) -> dict[MomentKey, SeriesSums]:
    """With names that a tenant has too many of counted as "other", by what its day holds already."""
    days: dict[tuple[str, int], set[SeriesGroup]] = {}
    for tenant, start, model, route, key in minutes:
        days.setdefault((tenant, start_of(start, DAY_S)), set()).add((model, route, key))
    renamed = {day: bound_groups(groups, _read_groups(connection, *day)) for day, groups in sorted(days.items())}
    bounded: dict[MomentKey, SeriesSums] = {}
    for (tenant, start, model, route, key), sums in minutes.items():
        place = (tenant, start, *renamed[tenant, start_of(start, DAY_S)][model, route, key])
        if place in bounded:
            bounded[place].add(sums)
        else:
            bounded[place] = sums
    return bounded


def _read_groups(connection: sa.Connection, tenant: str, day: int) -> set[SeriesGroup]:
    query = sa.select(series.c.model, series.c.route, series.c.key_id).where(
        series.c.resolution_s == DAY_S, series.c.start == day, series.c.tenant == tenant
    )
    return {(row.model, row.route, row.key_id) for row in connection.execute(query)}


def _merge(connection: sa.Connection, spans: Mapping[_RowKey, SeriesSums]) -> None:
    """Add to rows that are there, and held until the transaction ends."""
    changed = []
    for resolution_s, start, tenant in sorted({row[:3] for row in spans}):
        query = (
            sa.select(series)
            .where(series.c.resolution_s == resolution_s, series.c.start == start, series.c.tenant == tenant)
            .order_by(series.c.model, series.c.route, series.c.key_id)
            .with_for_update()
        )
        for row in connection.execute(query).mappings():
            added = spans.get((resolution_s, start, tenant, row["model"], row["route"], row["key_id"]))
            if added is not None:
                changed.append({f"b_{name}": row[name] for name in KEY} | _add(dict(row), added))
    if changed:
        where = (series.c[name] == sa.bindparam(f"b_{name}") for name in KEY)
        connection.execute(
            sa.update(series).where(*where).values({name: sa.bindparam(name) for name in _NAMES}), changed
        )


def _add(row: Mapping[str, Any], added: SeriesSums) -> dict[str, Any]:
    sums = {name: row[name] + value for name, value in zip(SUMS, added.sums, strict=True)}
    histograms = {}
    for name, buckets in zip(HISTOGRAMS, added.histograms, strict=True):
        if buckets:
            total = decode_buckets(row[name])
            merge(total, buckets)
            histograms[name] = encode_buckets(total)
        else:
            histograms[name] = row[name]
    return sums | histograms
