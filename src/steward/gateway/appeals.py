"""`POST /v1/appeals`: somebody asks that a person looks at an answer again.

Decides what is accepted. The words are content: they leave here only through the `seal` that is given. Whether the
request is one that the key or person may speak of, the store decides, as for feedback.
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.core.appeals import APPEAL, find_deadline
from steward.core.identity import Caller
from steward.core.records import Feedback
from steward.gateway.feedback import MAX_BODY_BYTES, MAX_TEXT, FeedbackContent, Seal, check_request_id
from steward.gateway.wire import bad_request, decode_body

__all__ = ["MAX_BODY_BYTES", "accept_appeal"]
LEAST_GROUND: Final = 3  # characters


class AppealBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/appeals`."""

    request_id: str
    ground: str  # what was wrong
    wish: str | None = None  # what should happen


class AppealReceipt(msgspec.Struct, frozen=True, tag="appeal", tag_field="object"):
    """The answer."""

    id: str
    request_id: str
    decide_by: str  # a day


_appeal_body = msgspec.json.Decoder(AppealBody)


def accept_appeal(
    body: bytes, caller: Caller, appeal_id: str, at: float, seal: Seal, subject: str | None, days: int
) -> tuple[Feedback, bytes]:
    """The record to keep and the answer to send. `subject`: the pseudonym of who appeals. `days`: until a decision.

    :raises Refused: 400, naming the field that is wrong and never repeating a text
    """
    appeal = decode_body(_appeal_body, body, quote_texts=False)
    check_request_id(appeal.request_id)
    if len(appeal.ground.strip()) < LEAST_GROUND:
        raise bad_request("ground is empty; say what was wrong with the answer.", "ground")
    for name, text in (("ground", appeal.ground), ("wish", appeal.wish)):
        if text is not None and len(text) > MAX_TEXT:
            raise bad_request(f"{name} has {len(text):,} characters; the limit is {MAX_TEXT:,}.", name)
    record = Feedback(
        id=appeal_id,
        at=at,
        key_id=caller.principal.account,
        tenant=caller.principal.tenant,
        project=caller.principal.project,
        request_id=appeal.request_id,
        score=0.0,
        label=find_deadline(at, days),
        subject=subject,
        any_key=caller.principal.has("feedback.project"),
        kind=APPEAL,
    )
    content = msgspec.msgpack.encode(FeedbackContent(appeal.ground, appeal.wish))
    record = msgspec.structs.replace(record, sealed=seal(record, content))
    receipt = AppealReceipt(record.id, record.request_id, record.label or "")
    return record, msgspec.json.encode(receipt)
