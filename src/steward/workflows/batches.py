"""`steward batch`: the batches of this home as its operator sees them, of all tenants."""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.gateway.batch import Batch, is_id
from steward.workflows.audit import make_act
from steward.workflows.batch_store import BatchStore
from steward.workflows.serve.deployment import find_deployment


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """A batch without its content."""

    id: str
    tenant: str
    project: str
    key_id: str
    endpoint: str
    status: str
    total: int
    completed: int
    failed: int
    created_at: float
    expires_at: float
    ended_at: float | None
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    errors: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of its requests that have an answer, 0 to 1."""
        return (self.completed + self.failed) / self.total if self.total else 0.0


def list_batches(home: Path) -> list[BatchView]:
    """Newest first. :raises InputError: another root key"""
    store = _open(home)
    return [_view(batch) for batch in store.list_batches()] if store.exists() else []


def show_batch(home: Path, name: str) -> BatchView:
    """:raises UnknownName: there is none of that id"""
    return _view(_find(_open(home), name))


def cancel_batch(home: Path, name: str, *, actor: Principal) -> BatchView:
    """Requests that are under way are answered; no others are sent.

    :raises UnknownName: there is none of that id :raises InputError: it is over
    """
    store = _open(home)
    batch = _find(store, name)
    if batch.is_over:
        raise InputError(f"{batch.id} is {batch.status} and cannot be cancelled")
    find_deployment(home).open_audit_log().record(make_act(actor, "batches.cancel", f"batch:{batch.id}"))
    store.cancel(batch.id)
    return _view(_find(store, name))


def _open(home: Path) -> BatchStore:
    return BatchStore(home, find_deployment(home).follow_roots())


def _find(store: BatchStore, name: str) -> Batch:
    stored = store.find_batch(name) if is_id(name) else None
    if stored is None:
        raise UnknownName("batch", name, [batch.id for batch in store.list_batches()])
    return stored


def _view(batch: Batch) -> BatchView:
    fields = {name: getattr(batch, name) for name in BatchView.__struct_fields__ if name != "errors"}
    issues = (f"line {issue.line}: {issue.message}" if issue.line else issue.message for issue in batch.errors)
    return BatchView(**fields, errors=tuple(issues))
