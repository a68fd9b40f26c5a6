"""Runs of the improvement circle."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import improvements
from steward.core.improvements import ImprovementRun

_run: Final = msgspec.json.Decoder(ImprovementRun)
_SLOT: Final = "open"


class SqlImprovements:
    """`core.stores.ImprovementStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, record: ImprovementRun) -> bool:
        with self._database.write() as connection:
            insert = self._database.insert(improvements).values(**_make_values(record)).on_conflict_do_nothing()
            return connection.execute(insert.returning(improvements.c.id)).one_or_none() is not None

    def change(self, record: ImprovementRun) -> bool:
        where = (improvements.c.id == record.id, improvements.c.revision == record.revision - 1)
        with self._database.write() as connection:
            change = sa.update(improvements).where(*where).values(**_make_values(record))
            return connection.execute(change).rowcount == 1

    def list_runs(self, limit: int, *, tenant: str | None) -> list[ImprovementRun]:
        table = improvements.c
        query = sa.select(table.record).order_by(table.started_at.desc(), table.id).limit(limit)
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        with self._database.read() as connection:
            return [_run.decode(text) for text in connection.execute(query).scalars()]


def _make_values(run: ImprovementRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "tenant": run.tenant,
        "open_slot": _SLOT if run.is_open else None,
        "state": run.state,
        "started_at": run.started_at,
        "revision": run.revision,
        "record": msgspec.json.encode(run).decode(),
    }
