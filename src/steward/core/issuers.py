"""Whose tokens are believed: an identity provider, what its tokens must say, and where they lead."""

from __future__ import annotations

import msgspec

from steward.core.identity import DEFAULT_PROJECT, DEFAULT_TENANT


class IssuerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One issuer of JSON Web Tokens (RFC 7519)."""

    name: str  # ours: services are called service:NAME/SUBJECT
    issuer: str  # what `iss` must be, to the letter
    audience: str  # what `aud` must have
    jwks_url: str | None = None  # None: what its discovery document names
    algorithm: str = "RS256"  # the only one that is believed
    tenant: str = DEFAULT_TENANT
    project: str = DEFAULT_PROJECT
    groups_claim: str = "groups"


class SignInPlan(msgspec.Struct, frozen=True, kw_only=True):
    """An identity provider that people sign in at (OpenID Connect)."""

    name: str  # ours: its people are person:NAME/SUBJECT
    issuer: str
    client_id: str
    client_secret: str | None = None  # a reference
    redirect_uri: str  # where the provider sends browsers back to
    scopes: tuple[str, ...] = ("openid", "profile", "groups")
    algorithm: str = "RS256"
    tenant: str = DEFAULT_TENANT
    groups_claim: str = "groups"
