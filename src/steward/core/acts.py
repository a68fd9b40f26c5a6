"""What is recorded of an administrative act: who changed what, when, and from what to what. No content, no secrets."""

from __future__ import annotations

import msgspec

from steward.core.identity import DEFAULT_TENANT


class AdministrativeAct(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a deployment. `before` and `after` are digests or versions, never what they stand for."""

    at: float  # seconds since the epoch
    actor: str  # operator:1000, key:0123abcd, service:watch
    action: str  # keys.create, keys.revoke, prompts.add, prompts.use, config.serve
    subject: str  # key:ID, prompt:NAME, config
    tenant: str = DEFAULT_TENANT
    before: str = ""
    after: str = ""
    reason: str = ""  # in the log a commitment (`security/audit/commitments.py`), to whoever reads it the words


class RecordedAct(AdministrativeAct, frozen=True, kw_only=True):
    """An act as it is read from the log."""

    entry: int  # its index there
