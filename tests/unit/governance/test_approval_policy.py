"""Each requirement at its boundaries: who counts, until when, and what is said where it is not met."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from steward.core.approvals import ApprovalDecision
from steward.core.evidence import Evidence
from steward.governance.approval_policy import (
    DAYS,
    ApprovalPolicy,
    ApprovalsRequirement,
    ChangeFacts,
    EvidenceRequirement,
    RequirementResult,
    WindowRequirement,
    identify_person,
    judge_change,
    latest_decisions,
)

DAY = 86400.0
TWO = ApprovalsRequirement(count=2, valid_s=10.0)


def decision(person: str, verdict: Any = "approve", at: float = 100.0, digest: str = "d") -> ApprovalDecision:
    return ApprovalDecision(request_id="ap_1", person=person, actor=person, verdict=verdict, digest=digest, at=at)


def evidence(verdict: Any = "pass", at: float = 0.0, **more: Any) -> Evidence:
    fields: dict[str, Any] = {
        "id": f"ev_{at}", "check": "audit.verify", "subject": "the audit log", "subject_digest": "", "verdict": verdict,
        "value": "7 of 7 entries verified", "expected": "", "source": "", "produced_at": at, "valid_until": None,
        "command": "steward audit verify --home h", "signer": "operator:1",
    }  # fmt: skip
    return Evidence(**fields | more)


def judge(
    requirement: Any,
    *decisions: ApprovalDecision,
    proofs: Any = (),
    now: float = 100.0,
    revoked: Any = (),
    candidates: frozenset[str] | None = None,
) -> RequirementResult:
    facts = ChangeFacts(
        request_id="ap_1", digest="d", authors=frozenset({"operator:1"}), decisions=decisions, evidence=tuple(proofs),
        now=now, revoked=frozenset(revoked), candidates=candidates,
    )  # fmt: skip
    (result,) = judge_change([requirement], facts)
    return result


def test_two_people_other_than_the_author_approve() -> None:
    result = judge(TWO, decision("person:anna"), decision("person:bob"))
    assert result.met and result.because == "approved by person:anna, person:bob"
    assert result.requirement == "approved by 2 people other than operator:1"


@pytest.mark.parametrize(
    "decisions",
    [
        [],
        [decision("person:anna")],
        [decision("person:anna"), decision("person:anna", at=99.0)],  # the same person twice
        [decision("person:anna"), decision("operator:1")],  # the author
        [decision("person:anna"), decision("person:bob", digest="other")],  # of another text
        [decision("person:anna"), decision("person:bob", at=89.9)],  # too long ago
    ],
)
def test_fewer_do_not(decisions: list[ApprovalDecision]) -> None:
    result = judge(TWO, *decisions)
    assert not result.met and result.next == "others run: steward approve ap_1"


@pytest.mark.parametrize(("days", "counts"), [(7.0, True), (7.001, False)])
def test_an_approval_counts_for_a_week_where_the_policy_gives_no_time(days: float, counts: bool) -> None:
    assert judge(ApprovalsRequirement(), decision("person:a", at=0.0), now=days * DAY).met is counts


def test_an_approval_counts_until_its_last_second() -> None:
    one = ApprovalsRequirement(count=1, valid_s=10.0)
    last = judge(one, decision("person:a", at=90.0))
    assert last.met and last.because == "approved by person:a"
    late = judge(one, decision("person:a", at=89.999))
    assert not late.met and late.because == "approved by nobody; 1 expired"
    assert late.requirement == "approved by 1 person other than operator:1"


def test_one_rejection_outweighs_approvals_until_it_is_taken_back() -> None:
    both = decision("person:anna"), decision("person:bob")
    result = judge(TWO, *both, decision("person:carl", "reject", at=1.0))
    assert (result.met, result.because, result.next) == (False, "rejected by person:carl", "change it and ask again")
    assert judge(TWO, *both, decision("person:carl", "reject", at=1.0), decision("person:carl", at=2.0)).met
    assert not judge(TWO, *both, decision("person:bob", "reject", at=101.0)).met
    assert judge(TWO, *both, decision("person:carl", "reject", digest="other")).met


def test_the_latest_decision_of_each_person_counts_in_whatever_order_they_come() -> None:
    later, earlier = decision("person:b", "reject", at=2.0), decision("person:b", at=1.0)
    assert latest_decisions([later, decision("person:a"), earlier], "d") == [decision("person:a"), later]


AUDIT = EvidenceRequirement(check="audit.verify", within_s=30 * DAY)


def test_a_proof_counts_for_thirty_days() -> None:
    assert judge(AUDIT, proofs=[evidence()], now=30 * DAY).met
    late = judge(AUDIT, proofs=[evidence()], now=30 * DAY + 1)
    assert not late.met and late.because == "the newest proof is 30.0 days old"
    assert late.next == "run again: steward audit verify --home h"
    assert late.requirement == "audit.verify passed within 30 days"
    none = judge(AUDIT, proofs=[evidence(check="evaluation.gate")])
    assert (none.met, none.because, none.next) == (False, "there is no such proof", "run: steward audit verify")


@pytest.mark.parametrize("verdict", ["fail", "cannot tell"])
def test_the_newest_proof_decides_and_what_cannot_tell_is_no_pass(verdict: str) -> None:
    result = judge(AUDIT, proofs=[evidence(at=10.0), evidence(verdict, at=20.0)])
    assert not result.met and result.because == f"the newest proof says: {verdict} (7 of 7 entries verified)"
    assert judge(AUDIT, proofs=[evidence(verdict, at=10.0), evidence(at=20.0)]).met


def test_a_proof_that_has_expired_is_none() -> None:
    assert judge(AUDIT, proofs=[evidence(valid_until=100.0)]).met
    assert "has expired" in judge(AUDIT, proofs=[evidence(valid_until=99.9)]).because


def test_a_gate_may_be_of_one_subject() -> None:
    gate = EvidenceRequirement(check="evaluation.gate", within_s=DAY, subject="model big")
    other = evidence(check="evaluation.gate", subject="model small in place of model old")
    assert judge(gate, proofs=[other]).next == "run: steward eval gate"
    assert judge(gate, proofs=[evidence(check="evaluation.gate", subject="model big in place of model small")]).met
    assert judge(gate).requirement == "evaluation.gate of model big passed within 1 days"


WORKDAYS = WindowRequirement(days=("mon", "tue"), start_minute=9 * 60, end_minute=16 * 60, timezone="Europe/Zurich")


@pytest.mark.parametrize(
    ("at", "met"),
    [
        (datetime(2026, 11, 30, 8, 0, tzinfo=UTC), True),  # Monday, 09:00 in Zurich
        (datetime(2026, 11, 30, 7, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 30, 14, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 30, 15, 0, tzinfo=UTC), False),
        (datetime(2026, 12, 1, 10, 0, tzinfo=UTC), True),
        (datetime(2026, 12, 2, 10, 0, tzinfo=UTC), False),  # Wednesday
        (datetime(2026, 7, 6, 7, 0, tzinfo=UTC), True),  # summer time
    ],
)
def test_a_window_is_of_its_own_time_zone(at: datetime, met: bool) -> None:
    assert judge(WORKDAYS, now=at.timestamp()).met == met


def test_a_window_says_when_it_is() -> None:
    result = judge(WORKDAYS, now=datetime(2026, 12, 2, 10, 5, tzinfo=UTC).timestamp())
    assert result.requirement == "on mon, tue from 09:00 to 16:00 (Europe/Zurich)"
    assert (result.because, result.next) == ("it is wed 11:05", "wait until then")
    assert judge(WindowRequirement(), now=0.0).met


def test_a_policy_has_requirements_of_each_kind() -> None:
    policy = ApprovalPolicy(settings=(TWO,), prompts=(WORKDAYS,))
    assert policy.requirements("settings") == (TWO,) and policy.requirements("prompt") == (WORKDAYS,)
    assert ApprovalPolicy().requirements("prompt") == ()


def test_a_window_is_each_day_unless_told() -> None:
    window = WindowRequirement()
    assert (window.days, window.start_minute, window.end_minute, window.timezone) == (DAYS, 0, 1440, "UTC")
    assert len(DAYS) == 7


def test_a_proof_says_how_many_days_ago_it_was_made() -> None:
    met = judge(AUDIT, proofs=[evidence(at=2 * DAY)], now=3.5 * DAY)
    assert met.met and met.because == "7 of 7 entries verified, 1.5 days ago"
    old = judge(AUDIT, proofs=[evidence(at=2 * DAY)], now=32 * DAY + 8640)
    assert not old.met and old.because == "the newest proof is 30.1 days old"
    assert judge(AUDIT, proofs=[evidence(at=2 * DAY)], now=32 * DAY).met  # 30 days to the second
    assert judge(AUDIT, proofs=[evidence(at=2 * DAY, valid_until=3 * DAY)], now=3 * DAY).met
    ended = judge(AUDIT, proofs=[evidence(at=2 * DAY, valid_until=3 * DAY)], now=3 * DAY + 1)
    assert ended.because == "the newest proof is 1.0 days old and has expired"


def test_a_proof_from_the_future_is_none() -> None:
    assert judge(AUDIT, proofs=[evidence(at=400.0)]).met  # another machine's clock may be 300 s ahead
    ahead = judge(AUDIT, proofs=[evidence(at=400.5), evidence(at=99.0)])
    assert (ahead.met, ahead.because) == (False, "the newest proof is dated in the future")


def test_a_proof_that_a_revoked_key_signed_is_none() -> None:
    signed = evidence(signer="key:k1")
    assert judge(AUDIT, proofs=[signed], revoked={"key:k2"}).met
    told = judge(AUDIT, proofs=[signed], revoked={"key:k1"})
    assert (told.met, told.because) == (False, "the newest proof was signed by key:k1, which was revoked")


@pytest.mark.parametrize(
    ("subject", "met"),
    [
        ("big in place of small", True),
        ("model big", True),
        ("bigger in place of small", False),
        ("big-2 in place of small", False),
        ("too-big in place of small", False),
        ("big.v2", False),
        ("small in place of big", False),  # big was what it was compared with
    ],
)
def test_a_proof_of_another_model_is_none(subject: str, met: bool) -> None:
    gate = EvidenceRequirement(check="evaluation.gate", within_s=DAY, subject="big")
    assert judge(gate, proofs=[evidence(check="evaluation.gate", subject=subject)]).met is met


GATE = EvidenceRequirement(check="evaluation.gate", within_s=DAY)
BOT = frozenset({"bot@3f9c", "sha256:3f9c"})


def gate(subject: str, **more: Any) -> Evidence:
    return evidence(check="evaluation.gate", subject=subject, **more)


@pytest.mark.parametrize(
    ("proof", "met"),
    [
        (gate("bot@3f9c in place of bot@1111"), True),
        (gate("spare in place of old", subject_digest="sha256:3f9c"), True),
        (gate("bot@3f9c-2 in place of old"), False),
        (gate("bot in place of bot@3f9c"), False),  # the candidate was what it was compared with
        (gate("other in place of old", subject_digest="sha256:1111"), False),
        (gate("bot@3f9c in place of bot@1111", verdict="fail"), False),
    ],
)
def test_a_release_needs_a_gate_of_its_own_candidate(proof: Evidence, met: bool) -> None:
    assert judge(GATE, proofs=[proof], candidates=BOT).met is met
    foreign = gate("other in place of old", at=50.0)  # newer, and of another model
    assert judge(GATE, proofs=[foreign, proof], candidates=BOT).met is met


def test_a_gate_of_another_model_is_named_in_the_refusal() -> None:
    refused = judge(GATE, proofs=[gate("other in place of old")], candidates=BOT)
    assert refused.requirement == "evaluation.gate of bot@3f9c passed within 1 days"
    assert refused.because == "no gate has judged bot@3f9c; the newest one is of other"
    assert refused.next.startswith("run: steward eval gate, with a run of it as --candidate")
    assert judge(GATE, candidates=BOT).because == "no gate has judged bot@3f9c"
    assert judge(GATE, candidates=frozenset({"sha256:3f9c"})).because == "no gate has judged sha256:3f9c"
    unknown = judge(GATE, proofs=[gate("other in place of old")], candidates=frozenset())
    assert (unknown.met, unknown.because) == (False, "the request does not say what would be released")


def test_a_subject_in_the_policy_stands_in_the_place_of_the_candidate() -> None:
    named = EvidenceRequirement(check="evaluation.gate", within_s=DAY, subject="other")
    assert judge(named, proofs=[gate("other in place of old")], candidates=BOT).met
    assert judge(GATE, proofs=[gate("other in place of old")]).met  # a change that is no release
    assert judge(AUDIT, proofs=[evidence()], candidates=BOT).met  # the audit log is of no model


def test_a_gate_that_counts_says_what_it_judged() -> None:
    met = judge(GATE, proofs=[gate("bot@3f9c in place of old", value="token_f1: passed")], now=43200.0, candidates=BOT)
    assert met.because == "bot@3f9c: token_f1: passed, 0.5 days ago"
    assert judge(AUDIT, proofs=[evidence()], now=43200.0).because == "7 of 7 entries verified, 0.5 days ago"


@pytest.mark.parametrize(
    ("account", "person"),
    [
        ("person:anna", "person:anna"),
        ("person:corp/anna", "person:anna"),  # the same subject, at the identity provider
        ("person:corp/8f3a", "person:anna"),  # as the policy says
        ("operator:1000", "person:anna"),
        ("operator:1001", "operator:1001"),
        ("person:corp/9", "person:9"),
        ("key:anna", "key:anna"),
    ],
)
def test_the_accounts_of_one_person_are_one(account: str, person: str) -> None:
    assert identify_person(account, {"anna": ("person:corp/8f3a", "operator:1000")}) == person
