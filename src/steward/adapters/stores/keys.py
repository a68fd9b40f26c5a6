"""Gateway keys in the store: the truth, of which each machine keeps a copy for its workers."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.tables import counters, keys
from steward.core.keys import KeyRecord

_VERSION: Final = "keys"  # the counter that every change of a key raises
_JSON: Final = frozenset({"rights"})


class SqlKeys:
    """`core.stores.KeyStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: list[KeyRecord]) -> None:
        with self._database.write() as connection:
            insert_rows(connection, keys, [_make_row(record) for record in records])
            self._raise_version(connection)

    def revoke(self, key_id: str, at: float, actor: str) -> KeyRecord | None:
        change = (
            sa.update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=at, revoked_by=actor)
            .returning(*keys.c)
        )
        with self._database.write() as connection:
            row = connection.execute(change).one_or_none()
            if row is None:
                return None
            self._raise_version(connection)
            return _read_row(row)

    def list_keys(self, *, tenant: str | None) -> list[KeyRecord]:
        query = sa.select(keys).order_by(keys.c.created_at, keys.c.id)
        if tenant is not None:
            query = query.where(keys.c.tenant == tenant)
        with self._database.read() as connection:
            return [_read_row(row) for row in connection.execute(query)]

    def version(self) -> int:
        query = sa.select(counters.c.value).where(counters.c.name == _VERSION)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    def _raise_version(self, connection: sa.Connection) -> None:
        insert = self._database.insert(counters).values(name=_VERSION, value=1)
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1}))


def _make_row(record: KeyRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in KeyRecord.__struct_fields__}
    return row | {name: msgspec.json.encode(sorted(row[name])).decode() for name in _JSON}


def _read_row(row: Any) -> KeyRecord:
    values = {str(name): value for name, value in row._mapping.items()}
    return msgspec.convert(values | {name: msgspec.json.decode(values[name]) for name in _JSON}, KeyRecord)
