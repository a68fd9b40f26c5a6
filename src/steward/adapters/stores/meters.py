"""Counts in the store: added to in the transaction that takes rows in, so that they are right whatever is killed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from steward.adapters.stores.tables import meters
from steward.core.meters import Labels, MeterKey, MeterRow


def add(connection: sa.Connection, counts: Mapping[MeterKey, float]) -> None:
    """Add up. Rows are taken in one order, so that two keepers on one database never wait for each other both ways."""
    rows = [
        {"meter": meter, "labels": msgspec.json.encode(labels).decode(), "part": part, "value": float(value)}
        for (meter, labels, part), value in sorted(counts.items())
    ]
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(meters)
    grown = {"value": meters.c.value + insert.excluded.value}
    connection.execute(insert.on_conflict_do_update(index_elements=["meter", "labels", "part"], set_=grown), rows)


def read(connection: sa.Connection) -> list[MeterRow]:
    """All counts, ordered."""
    query = sa.select(meters).order_by(meters.c.meter, meters.c.labels, meters.c.part)
    return [
        MeterRow(row.meter, msgspec.json.decode(row.labels, type=Labels), row.part, row.value)
        for row in connection.execute(query)
    ]
