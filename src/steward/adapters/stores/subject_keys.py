"""Keys of subjects, and the journal of those that were destroyed.

Whoever makes a subject's key and whoever destroys it take turns (SQLite: one writer; PostgreSQL: an advisory lock of
the subject), so that no key is made for a record from before an erasure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows, split_parts
from steward.adapters.stores.tables import counters, subject_keys
from steward.adapters.stores.tables import erasures as journal
from steward.core.subject_keys import ShreddedKey, SubjectKey

_GENERATION: Final = "subject keys"
_keys, _journal = subject_keys.c, journal.c


class SqlSubjectKeys:
    """`core.stores.SubjectKeyStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, candidates: Sequence[SubjectKey]) -> list[SubjectKey | None]:
        if not candidates:
            return []
        subjects = {(item.tenant, item.subject): item for item in candidates}
        with self._database.write() as connection:
            self._take_turns(connection, subjects)
            erased = _read_erasures(connection, subjects)
            wanted = [item for item in candidates if item.created_at > erased.get((item.tenant, item.subject), -1.0)]
            first = {(item.tenant, item.subject): item for item in reversed(wanted)}
            present = _read_subjects(connection, list(first))
            fresh = [item for place, item in first.items() if place not in present]
            insert_rows(connection, subject_keys, [msgspec.structs.asdict(item) for item in fresh])
        kept = present | {(item.tenant, item.subject): item for item in fresh}
        taken = set(map(id, wanted))
        return [kept[item.tenant, item.subject] if id(item) in taken else None for item in candidates]

    def find(self, ids: Sequence[str], *, tenant: str | None) -> dict[str, SubjectKey]:
        with self._database.read() as connection:
            rows = [
                row
                for part in split_parts(ids)
                for row in connection.execute(_of_tenant(sa.select(subject_keys).where(_keys.id.in_(part)), tenant))
            ]
        return {row.id: _read_key(row) for row in rows}

    def find_subject(self, subject: str, *, tenant: str) -> SubjectKey | None:
        query = _of_tenant(sa.select(subject_keys).where(_keys.subject == subject), tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _read_key(row)

    def list_keys(self, limit: int, after: str = "", *, tenant: str | None) -> list[SubjectKey]:
        query = sa.select(subject_keys).where(_keys.id > after).order_by(_keys.id).limit(limit)
        with self._database.read() as connection:
            return [_read_key(row) for row in connection.execute(_of_tenant(query, tenant))]

    def rewrap(self, keys: Sequence[SubjectKey]) -> int:
        changed = 0
        with self._database.write() as connection:
            for item in sorted(keys, key=lambda key: key.id):
                update = sa.update(subject_keys).where(_keys.id == item.id, _keys.tenant == item.tenant)
                new = {"tenant_version": item.tenant_version, "wrapped": item.wrapped}
                changed += connection.execute(update.values(new)).rowcount
            self._raise_generation(connection)
        return changed

    def destroy(self, erasures: Sequence[ShreddedKey]) -> list[ShreddedKey]:
        with self._database.write() as connection:
            self._take_turns(connection, {(item.tenant, item.subject) for item in erasures})
            entries = [self._destroy(connection, item) for item in erasures]
        self._database.forget_deleted()
        return entries

    def _destroy(self, connection: sa.Connection, erasure: ShreddedKey) -> ShreddedKey:
        known = connection.execute(sa.select(journal).where(_journal.id == erasure.id)).one_or_none()
        if known is not None:
            return _read_erasure(known)
        key_id = connection.execute(_delete_of(erasure).returning(_keys.id)).scalar_one_or_none()
        entry = msgspec.structs.replace(erasure, key_id=key_id)
        self._add_entry(connection, entry)
        return entry

    def replay(self, entries: Sequence[ShreddedKey]) -> int:
        replayed = 0
        with self._database.write() as connection:
            self._take_turns(connection, {(item.tenant, item.subject) for item in entries})
            for entry in entries:
                if connection.execute(sa.select(_journal.id).where(_journal.id == entry.id)).first() is None:
                    same = sa.or_(_keys.id == entry.key_id, _keys.created_at <= entry.at)
                    connection.execute(_delete_of(entry).where(same))
                    self._add_entry(connection, entry)
                    replayed += 1
        self._database.forget_deleted()
        return replayed

    def _add_entry(self, connection: sa.Connection, entry: ShreddedKey) -> None:
        connection.execute(sa.insert(journal).values(msgspec.structs.asdict(entry)))
        self._raise_generation(connection)

    def _raise_generation(self, connection: sa.Connection) -> None:
        insert = self._database.insert(counters).values(name=_GENERATION, value=1)
        connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1}))

    def list_erasures(self, since: float = 0.0, *, tenant: str | None) -> list[ShreddedKey]:
        query = sa.select(journal).where(_journal.at >= since).order_by(_journal.at, _journal.id)
        if tenant is not None:
            query = query.where(_journal.tenant == tenant)
        with self._database.read() as connection:
            return [_read_erasure(row) for row in connection.execute(query)]

    def count_keys(self, *, tenant: str | None) -> dict[tuple[str, int], int]:
        query = sa.select(_keys.tenant, _keys.tenant_version, sa.func.count().label("keys"))
        query = _of_tenant(query.group_by(_keys.tenant, _keys.tenant_version), tenant)
        with self._database.read() as connection:
            return {(row.tenant, row.tenant_version): row.keys for row in connection.execute(query)}

    def generation(self) -> int:
        query = sa.select(counters.c.value).where(counters.c.name == _GENERATION)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    def _take_turns(self, connection: sa.Connection, places: Any) -> None:
        """Hold these subjects until the transaction ends; in one order, so that two never wait for each other."""
        if self._database.is_sqlite:
            return
        for number in sorted({_lock_number(tenant, subject) for tenant, subject in places}):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _delete_of(erasure: ShreddedKey) -> sa.Delete:
    return sa.delete(subject_keys).where(_keys.tenant == erasure.tenant, _keys.subject == erasure.subject)


def _lock_number(tenant: str, subject: str) -> int:
    digest = hashlib.sha256(f"{tenant}\0{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _read_erasures(connection: sa.Connection, places: Any) -> dict[tuple[str, str], float]:
    """When each subject was erased last."""
    latest: dict[tuple[str, str], float] = {}
    for part in split_parts(sorted({subject for _, subject in places})):
        query = (
            sa.select(_journal.tenant, _journal.subject, sa.func.max(_journal.at).label("at"))
            .where(_journal.subject.in_(part))
            .group_by(_journal.tenant, _journal.subject)
        )
        latest |= {(row.tenant, row.subject): row.at for row in connection.execute(query)}
    return latest


def _read_subjects(connection: sa.Connection, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], SubjectKey]:
    present: dict[tuple[str, str], SubjectKey] = {}
    for part in split_parts(sorted({subject for _, subject in places})):
        for row in connection.execute(sa.select(subject_keys).where(_keys.subject.in_(part))):
            present[row.tenant, row.subject] = _read_key(row)
    return present


def _of_tenant(query: sa.Select[Any], tenant: str | None) -> sa.Select[Any]:
    return query if tenant is None else query.where(_keys.tenant == tenant)


def _read_key(row: Any) -> SubjectKey:
    return SubjectKey(**{**row._mapping, "wrapped": bytes(row.wrapped)})


def _read_erasure(row: Any) -> ShreddedKey:
    return ShreddedKey(**row._mapping)
