"""Captured exchanges in the store: their texts are ciphertext, and go when their time is over, unless they are held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from steward.adapters.stores.database import Database
from steward.adapters.stores.feedback import is_appealed
from steward.adapters.stores.legal_holds import is_held
from steward.adapters.stores.tables import captures
from steward.core.captures import CaptureCount, CapturedExchange, CapturePurpose, ExpiredCaptures


def make_capture_rows(records: Sequence[CapturedExchange]) -> list[dict[str, Any]]:
    return [{name: getattr(record, name) for name in CapturedExchange.__struct_fields__} for record in records]


class SqlCaptures:
    """`core.stores.CaptureStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_captures(
        self,
        since: float,
        until: float,
        limit: int,
        *,
        tenant: str | None,
        purpose: CapturePurpose | None = None,
        consent: bool | None = None,
        now: float | None = None,
        after: tuple[float, str] | None = None,
    ) -> list[CapturedExchange]:
        table = captures.c
        where = [table.at >= since, table.at < until]
        where += [table.tenant == tenant] if tenant is not None else []
        where += [table.purpose == purpose] if purpose is not None else []
        where += [table.consent == consent] if consent is not None else []
        where += [table.expires_at > now] if now is not None else []
        if after is not None:
            at, request_id = after
            where.append(sa.or_(table.at > at, sa.and_(table.at == at, table.request_id > request_id)))
        query = sa.select(captures).where(*where).order_by(table.at, table.request_id).limit(limit)
        with self._database.read() as connection:
            return [CapturedExchange(**row._mapping) for row in connection.execute(query)]

    def find(self, request_id: str, *, tenant: str | None) -> CapturedExchange | None:
        query = sa.select(captures).where(captures.c.request_id == request_id)
        if tenant is not None:
            query = query.where(captures.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else CapturedExchange(**row._mapping)

    def list_newest(
        self, limit: int, *, tenant: str | None, purpose: CapturePurpose, now: float
    ) -> list[CapturedExchange]:
        table = captures.c
        query = sa.select(captures).where(table.purpose == purpose, table.expires_at > now)
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        query = query.order_by(table.at.desc(), table.request_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [CapturedExchange(**row._mapping) for row in connection.execute(query)]

    def counts(self, *, tenant: str | None) -> list[CaptureCount]:
        table = captures.c
        names = (table.tenant, table.project, table.route, table.purpose, table.consent, table.form)
        query = sa.select(
            *names,
            sa.func.count().label("count"),
            sa.func.min(table.at).label("oldest"),
            sa.func.max(table.at).label("newest"),
            sa.func.min(table.expires_at).label("next_expiry"),
        ).group_by(*names)
        if tenant is not None:
            query = query.where(table.tenant == tenant)
        with self._database.read() as connection:
            return [CaptureCount(**row._mapping) for row in connection.execute(query.order_by(*names))]

    def delete_expired(self, now: float) -> ExpiredCaptures:
        expired, stays = captures.c.expires_at <= now, sa.or_(is_held(captures), is_appealed(captures))
        with self._database.write() as connection:
            held = connection.execute(
                sa.select(sa.func.count()).select_from(captures).where(expired, stays)
            ).scalar_one()
            deleted = connection.execute(sa.delete(captures).where(expired, ~stays)).rowcount
        return ExpiredCaptures(deleted=deleted, held=held)
