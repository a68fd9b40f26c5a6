"""The sections `security`, `keys` and `audit` of steward.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field, model_validator

from steward.configuration.section import SecretReference, Section, Url


class SecurityConfig(Section):
    """What everything that is sealed hangs on."""

    root: SecretReference | None = Field(
        None, description="root key: file:PATH (32 bytes, mode 0600) or env:NAME (64 hex digits); root-key in home"
    )

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
