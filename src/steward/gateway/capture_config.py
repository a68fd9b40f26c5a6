"""The section `capture` of steward.yaml: which exchanges are kept with their texts, what for, and for how long."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from steward.configuration.section import Section
from steward.core.captures import CaptureForm, CapturePurpose
from steward.core.durations import DAY_S
from steward.gateway.capture import CapturePlan, CaptureRule

CAPTURE: Final = CapturePlan()  # the records own their defaults
RULE: Final = CaptureRule(purpose="support")


class CaptureRuleConfig(Section):
    """Exchanges to keep. The first rule that fits an exchange keeps it."""

    purpose: CapturePurpose = Field(
        description="what the texts are kept for: support, evaluation, or training, which keeps only what was sent "
        "with `X-Steward-Training: yes`"
    )
    route: str | None = Field(RULE.route, description="of requests to this model or route only")
    project: str | None = Field(RULE.project, description="of requests of this project only")
    sample: float = Field(
        RULE.sample, gt=0, le=1, description="share that is kept; of a conversation, all exchanges or none"
    )
    keep_days: float = Field(RULE.keep_s / DAY_S, gt=0, le=3650, description="after which the texts are deleted")
    text: CaptureForm = Field(
        RULE.form,
        description="masked: as the guards let the model see it, which needs a privacy.profile; as_sent: as the client "
        "sent it and got it, with the personal data in it",
    )

    def rule(self) -> CaptureRule:
        return CaptureRule(
            purpose=self.purpose,
            route=self.route,
            project=self.project,
            sample=self.sample,
            keep_s=self.keep_days * DAY_S,
            form=self.text,
        )


class CaptureConfig(Section):
    """Keeping the texts of requests and answers. Off without rules."""

    rules: list[CaptureRuleConfig] = Field(default=[], description="what is kept; nothing without rules")
    max_exchange_bytes: int = Field(
        CAPTURE.max_exchange_bytes,
        ge=1024,
        le=16 * 1024 * 1024,
        description="of a request and its answer; a longer exchange is not kept, and counted",
    )
    max_spool_bytes: int = Field(
        CAPTURE.max_spool_bytes,
        ge=16 * 1024 * 1024,
        description="of what waits for the keeper; beyond it nothing is kept, and counted",
    )

    def plan(self) -> CapturePlan:
        return CapturePlan(
            rules=tuple(item.rule() for item in self.rules),
            max_exchange_bytes=self.max_exchange_bytes,
            max_spool_bytes=self.max_spool_bytes,
        )
