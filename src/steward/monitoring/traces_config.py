"""The section `monitoring.traces` of steward.yaml."""

from __future__ import annotations

from typing import Final

import msgspec
from pydantic import Field

from steward.configuration.section import SecretReference, Section, Url
from steward.core.traces import TracePolicy

_USUAL: Final = TracePolicy()
KEPT_DAYS: Final = 30


class TracesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests are kept as traces, for how long, and where they are sent. `otlp` and the headers' values may be
    references to secrets."""

    policy: TracePolicy = _USUAL
    keep_for_days: int = KEPT_DAYS
    otlp: str | None = None
    otlp_headers: dict[str, str] = {}


class TracesConfig(Section):
    """Requests that are kept as traces: all that failed, were slow or flagged, and a share of the others."""

    sample: float = Field(_USUAL.sample, ge=0.0, le=1.0, description="share of the other requests, from 0 to 1")
    slow_ms: float = Field(_USUAL.slow_s * 1000.0, gt=0, description="a request that takes longer is kept")
    keep_for_days: int = Field(KEPT_DAYS, ge=1, le=3660, description="days for which traces are listed")
    otlp: Url | SecretReference | None = Field(
        None, description="OTLP/HTTP endpoint that traces and metrics are sent to, such as http://127.0.0.1:4318"
    )
    otlp_headers: dict[str, SecretReference] = Field(
        default={}, description="headers for the endpoint, such as authorization: env:NAME or file:PATH"
    )

    def plan(self) -> TracesPlan:
        return TracesPlan(
            policy=TracePolicy(self.sample, self.slow_ms / 1000.0),
            keep_for_days=self.keep_for_days,
            otlp=str(self.otlp) if self.otlp else None,
            otlp_headers=dict(self.otlp_headers),
        )
