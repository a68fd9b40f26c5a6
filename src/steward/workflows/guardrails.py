"""Opens the rules of the section `guards`, with the services and models that some of them ask."""

from __future__ import annotations

from collections.abc import Sequence

from steward.adapters.judges.model import ModelJudge
from steward.adapters.judges.service import ServiceJudge
from steward.core.extend import TextJudge
from steward.guardrails.guard import Guardrail
from steward.guardrails.plan import GuardrailPlan

LONGEST_WAIT_S = 10.0  # for a judge without a budget


def open_guardrails(plans: Sequence[GuardrailPlan]) -> tuple[Guardrail, ...]:
    """In their order. Nothing is asked yet."""
    return tuple(Guardrail(plan, _open_judge(plan)) for plan in plans)


def _open_judge(plan: GuardrailPlan) -> TextJudge | None:
    timeout_s = plan.budget_ms / 1e3 or LONGEST_WAIT_S
    if plan.kind == "service":
        return ServiceJudge(plan.url, plan.key, timeout_s)
    return ModelJudge(plan.url, plan.model, plan.key, timeout_s) if plan.kind == "model" else None
