"""Feedback as it is read: the report, and the content for whoever may open it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.core.records import Feedback, FeedbackReport
from steward.gateway.feedback import FeedbackContent
from steward.monitoring.satisfaction import SatisfactionField, SatisfactionRow, summarise
from steward.workflows.sealing import make_content_keys
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


def read_report(home: Path, since: float, limit: int) -> FeedbackReport:
    """:raises Unavailable: nothing was served yet, or the store does not answer"""
    store = open_served_store(home)
    try:
        return store.feedback.report(since, limit, tenant=None)
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


def open_contents(home: Path, found: FeedbackReport) -> list[OpenedFeedback]:
    """The content of the report's rows. :raises InputError: it does not open under this home's root key"""
    roots = find_deployment(home).follow_roots()
    store = open_served_store(home)
    try:
        records = store.feedback.read_sealed([row.id for row in found.last if row.has_content], tenant=None)
        keys = make_content_keys(store, roots)
        contents = [keys.open_feedback(record) for record in records]
    finally:
        store.close()
    return [_make_opened(record, content) for record, content in zip(records, contents, strict=True)]


def _make_opened(record: Feedback, content: FeedbackContent | None) -> OpenedFeedback:
    if content is None:
        return OpenedFeedback(record.id, record.request_id, None, None, erased=True)
    return OpenedFeedback(record.id, record.request_id, content.comment, content.correction)
