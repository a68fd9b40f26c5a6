"""Secrets that several machines share, each wrapped by the root key, and the fingerprint of that root key.

What is stored here opens only with the root key, which is never stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.keys import raise_key_version
from steward.adapters.stores.tables import roots, secrets
from steward.core.errors import Unavailable
from steward.core.stores import WrappedSecret


class SqlSecrets:
    """`core.stores.SecretStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure_root(self, fingerprint: str, at: float) -> str:
        first = self._database.insert(roots).values(id=1, fingerprint=fingerprint, created_at=at)
        with self._database.write() as connection:
            connection.execute(first.on_conflict_do_nothing())
            return str(connection.execute(sa.select(roots.c.fingerprint)).scalar_one())

    def find_root(self) -> str | None:
        with self._database.read() as connection:
            return connection.execute(sa.select(roots.c.fingerprint)).scalar_one_or_none()

    def ensure(self, secret: WrappedSecret, at: float, root: str | None = None) -> WrappedSecret:
        with self._database.write() as connection:
            self._insert(connection, secret, at, root)
            wrapped = connection.execute(sa.select(secrets.c.wrapped).where(*_is(secret))).scalar_one()
        return WrappedSecret(secret.kind, secret.tenant, secret.version, bytes(wrapped))

    def add(self, secret: WrappedSecret, at: float, root: str) -> bool:
        with self._database.write() as connection:
            return self._insert(connection, secret, at, root)

    def delete(self, secret: WrappedSecret) -> bool:
        with self._database.write() as connection:
            gone = connection.execute(sa.delete(secrets).where(*_is(secret))).rowcount
        self._database.forget_deleted()
        return bool(gone)

    def rebind(self, old: str, new: str, wrap: Callable[[WrappedSecret], WrappedSecret]) -> int | None:
        with self._database.write() as connection:
            bound = sa.update(roots).where(roots.c.fingerprint == old).values(fingerprint=new)
            if not connection.execute(bound).rowcount:
                return None
            rows = [_read(row) for row in connection.execute(sa.select(secrets))]
            for secret in rows:
                connection.execute(sa.update(secrets).where(*_is(secret)).values(wrapped=wrap(secret).wrapped))
            raise_key_version(self._database, connection)
        self._database.forget_deleted()
        return len(rows)

    def list_secrets(self, kind: str) -> list[WrappedSecret]:
        query = sa.select(secrets).where(secrets.c.kind == kind).order_by(secrets.c.tenant, secrets.c.version)
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(query)]

    def _insert(self, connection: sa.Connection, secret: WrappedSecret, at: float, root: str | None) -> bool:
        if root is not None:
            # a rotation on another machine waits for this transaction, or this one for it
            bound = connection.execute(sa.select(roots.c.fingerprint).with_for_update(read=True)).scalar_one_or_none()
            if bound not in (None, root):
                raise Unavailable("the root key was rotated at this moment; try again")
        row = {name: getattr(secret, name) for name in ("kind", "tenant", "version", "wrapped")}
        insert = self._database.insert(secrets).values(**row, created_at=at)
        kept = connection.execute(insert.on_conflict_do_nothing().returning(secrets.c.version))
        return kept.first() is not None


def _is(secret: WrappedSecret) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        secrets.c.kind == secret.kind,
        secrets.c.tenant == secret.tenant,
        secrets.c.version == secret.version,
    )


def _read(row: Any) -> WrappedSecret:
    return WrappedSecret(row.kind, row.tenant, row.version, bytes(row.wrapped))
