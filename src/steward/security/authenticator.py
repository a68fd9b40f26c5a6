"""Who sends a request to the gateway: by its key in `Authorization: Bearer`, `x-api-key` or `api-key`, else by the
certificate of its connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from steward.core.access import Place
from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.core.extend import RequestSender
from steward.core.identity import DEFAULT_PROJECT, Caller, Principal, Right
from steward.core.keys import KeyRecord
from steward.core.networks import Address, Network, find_client, is_within, parse_networks
from steward.core.records import LimitSpec
from steward.security.keys import KeyReach
from steward.security.tokens import TokenIdentity, is_token

_MOST: Final = 10_000  # callers that are remembered


class KeyAuthenticator:
    """`find_key` is asked for each request; a record that it returns again is the same caller again.

    `trusted_proxies` returns the networks whose X-Forwarded-For is believed; it is asked for keys with networks only.
    `find_certificate` returns whoever a certificate's name belongs to; None: it has no role. With `needs_certificate`
    a key alone is not enough. `find_by_token` returns whoever a JSON Web Token is of, or raises Refused.
    """

    def __init__(
        self,
        find_key: Callable[[str], KeyRecord | None],
        trusted_proxies: Callable[[], Sequence[Network]] = tuple,
        clock: Callable[[], float] = time.time,
        find_certificate: Callable[[str], Caller | None] = lambda name: None,
        needs_certificate: bool = False,
        find_by_token: Callable[[str], Caller] | None = None,
    ) -> None:
        self._find_key, self._trusted_proxies, self._clock = find_key, trusted_proxies, clock
        self._find_certificate, self._needs_certificate = find_certificate, needs_certificate
        self._find_by_token = find_by_token
        self._callers: dict[str, tuple[KeyRecord, Caller]] = {}

    def authenticate(self, sender: RequestSender) -> Caller:
        """:raises Refused: 401 or 403; the message never repeats the key"""
        if self._needs_certificate and sender.certificate is None:
            raise certificate_required()
        key = find_key_text(sender.headers)
        if not key and sender.certificate is not None:
            return self._find_by_certificate(sender.certificate)
        if self._find_by_token is not None and is_token(key):
            return self._find_by_token(key)
        record = self._find_key(key) if key else None
        if record is None:
            message = (
                "Incorrect API key provided: the key is malformed, unknown or revoked."
                if key
                else "You didn't provide an API key. Send one as 'Authorization: Bearer stw_…'."
            )
            raise Refused(message, status=401, type="invalid_request_error", code="invalid_api_key")
        ends = record.expires_at
        if (ends is not None and ends <= self._clock()) or record.not_before is not None:
            check_period(record, self._clock())
        if record.networks:
            check_network(record, find_client(sender.list_hops(), self._trusted_proxies()))
        known = self._callers.get(record.id)
        return known[1] if known is not None and known[0] is record else self._remember(record)

    def _find_by_certificate(self, name: str) -> Caller:
        caller = self._find_certificate(name)
        if caller is None:
            raise Refused(
                f"The certificate of {cut_text(name)!r} has no role here. Ask the operator of the gateway to grant one "
                f"to certificate:{cut_text(name)}, or send an API key.",
                status=403,
                type="invalid_request_error",
                code="certificate_without_role",
            )
        return caller

    def _remember(self, record: KeyRecord) -> Caller:
        if len(self._callers) >= _MOST:
            self._callers.clear()
        caller = make_caller(record)
        self._callers[record.id] = (record, caller)
        return caller


def certificate_required() -> Refused:
    return Refused(
        "This server needs a client certificate, and the connection has none. Configure one in your client.",
        status=401,
        type="invalid_request_error",
        code="client_certificate_required",
    )


def is_in_period(record: KeyRecord, now: float) -> bool:
    """Whether a key is valid already, and still."""
    return (record.not_before is None or record.not_before <= now) and (
        record.expires_at is None or now < record.expires_at
    )


def check_period(record: KeyRecord, now: float) -> None:
    """By this machine's clock. :raises Refused: 401, the key has expired or is not valid yet"""
    if record.expires_at is not None and now >= record.expires_at:
        what, code = f"expired at {format_utc(record.expires_at)}", "expired_api_key"
    elif record.not_before is not None and now < record.not_before:
        what, code = f"is not valid before {format_utc(record.not_before)}", "api_key_not_yet_valid"
    else:
        return
    raise Refused(
        f"This API key {what}; it is {format_utc(now)} now. Ask the operator of the gateway for another.",
        status=401,
        type="invalid_request_error",
        code=code,
    )


def check_network(record: KeyRecord, address: Address | None) -> None:
    """:raises Refused: 403, the key may not be used from there"""
    if address is None or not is_within(address, parse_networks(record.networks)):
        raise Refused(
            f"This API key may not be used from {address or 'an address that cannot be told'}. Ask the operator of the "
            "gateway for a key that may.",
            status=403,
            type="invalid_request_error",
            code="address_not_allowed",
        )


def format_utc(at: float) -> str:
    """
    >>> format_utc(0)
    '1970-01-01 00:00:00 UTC'
    """
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


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
            within=record.project if record.project != DEFAULT_PROJECT else None,
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
        models=record.models,
        counted_as=record.lineage,
        priority=record.priority,
    )


def make_machine(
    subject: str, place: Place, reach: KeyReach, auth_method: str, over_tenant: frozenset[Right]
) -> Caller:
    """Whoever comes without a key, `certificate:NAME` or `service:NAME`: with the rights of its grants and the limits
    of everybody. With a right that it does not have `over_tenant`, it is within its project."""
    kind, _, name = subject.partition(":")
    return Caller(
        principal=Principal(
            kind="certificate" if kind == "certificate" else "service",
            id=name,
            tenant=place.tenant,
            project=place.project or DEFAULT_PROJECT,
            within=None if reach.rights - {"public"} <= over_tenant else place.project,
            rights=reach.rights | {"public"},
            auth_method=auth_method,
        ),
        models=reach.models,
    )


def token_without_role(identity: TokenIdentity) -> Refused:
    return Refused(
        f"{identity.subject} has no role here. Ask the operator of the gateway to grant one to it, or to one of its "
        "groups.",
        status=403,
        type="invalid_request_error",
        code="token_without_role",
    )
