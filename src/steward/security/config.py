"""The sections `security`, `keys` and `audit` of steward.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, model_validator

from steward.configuration.section import SecretReference, Section, Url
from steward.core.issuers import IssuerPlan, SignInPlan

Algorithm = Literal["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]
ISSUER: Final = IssuerPlan(name="", issuer="", audience="")


class IssuerConfig(Section):
    """An identity provider whose tokens services may send instead of keys."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="ours: its services are service:NAME/SUBJECT")
    issuer: Url = Field(description="what `iss` must be, to the letter")
    audience: str = Field(min_length=1, max_length=300, description="what `aud` must have: this gateway's name there")
    jwks_url: Url | None = Field(None, description="where its keys are; what its discovery document says by default")
    algorithm: Algorithm = Field("RS256", description="the only one that is believed")
    tenant: str = Field(ISSUER.tenant, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="whose its services are")
    project: str = Field(ISSUER.project, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="within the tenant")
    groups_claim: str = Field(ISSUER.groups_claim, min_length=1, description="the claim that names groups, for grants")

    @model_validator(mode="after")
    def _check_safe(self) -> IssuerConfig:
        for name, url in (("issuer", str(self.issuer)), ("jwks_url", str(self.jwks_url or ""))):
            if url.startswith("http:") and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
                raise ValueError(f"{name} must begin with https://: whoever changes its keys on the way is let in")
        return self

    def plan(self) -> IssuerPlan:
        return IssuerPlan(**self.model_dump(mode="json"))


class SignInConfig(Section):
    """An identity provider that people sign in to the console at (OpenID Connect)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$", description="ours: its people are person:NAME/SUBJECT")
    issuer: Url = Field(description="as its discovery document says, to the letter")
    client_id: str = Field(min_length=1, max_length=300, description="what the provider calls this console")
    client_secret: SecretReference | None = Field(None, description="env:NAME or file:PATH; none for a public client")
    url: Url = Field(description="the console as browsers see it; the provider must allow URL/login/provider/callback")
    scopes: list[str] = Field(default=["openid", "profile", "groups"], description="what the provider is asked for")
    algorithm: Algorithm = Field("RS256", description="the only one that is believed")
    tenant: str = Field(ISSUER.tenant, pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="whose its people are")
    groups_claim: str = Field(ISSUER.groups_claim, min_length=1, description="the claim that names groups, for grants")

    @model_validator(mode="after")
    def _check_safe(self) -> SignInConfig:
        for name, url in (("issuer", str(self.issuer)), ("url", str(self.url))):
            if url.startswith("http:") and urlsplit(url).hostname not in ("127.0.0.1", "::1", "localhost"):
                raise ValueError(
                    f"{name} must begin with https://: codes and sessions would cross the network in the clear"
                )
        if "openid" not in self.scopes:
            raise ValueError("scopes need openid, without which a provider does not say who somebody is")
        return self

    def plan(self) -> SignInPlan:
        values = self.model_dump(mode="json", exclude={"url"})
        return SignInPlan(
            **values | {"scopes": tuple(self.scopes)},
            redirect_uri=f"{str(self.url).rstrip('/')}/login/provider/callback",
        )


RootReference = Annotated[
    str,
    Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|vault:[A-Za-z0-9_/-]+/[A-Za-z0-9_.-]+|kms:[A-Za-z0-9:/_-]+)$"),
]


class SecurityConfig(Section):
    """What everything that is sealed hangs on."""

    root: RootReference | None = Field(
        None,
        description="root key: file:PATH (32 bytes, mode 0600), env:NAME (64 hex digits), or who wraps it: "
        "vault:MOUNT/KEY (Vault or OpenBao transit), kms:KEY (AWS); root-key in home",
    )

    issuers: list[IssuerConfig] = Field(default=[], description="identity providers whose tokens services may send")

    @model_validator(mode="after")
    def _issuers_differ(self) -> SecurityConfig:
        for field in ("name", "issuer"):
            values = [str(getattr(item, field)) for item in self.issuers]
            if twice := next((value for value in values if values.count(value) > 1), None):
                raise ValueError(f"issuers: {twice} stands twice as {field}; each must differ")
        return self

    def root_reference(self) -> str | None:
        """The reference with an absolute path, as processes started elsewhere read it; None: the file in home."""
        if self.root is None:
            return None
        kind, _, rest = str(self.root).partition(":")
        return f"file:{Path(rest).absolute()}" if kind == "file" else str(self.root)


class KeysConfig(Section):
    """How gateway keys are checked while the store is away."""

    max_stale_s: float = Field(
        3600.0, gt=0, description="how long keys are accepted after the store last confirmed them; then 503"
    )


class WitnessPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where signed heads of the audit log are kept, out of reach of whoever sets the home back."""

    place: str  # a path or a URL
    key: str | None = None  # a reference

    @property
    def is_file(self) -> bool:
        return not self.place.startswith(("http://", "https://"))


class AuditConfig(Section):
    """The log of administrative acts."""

    witness: Url | Annotated[str, Field(pattern=r"^file:.+$")] | None = Field(
        None,
        description="where signed heads are kept elsewhere: file:PATH on another disk, or a URL that takes PUT and GET",
    )
    witness_key: SecretReference | None = Field(
        None, description="bearer token for the witness's URL (env:NAME or file:PATH)"
    )

    @model_validator(mode="after")
    def _check_key(self) -> AuditConfig:
        if self.witness_key and not str(self.witness or "").startswith("http"):
            raise ValueError("witness_key is sent to a URL; set witness to https://HOST/PATH, or remove the key")
        return self

    def plan(self) -> WitnessPlan | None:
        if self.witness is None:
            return None
        is_file = self.witness.startswith("file:")
        place = str(Path(self.witness.removeprefix("file:")).absolute()) if is_file else self.witness
        return WitnessPlan(place=place, key=self.witness_key)
