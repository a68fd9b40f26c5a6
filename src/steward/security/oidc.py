"""OpenID Connect's authorisation code flow with PKCE: the request to the provider, and what its ID token must say.

Pure: addresses and keys are handed in. OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9207.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import msgspec

from steward.core.issuers import SignInPlan
from steward.security.tokens import (
    check_claims,
    read_groups,
    read_subject,
    read_unverified,
    refuse_token,
    verify_signature,
)

if TYPE_CHECKING:
    from steward.security.tokens import SigningKey


class PendingSignIn(msgspec.Struct, frozen=True):
    """What a browser that has been sent to the provider must come back with; sealed in its cookie."""

    state: str
    nonce: str
    verifier: str
    expires_at: float


class ProviderIdentity(NamedTuple):
    """Who somebody is, as the provider says."""

    subject: str  # person:NAME/SUBJECT
    groups: tuple[str, ...]


def begin(now: float, seconds: float) -> PendingSignIn:
    """256 random bits for each of the three."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return PendingSignIn(state, nonce, verifier, now + seconds)


def challenge(verifier: str) -> str:
    """
    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def build_request(endpoint: str, plan: SignInPlan, pending: PendingSignIn) -> str:
    """The address at the provider that a browser is sent to."""
    query = {
        "response_type": "code",
        "client_id": plan.client_id,
        "redirect_uri": plan.redirect_uri,
        "scope": " ".join(plan.scopes),
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": challenge(pending.verifier),
        "code_challenge_method": "S256",
    }
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def check_answer(query: Mapping[str, str], plan: SignInPlan, pending: PendingSignIn | None, now: float) -> str:
    """The code of a browser that comes back. :raises Refused: 401, it was not sent, or the provider refused"""
    if pending is None or now >= pending.expires_at:
        raise refuse_token("the sign-in took too long, or was begun elsewhere; begin it again", "expired_sign_in")
    if not hmac.compare_digest(query.get("state", "").encode(), pending.state.encode()):
        raise refuse_token("the sign-in was begun elsewhere; begin it again", "wrong_state")
    if query.get("iss", plan.issuer) != plan.issuer:
        raise refuse_token("it is of another provider", "unknown_issuer")
    if "error" in query or not query.get("code"):
        raise refuse_token("the provider did not let you in", "refused_by_provider")
    return query["code"]


def check_id_token(
    text: str,
    plan: SignInPlan,
    nonce: str | None,
    find_key: Callable[[str | None], SigningKey | None],
    now: float,
) -> ProviderIdentity:
    """`nonce` None: the device's flow has none (RFC 8628). :raises Refused: 401, with what is wrong"""
    header, claims = read_unverified(text)
    kid = header.get("kid")
    if header.get("alg") != plan.algorithm or "crit" in header or not isinstance(kid, str | None):
        raise refuse_token(f"its algorithm is not {plan.algorithm}", "wrong_algorithm")
    key = find_key(kid)
    if key is None:
        raise refuse_token("it is signed with a key that its issuer does not publish", "unknown_signing_key")
    verify_signature(text, key, plan.algorithm)
    check_claims(claims, plan.issuer, plan.client_id, now)
    _check_party(claims, plan.client_id)
    if nonce is not None and not hmac.compare_digest(str(claims.get("nonce")).encode(), nonce.encode()):
        raise refuse_token("it is of another sign-in", "wrong_nonce")
    return ProviderIdentity(f"person:{plan.name}/{read_subject(claims)}", read_groups(claims, plan.groups_claim))


def _check_party(claims: Mapping[str, Any], client_id: str) -> None:
    """For several audiences the token says whom it was given to (section 3.1.3.7, points 3 to 5)."""
    several = isinstance(claims.get("aud"), list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else client_id) != client_id:
        raise refuse_token("it was given to another client", "wrong_audience")
