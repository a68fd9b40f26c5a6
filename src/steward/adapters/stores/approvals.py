"""Changes that wait for approval, and decisions about them: added, never changed."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, insert_rows
from steward.adapters.stores.tables import approval_decisions, approval_requests
from steward.core.approvals import ApprovalDecision, ApprovalRequest


class SqlApprovals:
    """`core.stores.ApprovalStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_request(self, request: ApprovalRequest) -> None:
        row = msgspec.structs.asdict(request) | {"authors": msgspec.json.encode(request.authors).decode()}
        with self._database.write() as connection:
            insert_rows(connection, approval_requests, [row])

    def list_requests(self, limit: int, *, tenant: str | None) -> list[ApprovalRequest]:
        table = approval_requests
        query = sa.select(table).order_by(table.c.requested_at.desc(), table.c.id).limit(limit)
        return self._read(query if tenant is None else query.where(table.c.tenant == tenant))

    def find_request(self, request_id: str, *, tenant: str | None) -> ApprovalRequest | None:
        table = approval_requests
        query = sa.select(table).where(table.c.id == request_id)
        return next(iter(self._read(query if tenant is None else query.where(table.c.tenant == tenant))), None)

    def find_newest(self, subject: str, digest: str, *, tenant: str) -> ApprovalRequest | None:
        table = approval_requests
        query = (
            sa.select(table)
            .where(table.c.subject == subject, table.c.digest == digest, table.c.tenant == tenant)
            .order_by(table.c.requested_at.desc())
            .limit(1)
        )
        return next(iter(self._read(query)), None)

    def add_decision(self, decision: ApprovalDecision) -> None:
        with self._database.write() as connection:
            insert_rows(connection, approval_decisions, [msgspec.structs.asdict(decision)])

    def list_decisions(self, request_id: str) -> list[ApprovalDecision]:
        table = approval_decisions
        query = sa.select(table).where(table.c.request_id == request_id).order_by(table.c.at, table.c.person)
        with self._database.read() as connection:
            return [ApprovalDecision(**row._mapping) for row in connection.execute(query)]

    def _read(self, query: sa.Select[tuple[object, ...]]) -> list[ApprovalRequest]:
        with self._database.read() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return [
            ApprovalRequest(**row | {"authors": msgspec.json.decode(row["authors"], type=tuple[str, ...])})
            for row in rows
        ]
