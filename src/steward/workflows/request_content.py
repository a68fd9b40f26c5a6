"""What was asked and answered in one request, and what people wrote of it: for whoever may read it, with a reason.

Reading is an act: it stands in the audit log, with who read and why, before anything is opened.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.captures import CapturedContent, CapturedExchange, CapturedText, CaptureForm, CapturePurpose
from steward.core.errors import InputError, UnknownName
from steward.core.identity import Principal
from steward.core.records import ExchangeDetails
from steward.workflows.audit import make_act
from steward.workflows.feedback import OpenedFeedback, open_ratings
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment, open_served_store


class RequestContent(msgspec.Struct, frozen=True, kw_only=True):
    """`steward trace REQUEST --content --json`. Without `purpose`, the request was not captured, or no more is kept."""

    request_id: str
    purpose: CapturePurpose | None = None
    form: CaptureForm | None = None
    expires_at: float | None = None
    complete: bool = True  # false: the answer broke off
    erased: bool = False  # its key was destroyed
    request: str = ""  # the JSON body without the fields that name its user
    answer: tuple[CapturedText, ...] = ()
    ratings: tuple[OpenedFeedback, ...] = ()  # those with a comment or a correction

    def __repr__(self) -> str:
        return f"RequestContent({self.request_id!r}, ***)"


def open_request_content(
    home: Path, request_id: str, now: float, *, actor: Principal, tenant: str | None = None
) -> RequestContent:
    """`read_request_content` of a home, of one tenant or of any.

    :raises StewardError: as it does, and where nothing has been served
    """
    store = open_served_store(home)
    try:
        return read_request_content(home, store, request_id, now, actor=actor, tenant=tenant)
    finally:
        store.close()


def read_request_content(
    home: Path, store: SqlStore, request_id: str, now: float, *, actor: Principal, tenant: str | None
) -> RequestContent:
    """Of the actor's project alone, where it is within one.

    :raises UnknownName: no settled request of this id in the tenant, or in the project
    :raises InputError: `actor` gives no reason, or what is kept does not open under this home's keys
    :raises Unavailable: the store does not answer, or the reading cannot be recorded
    """
    if not actor.reason.strip():
        raise InputError("reason: empty; expected why the words of a person are read, such as 'complaint 4711'")
    details = store.exchanges.show(request_id, tenant=tenant, project=actor.within)
    if details is None:
        newest = store.exchanges.tail(3, tenant=tenant, project=actor.within)
        raise UnknownName("request", request_id, [row.request_id for row in newest])
    deployment = find_deployment(home)
    deployment.open_audit_log().record(make_act(actor, "content.read", f"request:{request_id}", clock=lambda: now))
    keys = make_content_keys(store, deployment.follow_roots())
    commented = [row.id for row in details.feedback if row.has_content and row.matched]
    ratings = tuple(open_ratings(store, keys, commented, tenant=details.tenant))
    captured = store.captures.find(request_id, tenant=details.tenant)
    if captured is None or captured.expires_at <= now:
        return RequestContent(request_id=request_id, ratings=ratings)
    return _make_content(captured, keys.open_capture(captured), ratings)


def is_captured(store: SqlStore, details: ExchangeDetails, now: float) -> bool:
    """Whether the words of a request are kept and may still be read."""
    captured = store.captures.find(details.request_id, tenant=details.tenant)
    return captured is not None and captured.expires_at > now


def _make_content(
    captured: CapturedExchange, content: CapturedContent | None, ratings: tuple[OpenedFeedback, ...]
) -> RequestContent:
    return RequestContent(
        request_id=captured.request_id,
        purpose=captured.purpose,
        form=captured.form,
        expires_at=captured.expires_at,
        complete=captured.complete,
        erased=content is None,
        request="" if content is None else content.request.decode("utf-8", "replace"),
        answer=() if content is None else content.answer,
        ratings=ratings,
    )
