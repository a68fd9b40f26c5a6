"""What each rule that comes with steward means, what to do when it fires, and how often it cries wolf.

Rates are measured by benchmarks/bench_monitoring.py on simulated healthy months at 60 requests an hour, 1 and 50 a
second (docs/explanation/performance.md); a rule over facts, such as a full disk, has no false alarms by construction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from steward.core.alerts import OUTSIDE_RULE, Severity
from steward.monitoring.rules import DEFAULT_RULES, WatchedRule

Basis = Literal["measured", "of a fact", "not measured"]

MEASURED_MONTHS: Final = 60  # healthy ones, 20 at each of three levels of traffic; no rule paged in any
_SEEN: Final = {"latency-up": 1}  # tickets in them, by rule; of all others none
_UPPER: Final = (2.996, 4.744)  # ends of the one-sided 95 % interval of a Poisson count of 0 and of 1 (chi-squared)


class RuleCard(msgspec.Struct, frozen=True, kw_only=True):
    """`steward alerts rules --json`."""

    name: str
    severity: str
    summary: str
    runbook: str  # what to do first
    basis: Basis
    false_alarms_per_month: float | None  # at most, at 95 %; None: of a fact, or not measured


_RUNBOOKS: Final = {
    "error-burn": "steward tail shows the failing requests, steward trace ID one; take the model out of its route.",
    "error-burn-slow": 'steward metrics query "error rate by model" --since 3d shows which model began when.',
    "failures-up": "steward tail shows the failing requests; compare with the last change: steward config diff.",
    "traffic-gone": "Ask the clients' side first: DNS, load balancer, certificate. steward status tells of this side.",
    "latency-doubled": "steward metrics engines shows queues and full caches; steward gpu shows a GPU that is slowed.",
    "latency-up": 'steward metrics query "total p95 by model" --since 7d shows which model.',
    "first-token-doubled": 'A queue: steward metrics query "waiting max by model".',
    "first-token-up": 'steward metrics query "ttft p95 by model" --since 7d; longer prompts do this too.',
    "satisfaction-down": "steward feedback --since 7d --by prompt shows which version; roll back that prompt.",
    "refusals-up": "Compare prompts and models with last week's: steward config diff, steward prompts list.",
    "answer-length-shift": "A new model version or prompt does this; else look at finish reasons: steward tail.",
    "prompt-length-shift": 'Clients send another context: steward metrics query "input_tokens by key" --since 7d.',
    "cost-shift": 'steward usage --by key shows whose; steward metrics query "usd by model" --since 7d which model.',
    "budget-nearly-spent": "steward keys show NAME; raise the key's limits, or tell its owner.",
    "certificate-expiring": "Put a new certificate at the same path; the gateway takes it without a restart.",
    "channel-failing": "steward alerts test says what it answers; mend its url or key, then run it again.",
    "disk-filling": "Lower monitoring.keep_minutes_for_days and its siblings, or move the home to a larger disk.",
    "drift": "steward drift show says which feature; if it is to stay, evaluate, then: steward drift baseline.",
    "drift-quality-down": "steward drift show, then steward feedback --by prompt; roll back the last change.",
    "engine-metrics-missing": "steward metrics engines says what is missing; an upgrade may have renamed it.",
    "gpu-memory-over-plan": "steward gpu shows which process; lower the engine's memory share, or plan again.",
    "gpu-unhealthy": "steward gpu says what NVIDIA advises; take the GPU's model out of its route first.",
    "keys-expiring": "steward keys rotate NAME makes a successor; both work until the old one ends.",
    "ledger-lagging": "Nothing is lost. Check that the store answers and the keeper runs: steward status.",
    "maintenance-due": "steward maintenance list says what is due, whose task it is and what to do.",
    "memory-growing": 'steward metrics query "process_memory by process" --since 2d; restart it and report the leak.',
    "model-down": "curl the model's URL from this machine; steward status names the process of an embedded one.",
    "store-gone": "Nothing is lost: requests wait in the ledger's files. Check the database, its disk and network.",
    "plan-outgrown": "steward plan watch shows when room runs out; make a new plan for the traffic of then.",
}
_OBJECTIVE: Final = "steward slo status shows what is left of the budget; steward metrics query shows since when."


def find_runbook(rule: str) -> str:
    """What to do first when it fires; a rule of the user's own has its alert to look at."""
    if rule in _RUNBOOKS:
        return _RUNBOOKS[rule]
    if rule.startswith(OUTSIDE_RULE):
        return "Another system reported it and tells people itself; the evidence says where to look."
    return _OBJECTIVE if rule.startswith("slo-") else f"steward alerts show {rule}"


def _bound(rule: str) -> float:
    """False alarms a month, at most, at 95 %."""
    return _UPPER[_SEEN.get(rule, 0)] / MEASURED_MONTHS


def make_cards(rules: Iterable[WatchedRule], facts: Iterable[tuple[str, Severity, str]] = ()) -> tuple[RuleCard, ...]:
    """Of rules over requests and of rules over facts, as (name, severity, summary), in their order."""
    shipped = {rule.name: rule for rule in DEFAULT_RULES}
    cards = [
        RuleCard(
            name=rule.name,
            severity=rule.severity,
            summary=rule.summary,
            runbook=find_runbook(rule.name),
            basis="measured" if shipped.get(rule.name) == rule else "not measured",
            false_alarms_per_month=_bound(rule.name) if shipped.get(rule.name) == rule else None,
        )
        for rule in rules
    ]
    for name, severity, summary in facts:
        card = RuleCard(
            name=name,
            severity=severity,
            summary=summary,
            runbook=find_runbook(name),
            basis="of a fact",
            false_alarms_per_month=None,
        )
        cards.append(card)
    return tuple(cards)
