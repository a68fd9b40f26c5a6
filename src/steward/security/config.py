"""The sections `security` and `keys` of steward.yaml."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from steward.configuration.section import SecretReference, Section


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
