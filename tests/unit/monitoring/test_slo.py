"""Objectives: what counts, which rules follow, how they stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.core.histogram import encode_buckets, observe
from steward.core.minutes import COLUMNS
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow
from steward.monitoring.history import History
from steward.monitoring.slo import (
    SloCount,
    SloPlan,
    columns_of,
    count_minutes,
    count_slo,
    find_pairs,
    judge_slo,
    make_rules,
)


def slo(**changed: Any) -> SloPlan:
    return SloPlan(**{"name": "a", "kind": "availability", "objective": 0.99, "window_days": 30, **changed})


def row(model: str = "m", route: str = "r", values: tuple[float, ...] = (), column: str = "", **sums: int) -> SeriesRow:
    buckets: dict[int, int] = {}
    for value in values:
        observe(buckets, value)
    histograms = tuple(encode_buckets(buckets) if name == column else b"" for name in HISTOGRAMS)
    return SeriesRow(0, model, route, "k", tuple(float(sums.get(name, 0)) for name in SUMS), histograms)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, SloCount(14, 3)),
        ({"model": "m"}, SloCount(10, 2)),
        ({"route": "s"}, SloCount(4, 1)),
        ({"model": "m", "route": "s"}, SloCount(0, 0)),
        ({"kind": "satisfaction"}, SloCount(5, 1)),
        ({"kind": "quality"}, SloCount(3, 2)),
    ],
)
def test_requests_and_ratings_that_count(changed: dict[str, Any], expected: SloCount) -> None:
    rows = [
        row(requests=12, judged=10, failed=2, rated=5, satisfied=4, scored=3, passed=1),
        row(model="n", route="s", requests=4, judged=4, failed=1),
    ]
    assert count_slo(slo(**changed), rows) == expected


@pytest.mark.parametrize(
    ("kind", "column"),
    [("ttft", "ttft_s"), ("total", "total_s"), ("inter_token", "inter_token_s"), ("cost", "request_usd")],
)
def test_what_is_above_the_threshold_is_bad(kind: str, column: str) -> None:
    rows = [row(values=(0.1, 0.4, 0.6), column=column, judged=9, failed=9), row(values=(5.0,), column=column)]
    assert count_slo(slo(kind=kind, threshold=0.5), rows) == SloCount(4, 2)


def test_windows_and_factors_are_those_of_the_workbook() -> None:
    """The Site Reliability Workbook, table 5-8, for 30 days."""
    assert find_pairs(slo(), "page") == ((60, 5, 14.4), (360, 30, 6.0))
    assert find_pairs(slo(), "ticket") == ((1440, 120, 3.0), (4320, 360, 1.0))


def test_for_a_shorter_time_the_same_share_of_the_budget_is_spent() -> None:
    assert find_pairs(slo(window_days=7), "page") == ((60, 5, 3.36), (360, 30, 1.4))
    assert find_pairs(slo(window_days=7), "ticket") == ((1440, 120, 1.0), (4320, 360, 1.0))


def test_a_burn_rate_that_cannot_be_reached_is_no_rule() -> None:
    assert find_pairs(slo(objective=0.8), "page") == ()  # 6 times 20 % is more than all
    assert find_pairs(slo(objective=0.8), "ticket") == ((1440, 120, 3.0), (4320, 360, 1.0))
    assert [rule.name for rule in make_rules([slo(objective=0.8)])] == ["slo-a-slow"]


def test_rules_of_an_objective() -> None:
    fast, slow = make_rules([slo()])
    assert (fast.name, fast.severity, fast.every_minutes) == ("slo-a", "page", 1)
    assert (slow.name, slow.severity, slow.inhibited_by) == ("slo-a-slow", "ticket", ("slo-a",))
    assert slow.every_minutes == 5
    assert fast.inhibited_by == ("error-burn", "failures-up")
    assert fast.columns == columns_of(slo()) == ("slo a total", "slo a bad")
    assert make_rules([slo(kind="ttft", threshold=1.0)])[0].inhibited_by == ()


def history(minutes: int, total: float, bad: float) -> History:
    made = History(0, columns_of(slo()))
    for _ in range(minutes):
        made.append([*([0.0] * len(COLUMNS)), total, bad])
    return made


@pytest.mark.parametrize(
    ("total", "bad", "state"),
    [
        (10.0, 2.0, "wrong"),  # 20 times the budget
        (10.0, 1.0, "wrong"),  # 10 times, for six hours
        (10.0, 0.0, "fine"),
        (10.0, 0.5, "fine"),  # 5 times: a ticket, not a page
        (0.0, 0.0, "cannot tell"),
    ],
)
def test_a_rule_of_an_objective_fires_on_its_own_counts(total: float, bad: float, state: str) -> None:
    fast, _ = make_rules([slo(kind="ttft", threshold=1.0)])
    reading = fast.judge(history(360, total, bad), 360, [])
    assert reading.state == state
    if state == "wrong":
        assert "requests were bad in" in reading.why
        assert fast.persists(history(360, total, bad), 360, []).state == "wrong"


def test_the_slow_rule_waits_for_its_window() -> None:
    _, slow = make_rules([slo()])
    assert slow.judge(history(1440, 10.0, 0.5), 1440, []).state == "wrong"
    assert slow.judge(history(1439, 10.0, 0.5), 1439, []).state == "cannot tell"  # not watched for a day yet


def judge(total: int, bad: int, firing: bool = False, **changed: Any) -> tuple[str, float | None]:
    status = judge_slo(slo(**changed), SloCount(total, bad), {"1h": SloCount(100, 2), "6h": SloCount()}, firing)
    assert status.burn_rates == {"1h": pytest.approx(2.0 if not changed else 0.1), "6h": None}
    return status.state, status.budget_left


@pytest.mark.parametrize(
    ("total", "bad", "firing", "state", "left"),
    [
        (0, 0, False, "not enough traffic to judge", None),
        (99, 0, False, "not enough traffic to judge", 1.0),
        (99, 2, False, "not enough traffic to judge", 1 - 2 / 0.99),
        (99, 10, False, "budget spent", 1 - 10 / 0.99),  # that is no chance
        (10, 2, False, "not enough traffic to judge", -19.0),  # 45 x 0.01² is a chance of 0.4 %
        (3, 2, False, "not enough traffic to judge", 1 - 2 / 0.03),  # of 0.03 %, and two are too few
        (10, 3, False, "budget spent", -29.0),  # 120 x 0.01³ is one of 0.01 %
        (100, 1, False, "met", 0.0),
        (100, 2, False, "budget spent", -1.0),
        (1000, 5, False, "met", 0.5),
        (1000, 5, True, "burning", 0.5),
        (1000, 11, True, "budget spent", -0.1),
    ],
)
def test_how_an_objective_stands(total: int, bad: int, firing: bool, state: str, left: float | None) -> None:
    said = judge(total, bad, firing)
    assert said == (state, left if left is None else pytest.approx(left))


def test_a_status_says_what_it_is_said_from() -> None:
    status = judge_slo(slo(), SloCount(1000, 5), {}, False)
    assert (status.good_share, status.why) == (0.995, "5 of 1,000 were bad; 10 may be")
    assert judge_slo(slo(), SloCount(), {}, False).good_share is None


def test_minutes_hold_each_objective_in_turn() -> None:
    plans = [slo(), slo(name="b", kind="quality")]
    rows = [
        msgspec.structs.replace(row(judged=10, failed=2, scored=3, passed=1), start=start) for start in (60, 60, 120)
    ]
    assert count_minutes(plans, rows) == {1: [20.0, 4.0, 6.0, 4.0], 2: [10.0, 2.0, 3.0, 2.0]}
    assert count_minutes(plans, []) == {}


@pytest.mark.parametrize(("kind", "noun"), [("quality", "scores"), ("satisfaction", "ratings"), ("cost", "requests")])
def test_alerts_name_what_they_count(kind: str, noun: str) -> None:
    assert {rule.noun for rule in make_rules([slo(kind=kind)])} == {noun}
