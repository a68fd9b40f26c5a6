"""Keys of subjects as the store holds them, and what remains of one that was destroyed."""

from __future__ import annotations

import msgspec


class SubjectKey(msgspec.Struct, frozen=True, kw_only=True):
    """A subject's key, wrapped by its tenant's. There is at most one of a subject in force."""

    id: str  # 32 hex digits, which sealed records name
    tenant: str
    subject: str  # a pseudonym, or `exchange:` and a request id
    tenant_version: int  # of the tenant key that wraps it
    wrapped: bytes
    created_at: float


class ShreddedKey(msgspec.Struct, frozen=True, kw_only=True):
    """An erasure: whatever was sealed for the subject up to `at` opens no more. One entry of the journal."""

    id: str
    tenant: str
    subject: str
    key_id: str | None  # None: the subject had no key
    at: float
    actor: str


def name_exchange(request_id: str) -> str:
    """The owner of a record that has no subject: its own exchange.

    >>> name_exchange("req_1")
    'exchange:req_1'
    """
    return f"exchange:{request_id}"
