"""Gateway keys in the store: the truth, of which each machine keeps a copy for its workers."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows, make_insert
from steward.adapters.stores.tables import counters, key_uses, keys
from steward.core.identity import Right, keep_known_rights
from steward.core.keys import KeyRecord

_VERSION: Final = "keys"  # the counter that every change of a key raises
_NAMES: Final = tuple(keys.c.keys())
_decode_names: Final = msgspec.json.Decoder(tuple[str, ...]).decode
_JSON: Final = frozenset({"rights", "models", "networks"})


class SqlKeys:
    """`core.stores.KeyStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, records: list[KeyRecord]) -> None:
        with self._database.write() as connection:
            insert_rows(connection, keys, [_make_row(record) for record in records])
            raise_key_version(self._database, connection)

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
            raise_key_version(self._database, connection)
            return _read_row(row)

    def replace(self, key_id: str, record: KeyRecord, expires_at: float) -> KeyRecord | None:
        change = (
            sa.update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None), keys.c.replaced_by.is_(None))
            .values(replaced_by=record.id, expires_at=expires_at)
            .returning(*keys.c)
        )
        with self._database.write() as connection:
            row = connection.execute(change).one_or_none()
            if row is None:
                return None
            insert_rows(connection, keys, [_make_row(record)])
            raise_key_version(self._database, connection)
            return _read_row(row)

    def last_uses(self, *, tenant: str | None) -> dict[str, float]:
        query = sa.select(key_uses.c.key_id, key_uses.c.last_used_at)
        if tenant is not None:
            query = query.where(key_uses.c.tenant == tenant)
        with self._database.read() as connection:
            return {row.key_id: row.last_used_at for row in connection.execute(query)}

    def list_keys(self, *, tenant: str | None) -> list[KeyRecord]:
        query = sa.select(keys).order_by(keys.c.created_at, keys.c.id)
        if tenant is not None:
            query = query.where(keys.c.tenant == tenant)
        with self._database.read() as connection:
            return [_read_row(row) for row in connection.execute(query)]

    def list_revoked(self, *, tenant: str | None) -> list[str]:
        query = sa.select(keys.c.id).where(keys.c.revoked_at.is_not(None))
        if tenant is not None:
            query = query.where(keys.c.tenant == tenant)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def version(self) -> int:
        query = sa.select(counters.c.value).where(counters.c.name == _VERSION)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none() or 0


def raise_key_version(database: Database, connection: sa.Connection) -> None:
    """Say that what keys may do has changed, in the transaction that changes it."""
    insert = database.insert(counters).values(name=_VERSION, value=1)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1}))


def note_uses(connection: sa.Connection, uses: Iterable[tuple[str, str, float]]) -> None:
    """Remember when keys were last used: key, tenant and time of each use.

    Rows are taken in one order, so that two keepers on one database never wait for each other both ways.
    """
    latest: dict[str, tuple[str, float]] = {}
    for key_id, tenant, at in uses:
        if key_id not in latest or at > latest[key_id][1]:
            latest[key_id] = tenant, at
    if not latest:
        return
    connection.execute(
        _write_uses(connection.dialect),
        [{"key_id": key_id, "tenant": tenant, "last_used_at": at} for key_id, (tenant, at) in sorted(latest.items())],
    )


@lru_cache(maxsize=4)
def _write_uses(dialect: sa.Dialect) -> Any:
    insert = make_insert(key_uses, dialect)
    now = insert.excluded.last_used_at
    later = {"last_used_at": sa.case((now > key_uses.c.last_used_at, now), else_=key_uses.c.last_used_at)}
    return insert.on_conflict_do_update(index_elements=["key_id"], set_=later)


def _make_row(record: KeyRecord) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in KeyRecord.__struct_fields__}
    return row | {
        name: msgspec.json.encode(sorted(row[name])).decode() if row[name] is not None else None for name in _JSON
    }


def _read_row(row: Any) -> KeyRecord:
    values = dict(zip(_NAMES, row, strict=True))
    models = values["models"]
    return KeyRecord(
        **values
        | {
            "rights": _read_rights(values["rights"]),
            "models": None if models is None else frozenset(_read_names(models)),
            "networks": _read_names(values["networks"]),
        }
    )


@lru_cache(maxsize=1024)
def _read_rights(text: str) -> frozenset[Right]:
    """Of ten thousand keys most have the same ones."""
    return keep_known_rights(_read_names(text))


@lru_cache(maxsize=1024)
def _read_names(text: str) -> tuple[str, ...]:
    return _decode_names(text)
