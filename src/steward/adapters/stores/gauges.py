"""Gauges in the store: samples merged into their minute, hour and day, and what engines told last.

They are the operator's: they speak of machines, engines and guards, not of a tenant's requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, make_insert
from steward.adapters.stores.tables import engine_states, gauges
from steward.core.gauges import EngineState, GaugeRow, GaugeSample, merge_samples

_KEY: Final = ("resolution_s", "start", "subject", "metric")
_state: Final = msgspec.json.Decoder(EngineState)


class SqlGauges:
    """`core.stores.GaugeStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, samples: Iterable[GaugeSample], states: Iterable[EngineState] = ()) -> None:
        rows = merge_samples(samples)
        told = [{"model": one.model, "state": msgspec.json.encode(one).decode()} for one in states]
        with self._database.write() as connection:
            add_gauges(connection, rows)
            if told:
                state = self._database.insert(engine_states)
                same = state.on_conflict_do_update(index_elements=["model"], set_={"state": state.excluded.state})
                connection.execute(same, told)

    def read(self, resolution_s: int, since: int, until: int, metric: str) -> list[GaugeRow]:
        query = (
            sa.select(gauges)
            .where(
                gauges.c.resolution_s == resolution_s,
                gauges.c.start >= since,
                gauges.c.start < until,
                gauges.c.metric == metric,
            )
            .order_by(gauges.c.start, gauges.c.subject)
        )
        with self._database.read() as connection:
            return [GaugeRow(**row) for row in connection.execute(query).mappings()]

    def first(self, resolution_s: int) -> int | None:
        query = sa.select(sa.func.min(gauges.c.start)).where(gauges.c.resolution_s == resolution_s)
        with self._database.read() as connection:
            start = connection.execute(query).scalar_one()
        return None if start is None else int(start)

    def read_states(self) -> list[EngineState]:
        query = sa.select(engine_states.c.state).order_by(engine_states.c.model)
        with self._database.read() as connection:
            return [_state.decode(state) for state in connection.execute(query).scalars()]

    def keep_states(self, models: Iterable[str]) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(engine_states).where(engine_states.c.model.not_in(list(models))))

    def delete_before(self, resolution_s: int, start: int) -> int:
        old = sa.delete(gauges).where(gauges.c.resolution_s == resolution_s, gauges.c.start < start)
        with self._database.write() as connection:
            return connection.execute(old).rowcount


def add_gauges(connection: sa.Connection, rows: Sequence[GaugeRow]) -> None:
    """Merge rows, ordered by key, into those that there are."""
    if not rows:
        return
    new = make_insert(gauges, connection.dialect)
    both, added = gauges.c, new.excluded
    grown = {
        "count": both.count + added.count,
        "total": both.total + added.total,
        "least": sa.case((added.least < both.least, added.least), else_=both.least),
        "most": sa.case((added.most > both.most, added.most), else_=both.most),
        "last": added.last,
    }
    same = new.on_conflict_do_update(index_elements=list(_KEY), set_=grown)
    connection.execute(same, [msgspec.structs.asdict(row) for row in rows])
