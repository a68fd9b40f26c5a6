"""Tokens of services (JWT, RFC 7519), checked against the issuers that the settings name. Pure: keys are handed in.

The algorithm is the issuer's, never the token's; the issuer, the audience, the subject and the expiry are required;
what a token says of where to find keys is not read (RFC 8725). A token with a name twice is refused, since two readers
would read it in two ways. Signatures are checked by `joserfc`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.exceptions import InvalidSignature

from steward.core.errors import Refused
from steward.core.issuers import IssuerPlan

if TYPE_CHECKING:  # loaded with the first key: most deployments name no issuer
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    SigningKey = RSAKey | ECKey | OKPKey

# Algorithms that may be pinned. EdDSA (RFC 8037) is believed with keys of Ed25519 only, its name in RFC 9864.
KEY_TYPES: Final = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
LONGEST: Final = 16_384  # characters of a token
SKEW_S: Final = 60.0  # that the clocks of issuer and gateway may differ by
MOST_GROUPS: Final = 200
_REMEMBERED: Final = 10_000


class TokenIdentity(NamedTuple):
    """Who a token says that its bearer is, by an issuer that is believed."""

    issuer: IssuerPlan
    subject: str  # service:NAME/SUBJECT
    groups: tuple[str, ...]
    expires_at: float


class TokenVerifier:
    """`find_key` returns the key of an issuer (by its name) with this id; None: there is none.

    :raises Refused: `find_key` may raise it, where keys cannot be had at the moment
    """

    def __init__(
        self,
        issuers: Sequence[IssuerPlan],
        find_key: Callable[[str, str | None], SigningKey | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._find_key, self._clock = find_key, clock
        self._known: dict[bytes, TokenIdentity] = {}  # by SHA-256 of the whole token

    def verify(self, text: str) -> TokenIdentity:
        """:raises Refused: 401; the message never repeats the token"""
        digest = hashlib.sha256(text.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known.expires_at + SKEW_S:
            return known
        identity = self._check(text)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[digest] = identity
        return identity

    def _check(self, text: str) -> TokenIdentity:
        header, claims = read_unverified(text)
        issuer = self._issuers.get(str(claims.get("iss")))
        if issuer is None:
            raise refuse_token("it is of an issuer that is not configured here (security.issuers)", "unknown_issuer")
        if header.get("alg") != issuer.algorithm:
            raise refuse_token(f"its algorithm is not {issuer.algorithm}", "wrong_algorithm")
        if "crit" in header or header.get("b64") is False:
            raise refuse_token("its header has extensions that are not understood", "malformed_token")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise refuse_token("its key id is no text", "malformed_token")
        key = self._find_key(issuer.name, kid)
        if key is None:
            raise refuse_token("it is signed with a key that its issuer does not publish", "unknown_signing_key")
        verify_signature(text, key, issuer.algorithm)
        check_claims(claims, issuer.issuer, issuer.audience, self._clock())
        return TokenIdentity(
            issuer,
            f"service:{issuer.name}/{read_subject(claims)}",
            read_groups(claims, issuer.groups_claim),
            float(claims["exp"]),
        )


def is_token(text: str) -> bool:
    """Whether a credential has a token's form rather than a key's: its header is JSON, and so begins with `{"`."""
    return text.startswith("eyJ")


def read_unverified(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature has not been checked. :raises Refused: 401, malformed or too long"""
    if len(text) > LONGEST:
        raise refuse_token(f"it is longer than {LONGEST:,} characters", "malformed_token")
    parts = text.split(".")
    if len(parts) != 3:
        raise refuse_token("it has not three parts", "malformed_token")
    return _read_part(parts[0]), _read_part(parts[1])


def _read_part(text: str) -> dict[str, Any]:
    try:
        found = json.loads(decode_part(text).decode(), object_pairs_hook=_refuse_twice)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise refuse_token("it is not JSON, or has a name twice", "malformed_token") from error
    if not isinstance(found, dict):
        raise refuse_token("it is no object", "malformed_token")
    return found


