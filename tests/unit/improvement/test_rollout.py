"""What rows mean to the guards, when a share grows, what shadows say."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.releases import ReleaseRow
from steward.improvement.config import ReleaseConfig, ReleasePlan
from steward.improvement.rollout import ShadowTrials, choose_weight, make_release_event, promoted_weight

PLAN = ReleaseConfig().plan()
OWN = frozenset({"new"})


def row(**fields: Any) -> ReleaseRow:
    usual: dict[str, Any] = {
        "request_id": "r", "settled_at": 9.0, "key_id": "k", "arm": "candidate", "weight": 0.25, "subject": "s",
        "outcome": "ok", "status": 200, "model": "new", "duration_s": 2.0, "usd": 0.5, "attempt_failed": False,
    }  # fmt: skip
    return ReleaseRow(**{**usual, **fields})


def test_a_good_row() -> None:
    event = make_release_event(row(), OWN, 2.0)
    assert (event.at, event.arm, event.weight, event.subject) == (9.0, "candidate", 0.25, "s")
    assert (event.bad, event.slow, event.usd, event.score) == (False, False, 0.5, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "upstream_error"},
        {"outcome": "timeout"},
        {"outcome": "lost", "model": None},
        {"attempt_failed": True},
        {"model": "old"},  # the champion helped
    ],
)
def test_what_is_bad(fields: dict[str, Any]) -> None:
    assert make_release_event(row(**fields), OWN, 2.0).bad is True


def test_a_refusal_and_a_guard_that_objects_are_the_arms_unless_another_model_helped() -> None:
    event = make_release_event(row(refused=True, guard_hit=False), OWN, 2.0)
    assert (event.refused, event.guard_hit) == (True, False)
    helped = make_release_event(row(refused=True, guard_hit=True, model="old"), OWN, 2.0)
    assert (helped.refused, helped.guard_hit) == (None, None)


@pytest.mark.parametrize("outcome", ["client_closed", "refused", "truncated"])
def test_what_clients_do_is_not_the_arms_fault_and_says_nothing_of_time_or_cost(outcome: str) -> None:
    event = make_release_event(row(outcome=outcome, duration_s=99.0), OWN, 2.0)
    assert (event.bad, event.slow, event.usd) == (False, None, None)


def test_slow_is_beyond_what_counts_as_slow() -> None:
    assert make_release_event(row(duration_s=2.0001), OWN, 2.0).slow is True
    assert make_release_event(row(), OWN, None).slow is None


def test_the_price_of_help_is_not_the_candidates() -> None:
    assert make_release_event(row(model="old"), OWN, 2.0).usd is None


@pytest.mark.parametrize(
    ("weight", "held_s", "people", "expected"),
    [
        (0.05, 600.0, 50, 0.25),
        (0.05, 599.9, 50, 0.05),
        (0.05, 600.0, 49, 0.05),
        (0.05, -5.0, 500, 0.05),  # a clock that was set back
        (0.25, 600.0, 50, 0.5),
        (0.5, 1e9, 10**6, 0.5),
    ],
)
def test_when_the_share_grows(weight: float, held_s: float, people: int, expected: float) -> None:
    assert choose_weight(PLAN, weight, held_s, people) == expected


def test_all_but_the_holdback_after_a_promotion() -> None:
    assert promoted_weight(PLAN) == 0.99
    assert promoted_weight(ReleasePlan(guards=(), holdback=0.0)) == 1.0


def shadows(*pairs: tuple[bool, bool], minimum: int = 5) -> ShadowTrials:
    """Requests and their copies: whether the champion failed, whether the candidate did."""
    trials = ShadowTrials(ReleaseConfig.model_validate({"shadow": {"minimum": minimum}}).plan())
    for number, (champion, candidate) in enumerate(pairs):
        name, words = f"r{number}", {True: "upstream_error", False: "ok"}
        trials.add(row(request_id=name, arm="champion", weight=0.0, outcome=words[champion]))
        trials.add(row(request_id=f"{name}-candidate-trial", key_id="shadow", outcome=words[candidate], usd=0.25))
    return trials


def test_enough_good_copies_let_people_have_it() -> None:
    result = shadows(*[(False, False)] * 5).decide()
    assert (result.verdict, result.copies, result.failed, result.usd) == ("go on", 5, 0, 1.25)
    assert shadows(*[(False, False)] * 4).decide().verdict == "wait"


def test_a_candidate_that_fails_alone_is_taken_back() -> None:
    # a fair coin that falls on one side 40 times: 2^-40, far less likely than 0.008 / 6
    result = shadows(*[(False, True)] * 40).decide()
    assert (result.verdict, result.only_candidate) == ("roll back", 40)


def test_a_candidate_that_seems_to_fail_more_often_has_to_wait() -> None:
    # E of 14 of 14 is above 1 / 0.05 and below 6 / 0.008
    result = shadows(*[(False, True)] * 14).decide()
    assert (result.verdict, result.why) == (
        "wait",
        "14 copies failed that the champion answered; more are needed to tell",
    )


def test_failures_of_both_say_nothing() -> None:
    result = shadows(*[(True, True)] * 20).decide()
    assert (result.verdict, result.only_candidate, result.only_champion, result.failed) == ("go on", 0, 0, 20)


def test_the_order_of_a_request_and_its_copy_does_not_matter() -> None:
    trials = ShadowTrials(PLAN)
    trials.add(row(request_id="r-candidate-trial", key_id="shadow", outcome="upstream_error"))
    trials.add(row(request_id="r", arm="champion"))
    assert trials.decide().only_candidate == 1


def test_comparisons_are_counted_and_an_unknown_price_makes_the_cost_unknown() -> None:
    trials = ShadowTrials(PLAN)
    trials.add(row(request_id="r-judge-2", key_id="shadow", arm=None, judged=1.0, usd=None))
    result = trials.decide()
    assert (result.compared, result.usd, result.copies) == (1, None, 0)
