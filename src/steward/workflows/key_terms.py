"""What a new key may be used for, checked: rights, models, networks, a period."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from steward.core.durations import parse_span_s
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import ALL_RIGHTS, KEY_RIGHTS, Principal, Right
from steward.core.networks import parse_network

LIFETIME_S: Final = 90 * 86400.0  # of a new key, unless told
LONGEST_S: Final = 100 * 365 * 86400.0
TENANT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
EVERYBODYS: Final[frozenset[Right]] = frozenset({"public"})


class KeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may be used for. `expires_at` None: for ever; `models` None: all; no networks: from anywhere."""

    rights: frozenset[Right] = KEY_RIGHTS
    models: frozenset[str] | None = None
    networks: tuple[str, ...] = ()
    not_before: float | None = None
    expires_at: float | None = None


def make_terms(
    now: float,
    *,
    expires: str | None = None,
    starts: str | None = None,
    rights: Iterable[str] | None = None,
    models: Iterable[str] | None = None,
    networks: Iterable[str] = (),
) -> KeyTerms:
    """Terms as people write them; without `expires`, 90 days.

    :raises InputError: what cannot be read :raises UnknownName: a right that does not exist
    """
    not_before = None if starts is None else parse_moment("start", starts, now)
    begin = max(now, not_before or now)
    expires_at: float | None = begin + LIFETIME_S
    if expires is not None:
        expires_at = None if expires.strip() == "never" else parse_moment("expiry", expires, now)
    if expires_at is not None and expires_at <= begin:
        raise InputError(f"expiry {expires!r}: the key would have expired before it is valid; expected a later time")
    return KeyTerms(
        rights=KEY_RIGHTS if rights is None else read_rights(rights),
        models=None if models is None else _read_models(models),
        networks=tuple(str(parse_network(text)) for text in networks),
        not_before=not_before,
        expires_at=expires_at,
    )


def parse_moment(name: str, text: str, now: float) -> float:
    """A time from now (`30d`, `12h`), a day or a time in UTC (`2027-01-31`, `2027-01-31T12:00`), in seconds since the
    epoch.

    :raises InputError: neither, or too far away

    >>> parse_moment("expiry", "1970-01-02", 0.0)
    86400.0
    """
    expected = "expected a span such as 30d, a date such as 2027-01-31, or never"
    if re.match(r"\d{4}-", text.strip()):
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise InputError(f"{name} {cut_text(text)!r}: {expected}") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    try:
        span = parse_span_s(text)
    except InputError:
        raise InputError(f"{name} {cut_text(text)!r}: {expected}") from None
    if not 0 <= span <= LONGEST_S:
        raise InputError(f"{name} {cut_text(text)!r}: expected at most 100 years; for a key without an end, never")
    return now + span


def read_rights(names: Iterable[str]) -> frozenset[Right]:
    """:raises InputError: none :raises UnknownName: a right that does not exist"""
    known: dict[str, Right] = {right: right for right in ALL_RIGHTS - EVERYBODYS}
    rights: set[Right] = set()
    for name in names:
        if name not in known:
            raise UnknownName("right", name, known)
        rights.add(known[name])
    if not rights:
        raise InputError("rights: none given; expected one at least, such as infer")
    return frozenset(rights) | EVERYBODYS


def check_within(terms: KeyTerms, actor: Principal) -> None:
    """:raises InputError: a right that whoever creates the key does not have"""
    excess = sorted(terms.rights - actor.rights - EVERYBODYS)
    if excess:
        raise InputError(
            f"rights {', '.join(excess)}: {actor.actor} does not have them and so cannot give them to a key"
        )


def check_tenant(tenant: str) -> str:
    """The same name. :raises InputError: it is none"""
    if not TENANT.fullmatch(tenant):
        raise InputError(
            f"tenant {cut_text(tenant)!r}: expected 1 to 64 small letters, digits, dots, dashes or underscores"
        )
    return tenant


def _read_models(names: Iterable[str]) -> frozenset[str]:
    models = frozenset(names)
    for name in models:
        if not MODEL.fullmatch(name):
            raise InputError(f"model {cut_text(name)!r}: expected the name of a route or model, as clients ask for it")
    if not models:
        raise InputError("models: none given; leave it out for a key that may use all")
    return models
