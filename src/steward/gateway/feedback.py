"""What a client says of an answer that it got: a score and what else it likes to say, or a signal such as `copy`.

Decides what is accepted. Comment and correction are content: they leave here only through the `seal` that is
given. Whether the request is one that the key may rate (of its own, of its subject, or with the right
`feedback.project` of its project), the store decides where the two are joined: a worker does not know the requests of
others, and an answer that told would say which ones exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from steward.core.errors import Refused
from steward.core.identity import Caller
from steward.core.reactions import KINDS, SIGNALS
from steward.core.records import Feedback
from steward.gateway.wire import bad_request, decode_body

MAX_TEXT: Final = 32 * 1024  # characters of a comment or correction
MAX_BODY_BYTES: Final = 1024 * 1024  # room for both, with each character written as two escapes of six bytes
_REQUEST_ID: Final = re.compile(r"req_[0-9a-f]{24}")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Seal = Callable[[Feedback, bytes], bytes]


class FeedbackBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/feedback`."""

    request_id: str
    score: float | None = None  # of a rating; a signal has none
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    kind: str = "explicit"


class FeedbackContent(msgspec.Struct, frozen=True):
    """What is sealed of it."""

    comment: str | None
    correction: str | None


class FeedbackReceipt(msgspec.Struct, frozen=True, tag="feedback", tag_field="object"):
    """The answer."""

    id: str
    request_id: str
    score: float | None
    label: str | None
    kind: str = "explicit"


_feedback_body = msgspec.json.Decoder(FeedbackBody)


def check_request_id(request_id: str) -> None:
    """:raises Refused: 400, it is no x-request-id"""
    if not _REQUEST_ID.fullmatch(request_id):
        raise bad_request("request_id must be the x-request-id of an answer: 'req_' and 24 hex digits.", "request_id")


def decode(body: bytes) -> FeedbackBody:
    """:raises Refused: 400, naming the field that is wrong and never repeating a text"""
    feedback = decode_body(_feedback_body, body, quote_texts=False)
    check_request_id(feedback.request_id)
    _check_kind(feedback)
    if feedback.label is not None and not _LABEL.fullmatch(feedback.label):
        raise bad_request(
            "label must be 1 to 64 letters, digits, '_', '.' or '-'; put longer text in comment.", "label"
        )
    for name, text in (("comment", feedback.comment), ("correction", feedback.correction)):
        if text is not None and len(text) > MAX_TEXT:
            raise bad_request(f"{name} has {len(text):,} characters; the limit is {MAX_TEXT:,}.", name)
    return feedback


def _check_kind(feedback: FeedbackBody) -> None:
    """:raises Refused: 400, an unknown kind, or a score that the kind needs or does not take"""
    if feedback.kind not in KINDS:
        raise bad_request(f"kind must be one of {', '.join(KINDS)}.", "kind")
    if feedback.kind in SIGNALS:
        for name in ("score", "comment", "correction"):
            if getattr(feedback, name) is not None:
                raise bad_request(f"kind {feedback.kind} takes no {name}: it is a signal. Leave {name} out.", name)
    elif feedback.score is None:
        raise bad_request(f"score is missing: kind {feedback.kind} needs a number between -1 and 1.", "score")
    elif not -1 <= feedback.score <= 1:
        raise bad_request(f"score must be between -1 and 1, not {feedback.score}.", "score")


def accept_feedback(
    body: bytes, caller: Caller, feedback_id: str, at: float, seal: Seal, subject: str | None = None
) -> tuple[Feedback, bytes]:
    """The record to keep and the answer to send. `subject`: the pseudonym of the person who rates.

    :raises Refused: 400; 403 where the key may not say what an evaluator says
    """
    feedback = decode(body)
    any_key = caller.principal.has("feedback.project")
    if feedback.kind == "judge" and not any_key:
        message = "kind judge is for evaluators: this key lacks the right feedback.project."
        raise Refused(message, status=403, type="permission_error", param="kind", code="permission_denied")
    record = Feedback(
        id=feedback_id,
        at=at,
        key_id=caller.principal.account,
        tenant=caller.principal.tenant,
        project=caller.principal.project,
        request_id=feedback.request_id,
        score=feedback.score or 0.0,
        label=feedback.label,
        subject=subject,
        any_key=any_key,
        kind=feedback.kind,
    )
    if feedback.comment or feedback.correction:
        content = msgspec.msgpack.encode(FeedbackContent(feedback.comment, feedback.correction))
        record = msgspec.structs.replace(record, sealed=seal(record, content))
    receipt = FeedbackReceipt(record.id, record.request_id, feedback.score, record.label, record.kind)
    return record, msgspec.json.encode(receipt)
