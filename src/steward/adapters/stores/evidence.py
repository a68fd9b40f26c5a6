"""Evidence in the store: added, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.tables import evidence
from steward.core.evidence import Evidence, EvidenceInput


class SqlEvidence:
    """`core.stores.EvidenceStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: Evidence, *, tenant: str) -> None:
        self.add_all([record], tenant=tenant)

    def add_all(self, records: Iterable[Evidence], *, tenant: str) -> None:
        rows = [{**_make_row(record), "tenant": tenant} for record in records]
        with self._database.write() as connection:
            insert_rows(connection, evidence, rows)

    def find(self, evidence_id: str, *, tenant: str | None) -> Evidence | None:
        columns = [evidence.c[name] for name in Evidence.__struct_fields__]
        query = sa.select(*columns).where(evidence.c.id == evidence_id)
        if tenant is not None:
            query = query.where(evidence.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else _read(row)

    def list_evidence(self, limit: int, check: str | None = None, *, tenant: str | None) -> list[Evidence]:
        columns = [evidence.c[name] for name in Evidence.__struct_fields__]
        query = sa.select(*columns).order_by(evidence.c.produced_at.desc(), evidence.c.id).limit(limit)
        if check is not None:
            query = query.where(evidence.c.check == check)
        if tenant is not None:
            query = query.where(evidence.c.tenant == tenant)
        with self._database.read() as connection:
            return [_read(row) for row in connection.execute(query)]

    def list_newest(self, check: str, *, tenant: str | None) -> list[Evidence]:
        where = [evidence.c.check == check]
        where += [evidence.c.tenant == tenant] if tenant is not None else []
        newest = sa.select(evidence.c.subject, sa.func.max(evidence.c.produced_at).label("at")).where(*where)
        last = newest.group_by(evidence.c.subject).subquery()
        is_last = sa.and_(evidence.c.subject == last.c.subject, evidence.c.produced_at == last.c.at)
        columns = [evidence.c[name] for name in Evidence.__struct_fields__]
        query = sa.select(*columns).join(last, is_last).where(*where).order_by(evidence.c.subject, evidence.c.id)
        with self._database.read() as connection:
            return list({row.subject: _read(row) for row in connection.execute(query)}.values())


def _make_row(record: Evidence) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in Evidence.__struct_fields__}
    return {**row, "inputs": msgspec.json.encode(record.inputs).decode()}


def _read(row: sa.Row[Any]) -> Evidence:
    columns = dict(row._mapping)
    inputs = msgspec.json.decode(columns.pop("inputs"), type=tuple[EvidenceInput, ...])
    return Evidence(**columns, inputs=inputs)