def decode_part(text: str) -> bytes:
    """:raises ValueError: it is not base64url"""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def verify_signature(text: str, key: SigningKey, algorithm: str) -> None:
    """:raises Refused: 401, it is not of this key"""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import OKPKey

    try:
        if isinstance(key, OKPKey):  # joserfc knows EdDSA by a name that it warns of at each token
            signed, _, signature = text.rpartition(".")
            public: Any = key.get_op_key("verify")
            public.verify(decode_part(signature), signed.encode())
        else:
            jws.deserialize_compact(text, key, algorithms=[algorithm])
    except (JoseError, ValueError, InvalidSignature) as error:
        raise refuse_token("its signature is not valid", "invalid_signature") from error


def check_claims(claims: Mapping[str, Any], issuer: str, audience: str, now: float) -> None:
    """Issuer, audience and times. :raises Refused: 401, with what is wrong"""
    if claims.get("iss") != issuer:
        raise refuse_token("it is of another issuer", "unknown_issuer")
    given = claims.get("aud")
    if audience not in (given if isinstance(given, list) else [given]):
        raise refuse_token("it is for another audience", "wrong_audience")
    expires, begins, issued = (_read_time(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise refuse_token("it does not say when it expires (exp)", "malformed_token")
    if now >= expires + SKEW_S:
        raise refuse_token(f"it expired {now - expires:.0f} s ago; ask its issuer for another", "expired_token")
    for name, at in (("nbf", begins), ("iat", issued)):
        if at is not None and now < at - SKEW_S:
            words = f"it begins {at - now:.0f} s from now ({name}); compare the clocks of issuer and gateway"
            raise refuse_token(words, "token_not_yet_valid")


def _read_time(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise refuse_token(f"its {name} is no time in seconds", "malformed_token")
    return float(value)


def read_subject(claims: Mapping[str, Any]) -> str:
    """:raises Refused: 401, there is none that could be written into a record"""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 150 or not all("!" <= char <= "~" for char in subject):
        raise refuse_token("its sub is not 1 to 150 visible characters", "malformed_token")
    return subject


def read_groups(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The texts in a claim, which may also be one text; none where it is something else."""
    value = claims.get(name)
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(item for item in listed[:MOST_GROUPS] if isinstance(item, str))


def read_keys(document: object, algorithm: str) -> dict[str | None, SigningKey]:
    """The keys of a JWKS document (RFC 7517) that can check this algorithm, by their ids; None for one that stands
    alone and has none. Secrets and keys for encryption are left out.

    :raises ValueError: no such document
    """
    from joserfc.errors import JoseError

    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it has no list of keys")
    kind = KEY_TYPES[algorithm]
    found: dict[str | None, SigningKey] = {}
    for item in listed[:100]:
        if not isinstance(item, dict) or item.get("kty") != kind or item.get("use", "sig") != "sig":
            continue
        if item.get("alg", algorithm) != algorithm or not isinstance(item.get("kid"), str | None):
            continue
        public = {name: value for name, value in item.items() if name not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
        try:
            key = _import_key(kind, public)
        except (JoseError, ValueError, KeyError, TypeError):
            continue
        found[item.get("kid")] = key
    if len(found) == 1:
        found[None] = next(iter(found.values()))
    return found


def _import_key(kind: str, public: dict[str, Any]) -> SigningKey:
    """:raises ValueError: a key of another curve than its algorithm says"""
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    if kind == "RSA":
        return RSAKey.import_key(public)
    if kind == "EC":
        return ECKey.import_key(public)
    if public.get("crv") != "Ed25519":
        raise ValueError(f"curve {public.get('crv')!r}: expected Ed25519")
    return OKPKey.import_key(public)


def refuse_token(why: str, code: str) -> Refused:
    return Refused(f"This token is not accepted: {why}.", status=401, type="invalid_request_error", code=code)
