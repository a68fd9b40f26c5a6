"""Who sends a request to the gateway, by its key: `Authorization: Bearer`, `x-api-key` or `api-key`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec

_MOST: Final = 10_000  # callers that are remembered


class KeyAuthenticator:
    """`find_key` is asked for each request; a record that it returns again is the same caller again."""

    def __init__(self, find_key: Callable[[str], KeyRecord | None]) -> None:
        self._find_key = find_key
        self._callers: dict[str, tuple[KeyRecord, Caller]] = {}

    def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """:raises Refused: 401; the message never repeats the key"""
        key = find_key_text(headers)
        record = self._find_key(key) if key else None
        if record is None:
            message = (
                "Incorrect API key provided: the key is malformed, unknown or revoked."
                if key
                else "You didn't provide an API key. Send one as 'Authorization: Bearer stw_…'."
            )
            raise Refused(message, status=401, type="invalid_request_error", code="invalid_api_key")
        known = self._callers.get(record.id)
        return known[1] if known is not None and known[0] is record else self._remember(record)

    def _remember(self, record: KeyRecord) -> Caller:
        if len(self._callers) >= _MOST:
            self._callers.clear()
        caller = make_caller(record)
        self._callers[record.id] = (record, caller)
        return caller


def find_key_text(headers: Mapping[str, str]) -> str:
    """The key that a request carries, in any of the headers in which clients send it; empty where there is none.

    :raises Refused: 401, two headers with different keys
    """
    scheme, _, text = headers.get("authorization", "").partition(" ")
    key = text.strip() if scheme.lower() == "bearer" else ""
    if "x-api-key" not in headers and "api-key" not in headers:
        return key
    for name in ("x-api-key", "api-key"):  # Anthropic's SDK, Azure's
        if other := headers.get(name, "").strip():
            if key and other != key:
                raise Refused(
                    "Different API keys in 'authorization', 'x-api-key' and 'api-key'; send one, or the same in all.",
                    status=401,
                    type="invalid_request_error",
                    code="invalid_api_key",
                )
            key = other
    return key


def make_caller(record: KeyRecord) -> Caller:
    """The principal and the limits of a key."""
    return Caller(
        principal=Principal(
            kind="key",
            id=record.id,
            tenant=record.tenant,
            project=record.project,
            team=record.team,
            rights=record.rights | {"public"},
            auth_method="api-key",
        ),
        limits=LimitSpec(
            requests_per_minute=record.rpm,
            tokens_per_minute=record.tpm,
            concurrent=record.concurrent,
            usd_per_day=record.usd_per_day,
            usd_per_month=record.usd_per_month,
        ),
        priority=record.priority,
    )
