"""Every check has something that turns it red, and something that turns it green."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.evidence import Evidence
from steward.governance.checks import CHECKS
from steward.governance.readiness import DAY_S, Check, EvidenceRule, Facts, KeyFacts, ModelFacts, Outcome, Situation

NOW = 1_795_900_000.0
BY_ID = {check.id: check for check in CHECKS}
OPEN = {"loopback": False}
HOSTED = ModelFacts(name="big", hosted=True, priced=False)
OWN = ModelFacts(name="own", hosted=False, priced=False)


def key(**changes: Any) -> KeyFacts:
    return KeyFacts(
        **{"id": "k", "name": "web", "created_at": NOW - 100 * DAY_S, "last_used": NOW, "expires_at": NOW + 1} | changes
    )


# id: (facts that fail, facts that pass, facts that decide nothing and what they say)
OF_FACTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = {
    "infra.answers": ({"answers": False, "problem": "no model"}, {"answers": True}, {}, "cannot tell"),
    "infra.disk": ({"free_disk": 0.0999}, {"free_disk": 0.1}, {}, "cannot tell"),
    "infra.fallback": ({"models": (OWN,), "lone_routes": ("r",)}, {"models": (OWN,)}, {}, "cannot tell"),
    "monitoring.lag": ({"ledger_lag_s": 300.1}, {"ledger_lag_s": 300.0}, {}, "cannot tell"),
    "monitoring.incidents": ({"overdue": ("inc_1 report",)}, {"overdue": ()}, {}, "cannot tell"),
    "monitoring.firing": ({"firing": ("error-burn",)}, {"firing": ()}, {}, "cannot tell"),
    "monitoring.prices": (
        {"models": (HOSTED,)}, {"models": (ModelFacts(name="big", hosted=True, priced=True),)}, {"models": (OWN,)},
        "not applicable",
    ),
    "monitoring.channels": ({}, {"channels": ("ops",)}, {}, ""),
    "monitoring.heartbeat": ({}, {"heartbeat": True}, {}, ""),
    "monitoring.ratings": (
        {"requests": 9, "ratings": 0}, {"requests": 9, "ratings": 1}, {"requests": 0, "ratings": 0}, "cannot tell",
    ),
    "security.home": ({"home_private": False}, {"home_private": True}, {}, "cannot tell"),
    "security.transport": (OPEN, {**OPEN, "encrypted": True}, {}, "not applicable"),
    "security.limits": ({"keys": (key(limited=False),)}, {"keys": (key(),)}, {}, "cannot tell"),
    "security.audit": ({"audit_error": "entry 3 was altered"}, {"audit_entries": 4}, {}, "cannot tell"),
    "security.first-key": ({**OPEN, "first_key": True}, OPEN, {"first_key": True}, "not applicable"),
    "security.unused-keys": (
        {"keys": (key(last_used=NOW - 90 * DAY_S - 1),)}, {"keys": (key(last_used=NOW - 90 * DAY_S),)}, {},
        "cannot tell",
    ),
    "security.key-expiry": ({"keys": (key(expires_at=None),)}, {"keys": (key(),)}, {}, "cannot tell"),
    "security.root-key": ({}, {"root_key_in_home": False}, {}, ""),
    "security.witness": ({}, {"witness": True}, {}, ""),
    "security.approvals": ({}, {"approvals": True}, {}, ""),
    "ethics.complaints": ({"late_appeals": ("appeal_1",)}, {"late_appeals": ()}, {}, "cannot tell"),
    "ethics.disclosure": ({}, {"discloses": True}, {}, ""),
    "privacy.guard": ({}, {"guard": True}, {}, ""),
}  # fmt: skip


def decide(name: str, facts: dict[str, Any], *proofs: Evidence) -> Outcome:
    return BY_ID[name].decide(Situation(facts=Facts(**facts), evidence=proofs, now=NOW))


@pytest.mark.parametrize("name", sorted(OF_FACTS))
def test_what_is_seen_turns_a_check_red_and_green(name: str) -> None:
    red, green, neither, said = OF_FACTS[name]
    assert decide(name, red).verdict == "fail" and decide(name, green).verdict == "pass"
    assert decide(name, red).value and decide(name, red).expected
    if said:
        assert decide(name, neither).verdict == said


BY_PROOF = {
    "infra.plan": "capacity.plan", "infra.backup": "backup.made", "infra.load": "loadtest.run",
    "infra.headroom": "capacity.watch", "infra.restore": "backup.restored", "data.contract": "data.contract",
    "data.overlap": "evaluation.overlap", "data.personal": "privacy.scan", "eval.run": "evaluation.run",
    "eval.gate": "evaluation.gate", "eval.robustness": "evaluation.robustness", "monitoring.drill": "alerts.test",
    "monitoring.drift": "drift.compare", "security.selftest": "security.selftest",
    "data.training": "dataset.verify", "security.access": "access.matrix",
    "ethics.counterfactual": "evaluation.counterfactual", "ethics.groups": "evaluation.groups",
    "ethics.disparity": "fairness.status",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BY_PROOF))
def test_a_proof_turns_a_check_red_and_green(name: str) -> None:
    def proof(verdict: Any) -> Evidence:
        return Evidence(
            id="ev", check=BY_PROOF[name], subject="s", subject_digest="d", verdict=verdict, value="v", expected="",
            source="", produced_at=NOW, valid_until=None, command="c", signer="operator:1",
        )  # fmt: skip

    assert decide(name, {}).verdict == "cannot tell"
    assert decide(name, {}, proof("fail")).verdict == "fail" and decide(name, {}, proof("pass")).verdict == "pass"


def test_every_check_is_here_once_with_a_question_and_a_fix() -> None:
    assert set(BY_ID) == set(OF_FACTS) | set(BY_PROOF) and len(BY_ID) == len(CHECKS)

    def is_whole(check: Check) -> bool:
        return check.question.endswith("?") and bool(check.fix)

    assert all(is_whole(check) for check in CHECKS)


def test_values_name_what_is_wrong() -> None:
    assert decide("infra.answers", {"answers": False, "problem": "no model"}).value == "no model"
    assert decide("security.transport", {**OPEN, "proxy_declared": True}).value == "a proxy does it"
    many = tuple(key(id=str(n), name=f"k{n}", limited=False) for n in range(7))
    assert decide("security.limits", {"keys": many}).value == "no limit: k0, k1, k2, k3, k4 and 2 more"
    assert decide("security.limits", {"keys": many[:5]}).value == "no limit: k0, k1, k2, k3, k4"
    assert decide("security.unused-keys", {"keys": (key(last_used=None),)}).verdict == "fail"  # made 100 days ago
    assert decide("monitoring.ratings", {"requests": 2000, "ratings": 12}).value == "12 ratings of 2,000 requests"


AGES = {  # days that a proof of each check holds
    "infra.plan": 90, "infra.backup": 7, "infra.load": 30, "infra.headroom": 7, "infra.restore": 90,
    "data.contract": 90, "data.overlap": 90, "data.personal": 90, "data.training": 90, "eval.run": 90, "eval.gate": 90,
    "eval.robustness": 90, "monitoring.drill": 7, "monitoring.drift": 30, "security.selftest": 30,
    "ethics.counterfactual": 30, "ethics.groups": 90, "ethics.disparity": 30, "security.access": 90,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BY_PROOF))
def test_a_proof_holds_for_its_days_and_no_longer(name: str) -> None:
    def decide_after(days: float) -> str:
        proof = Evidence(
            id="ev", check=BY_PROOF[name], subject="s", subject_digest="d", verdict="pass", value="v", expected="",
            source="", produced_at=NOW - days * DAY_S, valid_until=None, command="c", signer="operator:1",
        )  # fmt: skip
        return decide(name, {}, proof).verdict

    assert (decide_after(AGES[name]), decide_after(AGES[name] + 0.01)) == ("pass", "cannot tell")


# docs/reference/checks: "It must have passed, and may be 90 days old."
AGES = {
    "infra.plan": 90, "infra.backup": 7, "infra.load": 30, "infra.headroom": 7, "infra.restore": 90,
    "data.contract": 90, "data.training": 90, "data.overlap": 90, "data.personal": 90, "eval.run": 90, "eval.gate": 90,
    "eval.robustness": 90, "monitoring.drill": 7, "monitoring.drift": 30, "security.selftest": 30,
    "security.access": 90, "ethics.counterfactual": 30, "ethics.disparity": 30, "ethics.groups": 90,
}  # fmt: skip


def test_proofs_may_be_as_old_as_the_reference_says() -> None:
    ages = {check.id: check.decide.max_age_days for check in CHECKS if isinstance(check.decide, EvidenceRule)}
    assert ages == AGES
