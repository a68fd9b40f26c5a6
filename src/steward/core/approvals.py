"""A change that waits for approval, and who has decided what about it. Pure vocabulary."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

ChangeKind = Literal["settings", "prompt", "release", "waiver", "card"]
CHANGE_KINDS: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)
ApprovalVerdict = Literal["approve", "reject"]


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One change, bound to the digest of what it would make. It is asked for once for each digest."""

    id: str  # "ap_" and 12 hex digits
    tenant: str
    kind: ChangeKind
    subject: str  # "settings", "prompt:greet"
    digest: str  # "sha256:…" of `content`
    content: str
    before: str  # what serves now; empty where nothing does
    authors: tuple[str, ...]  # people whose own approval does not count
    requested_by: str
    requested_at: float
    expires_at: float


class ApprovalDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What one person decided about a request; the latest one of each person counts."""

    request_id: str
    person: str  # person:anna, operator:1000
    actor: str  # what the person acted by: itself, or a key of its own
    verdict: ApprovalVerdict
    digest: str  # of what was decided about
    at: float
