"""The section `monitoring.drift` of steward.yaml."""

from __future__ import annotations

from typing import Final

import msgspec
from pydantic import Field

from steward.configuration.section import Section


class DriftPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request's features are noted, and how long they are kept."""

    every_s: float = 10.0
    keep_for_days: int = 35
    embeddings: str | None = None  # a served model


_USUAL: Final = DriftPlan()


class DriftConfig(Section):
    """Features of sampled requests (lengths, language, topic, refusal, tools), which drift is found in."""

    every_s: float = Field(
        _USUAL.every_s, ge=0.0, le=3600.0, description="a worker notes one request in so many seconds; 0: none"
    )
    keep_for_days: int = Field(_USUAL.keep_for_days, ge=2, le=400, description="days for which features are kept")

    embeddings: str | None = Field(
        None, description="model that embeds the texts of noted requests, of which a projection is kept; unset: none"
    )

    def plan(self) -> DriftPlan:
        return DriftPlan(every_s=self.every_s, keep_for_days=self.keep_for_days, embeddings=self.embeddings)
