"""The section `slos` of steward.yaml."""

from __future__ import annotations

from pydantic import Field, model_validator

from steward.configuration.section import Section
from steward.monitoring.slo import WINDOW_DAYS, SloKind, SloPlan


class SloConfig(Section):
    """One service level objective."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="name of the objective, and of its alerts")
    kind: SloKind = Field(description="availability, ttft, total, inter_token, cost, satisfaction or quality")
    objective: float = Field(gt=0.0, lt=1.0, description="share that must be good, such as 0.99")
    threshold_ms: float | None = Field(None, gt=0, description="ttft, total, inter_token: what takes longer is bad")
    threshold_usd: float | None = Field(None, gt=0, description="cost: a request that costs more is bad")
    window_days: int = Field(WINDOW_DAYS, ge=7, le=90, description="days over which the objective is to be met")
    model: str | None = Field(None, description="only requests that this model answered; unset: all")
    route: str | None = Field(None, description="only requests to this route; unset: all")

    @model_validator(mode="after")
    def _has_its_threshold(self) -> SloConfig:
        needed = {"cost": "threshold_usd"}.get(self.kind, "threshold_ms")
        if self.kind in ("availability", "satisfaction", "quality"):
            needed = ""
        for name, example in (("threshold_ms", "500"), ("threshold_usd", "0.01")):
            there = getattr(self, name) is not None
            if name == needed and not there:
                raise ValueError(f"kind: {self.kind} needs {name}, such as {name}: {example}")
            if name != needed and there:
                raise ValueError(f"kind: {self.kind} takes no {name}")
        return self

    def plan(self) -> SloPlan:
        return SloPlan(
            name=self.name,
            kind=self.kind,
            objective=self.objective,
            threshold=self.threshold_ms / 1000.0 if self.threshold_ms is not None else self.threshold_usd,
            window_days=self.window_days,
            model=self.model,
            route=self.route,
        )
