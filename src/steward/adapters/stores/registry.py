"""Versions of models, never changed, and the journal of their aliases, only added to."""

from __future__ import annotations

from typing import Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.releases import list_released
from steward.adapters.stores.tables import alias_moves, model_versions
from steward.core.releases import AliasMove, ModelVersion

_version: Final = msgspec.json.Decoder(ModelVersion)


class SqlRegistry:
    """`core.stores.RegistryStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_version(self, version: ModelVersion) -> bool:
        insert = self._database.insert(model_versions).values(
            tenant=version.tenant,
            name=version.name,
            digest=version.digest,
            created_at=version.created_at,
            record=msgspec.json.encode(version).decode(),
            tainted=version.tainted,
            held=version.held,
        )
        with self._database.write() as connection:
            added = insert.on_conflict_do_nothing().returning(model_versions.c.digest)
            return connection.execute(added).one_or_none() is not None

    def list_versions(self, name: str | None = None, *, tenant: str | None) -> list[ModelVersion]:
        table = model_versions.c
        query = sa.select(model_versions).order_by(table.created_at.desc(), table.digest)
        if name is not None:
            query = query.where(table.name == name)
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            msgspec.structs.replace(_version.decode(row.record), tainted=row.tainted, held=row.held) for row in rows
        ]

    def find_by_file(self, sha256: str, *, tenant: str | None) -> list[ModelVersion]:
        versions = self.list_versions(tenant=tenant)
        return [one for one in versions if any(file.sha256 == sha256 for file in one.files)]

    def mark_version(self, name: str, digest: str, *, tainted: str | None, held: str | None, tenant: str) -> bool:
        marks = {key: text for key, text in (("tainted", tainted), ("held", held)) if text is not None}
        with self._database.write() as connection:
            change = sa.update(model_versions).where(*_is_version(name, digest, tenant)).values(**marks)
            return connection.execute(change).rowcount == 1

    def delete_version(self, name: str, digest: str, *, tenant: str) -> bool:
        where = _is_version(name, digest, tenant)
        with self._database.write() as connection:
            held = connection.execute(sa.select(model_versions.c.held).where(*where).with_for_update()).scalar()
            if held != "" or digest in _list_named(connection, name, tenant):
                return False  # there is none, or it is held, or an alias names it
            if digest in list_released(connection):
                return False
            return connection.execute(sa.delete(model_versions).where(*where)).rowcount == 1

    def move_alias(self, move: AliasMove) -> bool:
        key = (
            alias_moves.c.tenant == move.tenant,
            alias_moves.c.name == move.name,
            alias_moves.c.alias == move.alias,
        )
        with self._database.write() as connection:
            last = connection.execute(sa.select(sa.func.max(alias_moves.c.number)).where(*key)).scalar_one() or 0
            if last != move.number - 1:
                return False
            insert_rows(connection, alias_moves, [msgspec.structs.asdict(move)])
        return True

    def list_moves(self, name: str | None = None, *, tenant: str | None) -> list[AliasMove]:
        table = alias_moves.c
        query = sa.select(alias_moves).order_by(table.at, table.name, table.alias, table.number)
        if name is not None:
            query = query.where(table.name == name)
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        with self._database.read() as connection:
            return [AliasMove(**row._mapping) for row in connection.execute(query)]


def _list_named(connection: sa.Connection, name: str, tenant: str) -> list[str]:
    """The digests where the aliases of a model stand."""
    table = alias_moves.c
    of_model = (table.tenant == tenant, table.name == name)
    newest = sa.select(table.alias, sa.func.max(table.number)).where(*of_model).group_by(table.alias)
    query = sa.select(table.digest).where(*of_model, sa.tuple_(table.alias, table.number).in_(newest))
    return list(connection.execute(query).scalars())


def _is_version(name: str, digest: str, tenant: str) -> tuple[sa.ColumnElement[bool], ...]:
    table = model_versions.c
    return table.tenant == tenant, table.name == name, table.digest == digest
