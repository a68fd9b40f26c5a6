"""History through the rules."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from steward.monitoring.backtest import (
    MAX_GAP_MINUTES,
    collect_minutes,
    collect_objectives,
    merge_firings,
    replay,
    report,
)
from steward.monitoring.events import Event
from steward.monitoring.rules import DEFAULT_RULES, BurnRate, Reading
from steward.monitoring.slo import SloKind, SloPlan, columns_of, make_rules
from steward.monitoring.watch import MAX_NAMES, Change

DAY_S = 86400.0
START = 1_764_547_200.0  # a Monday, 00:00 UTC


def traffic(days: float, per_minute: float, fault_after: float = math.inf, **fault: float) -> list[Event]:
    """Steady traffic; after `fault_after` days `failed`, `slower` and `longer` are as told."""
    rng, events = random.Random(1), []
    at = START
    while at < START + days * DAY_S:
        at += rng.expovariate(per_minute / 60.0)
        now = fault if at >= START + fault_after * DAY_S else {}
        failed = rng.random() < now.get("failed", 0.004)
        events.append(
            Event(
                at=at,
                route="assistant",
                model="m",
                outcome="upstream_error" if failed else "ok",
                latency_ms=rng.lognormvariate(math.log(900 * now.get("slower", 1.0)), 0.6),
                output_tokens=rng.lognormvariate(math.log(180 * now.get("longer", 1.0)), 0.8),
                score=(1.0 if rng.random() < 0.8 else -1.0) if rng.random() < 0.1 else None,
                refused=rng.random() < 0.02,
            )
        )
    return events


def fired(events: list[Event]) -> dict[str, float]:
    """Which rules fired, and how many hours after the start first."""
    result = report(DEFAULT_RULES, collect_minutes(events))
    return {rule.name: (rule.firings[0].start - START) / 3600 for rule in result.rules if rule.firings}


def test_two_healthy_weeks_are_silent() -> None:
    assert fired(traffic(14, 1.0)) == {}


def test_failures_of_five_percent_are_found_within_half_a_day() -> None:
    hours = min(fired(traffic(10, 1.0, fault_after=9, failed=0.05)).values())
    assert 9 * 24 < hours < 9 * 24 + 12


def test_latency_half_again_as_long_is_found_within_six_hours() -> None:
    hours = fired(traffic(9.5, 1.0, fault_after=9, slower=1.5))["latency-up"]
    assert 9 * 24 < hours < 9 * 24 + 6


def test_longer_answers_are_found_within_a_day() -> None:
    assert 9 * 24 < fired(traffic(10.5, 1.0, fault_after=9, longer=1.5))["answer-length-shift"] < 10 * 24


def test_silence_is_found_within_two_hours() -> None:
    events = traffic(9.5, 1.0)
    events = [event for event in events if not 9 * DAY_S < event.at - START < 9.25 * DAY_S]
    assert 9 * 24 < fired(events)["traffic-gone"] < 9 * 24 + 2


def test_what_had_too_little_to_judge_by_says_so() -> None:
    result = report(DEFAULT_RULES, collect_minutes(traffic(0.5, 0.1)))
    assert {item.rule: item.why for item in result.not_judged}["satisfaction-down"] == (
        "fewer than 30 ratings, or 100 earlier ones"
    )
    assert result.pages == 0


def test_order_of_the_events_does_not_matter() -> None:
    events = traffic(1, 0.5)
    shuffled = random.Random(2).sample(events, len(events))
    one, other = collect_minutes(events), collect_minutes(shuffled)
    assert one.keys() == other.keys()
    assert all(one[key][group] == pytest.approx(other[key][group]) for key in one for group in one[key])


def test_invented_names_are_counted_together() -> None:
    minutes = collect_minutes(Event(at=0.0, model=f"m{index}") for index in range(1000))
    assert len(minutes[0]) == MAX_NAMES + 1 and ("other", "") in minutes[0]


def test_a_clock_that_jumps_a_century_takes_no_century() -> None:
    jump = Event(at=START + 36500 * DAY_S)
    seen = []
    replay(DEFAULT_RULES, collect_minutes([*traffic(0.1, 1.0), jump]), lambda done, total: seen.append(total))
    assert seen[0] < 0.1 * 1440 + 10 and MAX_GAP_MINUTES == 4320


def test_pages_a_week() -> None:
    rule = BurnRate(name="b", severity="page")
    events = [
        Event(at=60.0 * minute + index, status=500 if minute > 1400 else 200)
        for minute in range(2880)
        for index in range(20)
    ]
    result = report([rule], collect_minutes(events), events=len(events))
    assert (result.pages, result.span_s) == (1, 2 * DAY_S)
    assert result.rules[0].pages_per_week == 3.5
    assert result.rules[0].firings[0].end is None


def change(minute: int, firing: bool, scope: str = "", value: float = 1.0) -> Change:
    reading = Reading("wrong", value, 0.0, f"value {value}")
    return Change(rule="r", scope=scope, severity="page", firing=firing, minute=minute, reading=reading)


def test_scopes_that_fire_together_are_one_alert_with_the_worst_value() -> None:
    firings = merge_firings(
        [
            change(1, True, "model a"),
            change(2, True, value=5.0),
            change(3, False, "model a"),
            change(4, False),
            change(9, True),
        ]
    )
    assert [(one.start, one.end, one.value, one.scopes) for one in firings] == [
        (60.0, 240.0, 5.0, ("model a", "all")),
        (540.0, None, 1.0, ("all",)),
    ]


def make_slo(kind: SloKind, threshold: float | None = None, **changed: Any) -> SloPlan:
    return SloPlan(name="a", kind=kind, objective=0.8, threshold=threshold, window_days=28, **changed)


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (make_slo("availability"), [4.0, 1.0]),  # without the one that the client left
        (make_slo("total", 1.0), [2.0, 1.0]),
        (make_slo("ttft", 0.5), [2.0, 1.0]),
        (make_slo("inter_token", 0.05), [1.0, 1.0]),  # (0.9 s - 0.2 s) / 10 tokens
        (make_slo("cost", 0.01), [2.0, 1.0]),
        (make_slo("satisfaction"), [3.0, 2.0]),
        (make_slo("quality"), [3.0, 2.0]),
        (make_slo("availability", model="big"), [1.0, 1.0]),
        (make_slo("availability", route="x"), [0.0, 0.0]),
    ],
)
def test_objectives_count_events_as_live_requests(plan: SloPlan, expected: list[float]) -> None:
    events = [
        Event(at=61.0, model="m", outcome="ok", latency_ms=900, ttft_ms=200, output_tokens=11, usd=0.02, score=1.0),
        Event(at=62.0, model="m", latency_ms=1500, usd=0.001, score=-1.0),
        Event(at=63.0, model="m", score=0.0, ttft_ms=700),  # its end is not known
        Event(at=64.0, model="m", outcome="client_closed", status=499),
        Event(at=65.0, model="big", status=500, usd=9.0, latency_ms=9000),
    ]
    objectives = collect_objectives([plan], events)
    assert objectives == {1: expected}
    assert collect_objectives([], events) == {}


@pytest.mark.parametrize("kind", ["quality", "satisfaction", "cost"])
def test_a_budget_that_is_spent_fast_fires_in_a_replay(kind: SloKind) -> None:
    plan = SloPlan(name="a", kind=kind, objective=0.99, threshold=0.01 if kind == "cost" else None)
    events = [
        Event(at=60.0 * minute + index, score=-1.0 if minute > 1400 else 1.0, usd=0.02 if minute > 1400 else 0.001)
        for minute in range(1, 1500)
        for index in range(10)
    ]
    rules = make_rules([plan])
    result = report(
        rules, collect_minutes(events), objectives=collect_objectives([plan], events), columns=columns_of(plan)
    )
    firing = {rule.name: len(rule.firings) for rule in result.rules}
    assert firing["slo-a"] == 1 and result.rules[0].firings[0].start == pytest.approx(60 * 1400, abs=30 * 60)
