"""Exchanges whose texts are kept, because a rule of `capture` says so: what stands beside the sealed texts.

The texts themselves are sealed from the moment in which a worker writes them down. What is said of them here names
nobody: people and conversations are pseudonyms.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CapturePurpose = Literal["support", "evaluation", "training"]
CaptureForm = Literal["masked", "as_sent"]


class CapturedText(msgspec.Struct, frozen=True):
    """One text of an answer, by the choice and the field it stood in, such as `content`."""

    choice: int
    field: str
    text: str


class CapturedContent(msgspec.Struct, frozen=True):
    """What is sealed: the request's JSON body without the fields that name its user, and the answer's texts."""

    request: bytes
    answer: tuple[CapturedText, ...]

    def __repr__(self) -> str:
        return "CapturedContent(***)"


class CapturedExchange(msgspec.Struct, frozen=True, kw_only=True, tag="captured"):
    """One kept exchange."""

    request_id: str
    at: float
    key_id: str
    tenant: str = "default"
    project: str
    endpoint: str
    route: str
    model: str | None
    streamed: bool
    subject: str | None  # HMAC
    conversation: str | None  # HMAC
    purpose: CapturePurpose
    consent: bool | None  # what X-Steward-Training said; None: the client sent none
    form: CaptureForm  # masked: as the model saw it and wrote; as_sent: as the client sent it and got it
    rules_version: str  # of the capture rules that chose it
    expires_at: float
    complete: bool  # false: the answer broke off
    sealed: bytes  # of a CapturedContent


class CaptureCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many captured exchanges have these in common."""

    tenant: str
    project: str
    route: str
    purpose: CapturePurpose
    consent: bool | None
    form: CaptureForm
    count: int
    oldest: float
    newest: float
    next_expiry: float


class ExpiredCaptures(msgspec.Struct, frozen=True, kw_only=True):
    """What one sweep did."""

    deleted: int
    held: int  # expired, but under a legal hold or an open appeal
