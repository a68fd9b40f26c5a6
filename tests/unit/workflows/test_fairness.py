"""What is compared of a request."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steward.core.features import FeatureOutcome, RequestFeatures
from steward.governance.disparity import GroupRequest
from steward.workflows import fairness
from steward.workflows.fairness import make_request


def outcome(**changes: Any) -> FeatureOutcome:
    fields: dict[str, Any] = {
        "model": "m", "route": "r", "person": "p", "error": False, "duration_s": 2.0, "score": 1.0,
        "features": RequestFeatures(language="de", refused=True),
    }  # fmt: skip
    return FeatureOutcome(**fields | changes)


@pytest.mark.parametrize(("by", "group"), [("language", "de"), ("route", "r"), ("model", "m")])
def test_a_request_belongs_to_what_is_known_of_it(by: Any, group: str) -> None:
    assert make_request(outcome(), by) == GroupRequest(group, "p", False, True, 2.0, True)


def test_of_a_failure_nothing_else_is_compared() -> None:
    assert make_request(outcome(error=True, score=None), "route") == GroupRequest("r", "p", True, None, None, None)


def test_a_request_of_no_known_group_is_left_out() -> None:
    assert make_request(outcome(features=RequestFeatures()), "language") is None


@pytest.mark.parametrize(("score", "satisfied"), [(0.1, True), (0.0, False), (-1.0, False)])
def test_whoever_rates_above_nothing_is_satisfied(score: float, satisfied: bool) -> None:
    made = make_request(outcome(score=score), "route")
    assert made is not None and made.satisfied is satisfied


def test_requests_of_no_known_group_are_in_no_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[float, float, str | None]] = []

    def read_outcomes(since: float, until: float, tenant: str | None) -> list[FeatureOutcome]:
        asked.append((since, until, tenant))
        return [outcome(person=f"p{number}") for number in range(30)] + [outcome(features=RequestFeatures())] * 2

    features = SimpleNamespace(read_outcomes=read_outcomes)
    store = SimpleNamespace(features=features, close=lambda: asked.append((0, 0, "closed")))
    monkeypatch.setattr(fairness, "open_served_store", lambda home: store)
    report = fairness.read_disparity(tmp_path, 1.0, 2.0, "language", tenant="t")
    assert (report.requests, report.since, report.by) == (30, 1.0, "language")
    assert asked == [(1.0, 2.0, "t"), (0, 0, "closed")]
