"""Traces in the store: which requests are kept as such. What they say stands in the rows of settled exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from steward.adapters.stores.database import Database, split_parts
from steward.adapters.stores.legal_holds import is_request_held, sweep_rows
from steward.adapters.stores.tables import exchanges, traces
from steward.core.records import Attempt
from steward.core.rights import SweptRows
from steward.core.traces import Trace, build_trace

_attempts: Final = msgspec.msgpack.Decoder(tuple[Attempt, ...])


class SqlTraces:
    """`core.stores.TraceStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, request_id: str, *, tenant: str | None, project: str | None = None) -> Trace | None:
        query = (
            sa.select(exchanges, traces.c.kept_for)
            .select_from(exchanges.outerjoin(traces, traces.c.request_id == exchanges.c.request_id))
            .where(exchanges.c.request_id == request_id)
        )
        rows = self._read(_filter_owner(query, tenant, project))
        return rows[0] if rows else None

    def list_traces(
        self, since: float, until: float, limit: int, *, tenant: str | None, project: str | None = None
    ) -> list[Trace]:
        query = _filter_owner(_select_kept().where(traces.c.at >= since, traces.c.at < until), tenant, project)
        return self._read(query.order_by(traces.c.at.desc(), traces.c.request_id).limit(limit))

    def list_unexported(self, limit: int) -> list[Trace]:
        query = _select_kept().where(traces.c.exported_at.is_(None))
        return self._read(query.order_by(traces.c.at, traces.c.request_id).limit(limit))

    def mark_exported(self, request_ids: Sequence[str], at: float) -> None:
        with self._database.write() as connection:
            for part in split_parts(request_ids):
                connection.execute(sa.update(traces).where(traces.c.request_id.in_(part)).values(exported_at=at))

    def delete_before(self, at: float) -> SweptRows:
        return sweep_rows(self._database, traces, traces.c.at < at, is_request_held(traces))

    def _read(self, query: sa.Select[Any]) -> list[Trace]:
        with self._database.read() as connection:
            return [
                build_trace(dict(row), row["kept_for"], _attempts.decode(row["attempts"]))
                for row in connection.execute(query).mappings()
            ]


def _select_kept() -> sa.Select[Any]:
    joined = traces.join(exchanges, traces.c.request_id == exchanges.c.request_id)
    return sa.select(exchanges, traces.c.kept_for).select_from(joined)


def _filter_owner(query: sa.Select[Any], tenant: str | None, project: str | None) -> sa.Select[Any]:
    if tenant is not None:
        query = query.where(exchanges.c.tenant == tenant)
    return query if project is None else query.where(exchanges.c.project == project)
