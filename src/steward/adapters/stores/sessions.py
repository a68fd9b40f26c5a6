"""Sessions of people in the store, by the digests of their tokens."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.tables import sessions
from steward.core.access import PersonSession


class SqlSessions:
    """`core.stores.SessionStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: PersonSession) -> None:
        row = msgspec.structs.asdict(session) | {"groups": msgspec.json.encode(session.groups).decode()}
        with self._database.write() as connection:
            insert_rows(connection, sessions, [row])

    def find(self, session_id: str) -> PersonSession | None:
        with self._database.read() as connection:
            row = connection.execute(sa.select(sessions).where(sessions.c.id == session_id)).one_or_none()
        return None if row is None else _make_session(row)

    def prolong(self, session_id: str, expires_at: float) -> None:
        where = (sessions.c.id == session_id, sessions.c.expires_at < expires_at)
        with self._database.write() as connection:
            connection.execute(sa.update(sessions).where(*where).values(expires_at=expires_at))

    def list_sessions(self, now: float, *, tenant: str | None) -> list[PersonSession]:
        query = sa.select(sessions).where(sessions.c.expires_at > now).order_by(sessions.c.created_at.desc())
        if tenant is not None:
            query = query.where(sessions.c.tenant == tenant)
        with self._database.read() as connection:
            return [_make_session(row) for row in connection.execute(query)]

    def end(self, session_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(sa.delete(sessions).where(sessions.c.id == session_id))

    def end_of(self, subject: str) -> int:
        with self._database.write() as connection:
            return int(connection.execute(sa.delete(sessions).where(sessions.c.subject == subject)).rowcount)

    def delete_expired(self, now: float) -> int:
        with self._database.write() as connection:
            return int(connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= now)).rowcount)


def _make_session(row: Any) -> PersonSession:
    return PersonSession(**dict(row._mapping) | {"groups": tuple(msgspec.json.decode(row.groups))})
