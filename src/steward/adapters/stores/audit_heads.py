"""The newest signed head of each audit log: what the files in a home cannot take back."""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import audit_heads


class SqlAuditHeads:
    """`core.stores.AuditHeadStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, origin: str) -> str | None:
        query = sa.select(audit_heads.c.note).where(audit_heads.c.origin == origin)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def put(self, origin: str, size: int, note: str, at: float) -> None:
        values = {"size": size, "note": note, "kept_at": at}
        insert = self._database.insert(audit_heads).values(origin=origin, **values)
        newest = insert.on_conflict_do_update(
            index_elements=["origin"], set_=values, where=audit_heads.c.size <= insert.excluded.size
        )
        with self._database.write() as connection:
            connection.execute(newest)

    def list_heads(self) -> list[tuple[str, str]]:
        query = sa.select(audit_heads.c.origin, audit_heads.c.note).order_by(audit_heads.c.origin)
        with self._database.read() as connection:
            return [(row.origin, row.note) for row in connection.execute(query)]
