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
