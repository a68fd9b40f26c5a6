"""Sums of minutes in the store: added to in the transaction that takes requests and ratings in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from steward.adapters.stores.database import Database, add_to_rows
from steward.adapters.stores.tables import minutes
from steward.core.minutes import COLUMNS, MinuteKey, MinuteRow, add_rating, empty_sums, minute_of
from steward.core.reactions import Reaction

KEY: Final = ("tenant", "minute", "model", "route")


class SqlMinutes:
    """`core.stores.MinuteStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, since: int, until: int, *, tenant: str | None) -> list[MinuteRow]:
        query = (
            sa.select(minutes)
            .where(minutes.c.minute >= since, minutes.c.minute < until)
            .order_by(minutes.c.minute, minutes.c.tenant, minutes.c.model, minutes.c.route)
        )
        if tenant is not None:
            query = query.where(minutes.c.tenant == tenant)
        with self._database.read() as connection:
            return [
                MinuteRow(row["minute"], row["model"], row["route"], tuple(row[name] for name in COLUMNS))
                for row in connection.execute(query).mappings()
            ]

    def span(self, *, tenant: str | None) -> tuple[int, int] | None:
        query = sa.select(sa.func.min(minutes.c.minute), sa.func.max(minutes.c.minute))
        if tenant is not None:
            query = query.where(minutes.c.tenant == tenant)
        with self._database.read() as connection:
            first, last = connection.execute(query).one()
        return None if first is None else (int(first), int(last))

    def delete_before(self, minute: int) -> int:
        with self._database.write() as connection:
            return connection.execute(sa.delete(minutes).where(minutes.c.minute < minute)).rowcount


def add_minutes(connection: sa.Connection, sums: Mapping[MinuteKey, Sequence[float]]) -> None:
    """Add up, in the rows' order."""
    rows = [
        dict(zip(KEY, key, strict=True)) | dict(zip(COLUMNS, values, strict=True))
        for key, values in sorted(sums.items())
    ]
    add_to_rows(connection, minutes, KEY, COLUMNS, rows)


def sum_ratings(reactions: Sequence[Reaction]) -> dict[MinuteKey, list[float]]:
    """What ratings add, in the minutes in which they came."""
    sums: dict[MinuteKey, list[float]] = {}
    for one in reactions:
        if one.kind == "explicit":
            key = (one.tenant, minute_of(one.at), one.model, one.route)
            add_rating(sums.setdefault(key, empty_sums()), one.score)
    return sums
