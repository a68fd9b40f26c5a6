"""Secrets that several machines share, each wrapped by the root key, and the fingerprint of that root key.

What is stored here opens only with the root key, which is never stored.
"""

from __future__ import annotations

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.tables import roots, secrets
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

    def ensure(self, secret: WrappedSecret, at: float) -> WrappedSecret:
        where = (
            secrets.c.kind == secret.kind,
            secrets.c.tenant == secret.tenant,
            secrets.c.version == secret.version,
        )
        first = self._database.insert(secrets).values(
            kind=secret.kind, tenant=secret.tenant, version=secret.version, wrapped=secret.wrapped, created_at=at
        )
        with self._database.write() as connection:
            connection.execute(first.on_conflict_do_nothing())
            wrapped = connection.execute(sa.select(secrets.c.wrapped).where(*where)).scalar_one()
        return WrappedSecret(secret.kind, secret.tenant, secret.version, bytes(wrapped))

    def list_secrets(self, kind: str) -> list[WrappedSecret]:
        query = sa.select(secrets).where(secrets.c.kind == kind).order_by(secrets.c.tenant, secrets.c.version)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [WrappedSecret(row.kind, row.tenant, row.version, bytes(row.wrapped)) for row in rows]
