"""Feedback as it is read: the report, and the content for whoever may open it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.identity import Principal
from steward.core.records import Feedback, FeedbackReport
from steward.gateway.feedback import FeedbackContent
from steward.monitoring.satisfaction import SatisfactionField, SatisfactionRow, summarise
from steward.workflows.audit import make_act
from steward.workflows.sealing import ContentKeys, make_content_keys
from steward.workflows.serve.deployment import find_deployment, open_served_store


class OpenedFeedback(msgspec.Struct, frozen=True):
    """Content of one feedback, in clear; printed only where somebody asked for it."""

    id: str
    request_id: str
    comment: str | None
    correction: str | None
    erased: bool = False  # its key was destroyed, so that nobody can open it

    def __repr__(self) -> str:
        return f"Opened(id={self.id!r}, ***)"


def read_report(home: Path, since: float, limit: int, *, tenant: str | None = None) -> FeedbackReport:
    """:raises Unavailable: nothing was served yet, or the store does not answer"""
    store = open_served_store(home)
    try:
        return store.feedback.report(since, limit, tenant=tenant)
    finally:
        store.close()


def read_satisfaction(
    home: Path, since: float, by: SatisfactionField, *, tenant: str | None = None
) -> tuple[SatisfactionRow, ...]:
    """Rates from the UTC day of `since` on.

    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    store = open_served_store(home)
    try:
        rows = store.reactions.read(since, tenant=tenant)
        return summarise(rows, store.reactions.read_people(since, tenant=tenant), by)
    finally:
        store.close()


def open_contents(home: Path, found: FeedbackReport, *, actor: Principal) -> list[OpenedFeedback]:
    """The content of the report's rows; the audit log says who read it.

    :raises InputError: it does not open under this home's root key
    :raises Unavailable: the store does not answer, or the reading cannot be recorded
    """
    deployment = find_deployment(home)
    ids = [row.id for row in found.last if row.has_content]
    deployment.open_audit_log().record(make_act(actor, "content.read", "feedback", after=f"{len(ids)} comments"))
    store = open_served_store(home)
    try:
        return open_ratings(store, make_content_keys(store, deployment.follow_roots()), ids, tenant=None)
    finally:
        store.close()


def open_ratings(store: SqlStore, keys: ContentKeys, ids: Sequence[str], *, tenant: str | None) -> list[OpenedFeedback]:
    """:raises InputError: one does not open under the home's keys :raises Unavailable: the store does not answer"""
    records = store.feedback.read_sealed(ids, tenant=tenant)
    return [_make_opened(record, keys.open_feedback(record)) for record in records]


def _make_opened(record: Feedback, content: FeedbackContent | None) -> OpenedFeedback:
    if content is None:
        return OpenedFeedback(record.id, record.request_id, None, None, erased=True)
    return OpenedFeedback(record.id, record.request_id, content.comment, content.correction)
