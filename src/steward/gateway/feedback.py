"""What a client says of an answer that it got: a score, and what else it likes to say.

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

from steward.core.identity import Caller
from steward.core.records import Feedback
from steward.gateway.wire import bad_request

MAX_TEXT: Final = 32 * 1024  # characters of a comment or correction
MAX_BODY_BYTES: Final = 1024 * 1024  # room for both, with each character written as two escapes of six bytes
_REQUEST_ID: Final = re.compile(r"req_[0-9a-f]{24}")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Seal = Callable[[Feedback, bytes], bytes]


class FeedbackBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/feedback`."""

    request_id: str
    score: float
    label: str | None = None
    comment: str | None = None
    correction: str | None = None


class FeedbackContent(msgspec.Struct, frozen=True):
    """What is sealed of it."""

    comment: str | None
    correction: str | None


class FeedbackReceipt(msgspec.Struct, frozen=True, tag="feedback", tag_field="object"):
    """The answer."""

    id: str
    request_id: str
    score: float
    label: str | None


_feedback_body = msgspec.json.Decoder(FeedbackBody)


def decode(body: bytes) -> FeedbackBody:
    """:raises Refused: 400, naming the field that is wrong and never repeating a text"""
    try:
        feedback = _feedback_body.decode(body)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise bad_request(message, where.strip("`").removeprefix("$.") or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request("The request body is not valid JSON. Send a JSON object in UTF-8.") from error
    if not _REQUEST_ID.fullmatch(feedback.request_id):
        raise bad_request("request_id must be the x-request-id of an answer: 'req_' and 24 hex digits.", "request_id")
    if not -1 <= feedback.score <= 1:
        raise bad_request(f"score must be between -1 and 1, not {feedback.score}.", "score")
    if feedback.label is not None and not _LABEL.fullmatch(feedback.label):
        raise bad_request(
            "label must be 1 to 64 letters, digits, '_', '.' or '-'; put longer text in comment.", "label"
        )
    for name, text in (("comment", feedback.comment), ("correction", feedback.correction)):
        if text is not None and len(text) > MAX_TEXT:
            raise bad_request(f"{name} has {len(text):,} characters; the limit is {MAX_TEXT:,}.", name)
    return feedback


def accept_feedback(
    body: bytes, caller: Caller, feedback_id: str, at: float, seal: Seal, subject: str | None = None
) -> tuple[Feedback, bytes]:
    """The record to keep and the answer to send. `subject`: the pseudonym of the person who rates.

    :raises Refused: 400
    """
    feedback = decode(body)
    record = Feedback(
        id=feedback_id,
        at=at,
        key_id=caller.principal.account,
        tenant=caller.principal.tenant,
        project=caller.principal.project,
        request_id=feedback.request_id,
        score=feedback.score,
        label=feedback.label,
        subject=subject,
        any_key=caller.principal.has("feedback.project"),
    )
    if feedback.comment or feedback.correction:
        content = msgspec.msgpack.encode(FeedbackContent(feedback.comment, feedback.correction))
        record = msgspec.structs.replace(record, sealed=seal(record, content))
    return record, msgspec.json.encode(FeedbackReceipt(record.id, record.request_id, record.score, record.label))
