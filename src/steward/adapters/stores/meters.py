"""Counts in the store: added to in the transaction that takes rows in, so that they are right whatever is killed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, add_to_rows
from steward.adapters.stores.tables import meters
from steward.core.identity import DEFAULT_TENANT
from steward.core.meters import Labels, MeterKey, MeterRow


class SqlMeters:
    """`core.stores.MeterStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, *, tenant: str | None) -> list[MeterRow]:
        query = sa.select(meters).order_by(meters.c.meter, meters.c.labels, meters.c.part)
        if tenant is not None:
            query = query.where(meters.c.tenant == tenant)
        with self._database.read() as connection:
            return [
                MeterRow(row.meter, msgspec.json.decode(row.labels, type=Labels), row.part, row.value)
                for row in connection.execute(query)
            ]


def add_counts(connection: sa.Connection, counts: Mapping[MeterKey, float], table: sa.TableClause = meters) -> None:
    """Add up, in the rows' order.

    `table` is for a migration, which must write the table as it was at its revision.
    """
    rows = [
        {"meter": meter, "labels": msgspec.json.encode(labels).decode(), "part": part, "value": float(value)}
        | ({"tenant": dict(labels).get("tenant", DEFAULT_TENANT)} if "tenant" in table.c else {})
        for (meter, labels, part), value in sorted(counts.items())
    ]
    add_to_rows(connection, table, ("meter", "labels", "part"), ("value",), rows)
