"""The people's side of the made-up month: appeals, an incident, approvals and proofs. It all says that it is made up.

The proofs held for an hour, so that no check of the demonstration passes because of them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.appeals import APPEAL, APPEAL_DAYS, DECISION, find_deadline, name_decision
from steward.core.approvals import ApprovalDecision, ApprovalRequest
from steward.core.evidence import Evidence, EvidenceVerdict
from steward.core.identity import DEFAULT_TENANT, Principal
from steward.core.records import Feedback
from steward.core.series import DAY_S
from steward.gateway.feedback import FeedbackContent
from steward.workflows.incidents import close_incident, open_incident, update_incident
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import find_deployment

MADE_UP: Final = "Made up: "
PROOFS: Final[tuple[tuple[str, str, EvidenceVerdict, str, str], ...]] = (  # kind, subject, verdict, value, expected
    (
        "evaluation.run",
        "model support-v1 on suite support",
        "pass",
        "500 items; accuracy 0.91",
        "accuracy at least 0.9",
    ),
    ("evaluation.gate", "model support-v2 on suite support", "fail", "accuracy 0.87 after 0.91", "no loss beyond 0.02"),
    (
        "evaluation.counterfactual",
        "model support-v1 on suite support",
        "pass",
        "200 items; gender: 0.00",
        "at most 0.1",
    ),
    ("loadtest.run", "model support-v1", "pass", "p95 412 ms at 12 requests/s", "p95 at most 500 ms"),
)
APPEALS: Final = (  # what was wrong, what should happen, and the decision
    ("It said that my warranty is over. It is not.", "Look again.", "The warranty runs until March. You are right."),
    ("It refused to tell me how to return a parcel.", None, None),
)


def fill_governance(
    home: Path, store: SqlStore, incident: tuple[float, float], now: float, *, actor: Principal
) -> None:
    """`incident`: when the made-up one began and ended. :raises Unavailable: the store does not answer"""
    _fill_appeals(home, store, now)
    _fill_incident(home, incident, now, actor)
    _fill_approvals(store, now)
    for number, (check, subject, verdict, value, expected) in enumerate(PROOFS, 1):
        record = Evidence(
            id=f"ev_{number:024x}",
            check=check,
            subject=subject,
            subject_digest=_digest(subject),
            verdict=verdict,
            value=MADE_UP + value,
            expected=expected,
            source="",
            produced_at=now - number * DAY_S,
            valid_until=now - number * DAY_S + 3600,
            command="steward up --demo",
            signer="demo",
        )
        store.evidence.add(record, tenant=DEFAULT_TENANT)


def _fill_appeals(home: Path, store: SqlStore, now: float) -> None:
    """Of the newest answers: one that a person has decided, and one that waits."""
    keys = make_content_keys(store, find_deployment(home).follow_roots())
    answered = [row for row in store.exchanges.tail(200, tenant=None) if row.outcome == "ok"]
    for number, (row, (ground, wish, decision)) in enumerate(zip(answered, APPEALS, strict=False)):
        at = now - (5 - number) * 3600
        appeal = Feedback(
            id=f"appeal_{number:024x}", at=at, key_id=row.key_id, tenant=DEFAULT_TENANT, project="default",
            request_id=row.request_id, score=0.0, label=find_deadline(at, APPEAL_DAYS), any_key=True, kind=APPEAL,
        )  # fmt: skip
        words = msgspec.msgpack.encode(FeedbackContent(MADE_UP + ground, wish))
        sealed = msgspec.structs.replace(appeal, sealed=keys.seal(appeal, words))
        store.ledger.drain("demo", f"demo-appeal-{number}", 2, [sealed])
        store.ledger.delete_segment(f"demo-appeal-{number}")
        if decision is not None:
            decided = msgspec.structs.replace(
                appeal, id=name_decision(appeal.id), at=at + 1800, key_id="person:anna", label="upheld", kind=DECISION
            )
            reason = msgspec.msgpack.encode(FeedbackContent(MADE_UP + decision, None))
            store.feedback.add_decision(msgspec.structs.replace(decided, sealed=keys.seal(decided, reason)))


def _fill_incident(home: Path, incident: tuple[float, float], now: float, actor: Principal) -> None:
    began, ended = incident
    title = MADE_UP + "answers of the large model failed"
    one = open_incident(home, title, began + 600, actor=actor, began_at=began)
    note = "The pool of the large model had one replica; the route now falls back to the small one."
    update_incident(home, one.id, ended, actor=actor, note=note)
    update_incident(home, one.id, ended, actor=actor, follow_up=("Rehearse the fallback", now + 14 * DAY_S))
    close_incident(home, one.id, "A replica ran out of memory.", ended + 3600, actor=actor)


def _fill_approvals(store: SqlStore, now: float) -> None:
    """A new prompt that one person has approved, and a change of settings that nobody has looked at."""
    for number, (subject, content, before) in enumerate(
        (("prompt:assistant", "Answer in two sentences.\n", "Answer briefly.\n"), ("settings", "watch: false\n", ""))
    ):
        request = ApprovalRequest(
            id=f"ap_{number:012x}",
            tenant=DEFAULT_TENANT,
            kind="prompt" if number == 0 else "settings",
            subject=subject,
            digest=_digest(content),
            content=content,
            before=before,
            authors=("person:ben",),
            requested_by="person:ben",
            requested_at=now - (2 - number) * 3600,
            expires_at=now + 7 * DAY_S,
        )
        store.approvals.add_request(request)
        if number == 0:
            anna = "person:anna"
            decision = ApprovalDecision(
                request_id=request.id, person=anna, actor=anna, verdict="approve", digest=request.digest, at=now - 1800
            )
            store.approvals.add_decision(decision)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
