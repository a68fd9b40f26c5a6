"""People, roles and grants in the store. Each change raises the version of the keys, whose rights follow from them."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.keys import raise_key_version
from steward.adapters.stores.tables import grants, people, roles
from steward.core.access import Grant, Person, Place, Role
from steward.core.identity import keep_known_rights


class SqlAccess:
    """`core.stores.AccessStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_person(self, person: Person) -> bool:
        with self._database.write() as connection:
            there = sa.select(people.c.id).where(people.c.id == person.id)
            if connection.execute(there).one_or_none() is not None:
                return False
            insert_rows(connection, people, [_make_person_row(person)])
            raise_key_version(self._database, connection)
            return True

    def change_person(self, person: Person) -> None:
        with self._database.write() as connection:
            connection.execute(sa.update(people).where(people.c.id == person.id).values(**_make_person_row(person)))
            raise_key_version(self._database, connection)

    def list_people(self, *, tenant: str | None) -> list[Person]:
        query = sa.select(people).order_by(people.c.id)
        if tenant is not None:
            query = query.where(people.c.tenant == tenant)
        with self._database.read() as connection:
            return [_read_person(row) for row in connection.execute(query)]

    def add_grant(self, grant: Grant) -> None:
        place = msgspec.structs.asdict(grant.place)
        row = msgspec.structs.asdict(grant) | place
        del row["place"]
        with self._database.write() as connection:
            insert_rows(connection, grants, [row])
            raise_key_version(self._database, connection)

    def remove_grant(self, grant_id: str) -> bool:
        with self._database.write() as connection:
            gone = connection.execute(sa.delete(grants).where(grants.c.id == grant_id)).rowcount
            if gone:
                raise_key_version(self._database, connection)
            return bool(gone)

    def list_grants(self, *, tenant: str | None) -> list[Grant]:
        query = sa.select(grants).order_by(grants.c.created_at, grants.c.id)
        if tenant is not None:
            query = query.where(grants.c.tenant == tenant)
        with self._database.read() as connection:
            return [_read_grant(row) for row in connection.execute(query)]

    def put_role(self, role: Role) -> None:
        rights = msgspec.json.encode(sorted(role.rights)).decode()
        put = self._database.insert(roles).values(name=role.name, rights=rights)
        with self._database.write() as connection:
            connection.execute(put.on_conflict_do_update(index_elements=["name"], set_={"rights": rights}))
            raise_key_version(self._database, connection)

    def list_roles(self) -> list[Role]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(roles.c.name, roles.c.rights).order_by(roles.c.name))
            return [Role(row.name, keep_known_rights(msgspec.json.decode(row.rights))) for row in rows]


def _make_person_row(person: Person) -> dict[str, Any]:
    return msgspec.structs.asdict(person) | {"groups": msgspec.json.encode(person.groups).decode()}


def _read_person(row: Any) -> Person:
    return Person(**dict(row._mapping) | {"groups": tuple(msgspec.json.decode(row.groups))})


def _read_grant(row: Any) -> Grant:
    return Grant(
        id=row.id,
        subject=row.subject,
        role=row.role,
        place=Place(row.tenant, row.project, row.resource),
        created_at=row.created_at,
        created_by=row.created_by,
    )
