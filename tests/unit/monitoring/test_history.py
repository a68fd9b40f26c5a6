"""Sums over windows of minutes."""

from __future__ import annotations

import math

import pytest

from steward.core.minutes import COLUMNS, empty_sums
from steward.monitoring.events import Event
from steward.monitoring.history import KEPT_MINUTES, MINUTES_OF_DAY, History


def sums(*events: Event) -> list[float]:
    result = empty_sums()
    for event in events:
        event.add_to(result)
    return result


def named(values: list[float]) -> dict[str, float]:
    return {name: value for name, value in zip(COLUMNS, values, strict=True) if value}


def test_what_one_request_adds() -> None:
    event = Event(at=0.0, outcome="ok", latency_ms=math.e, usd=0.0, score=-0.5, refused=True, input_tokens=1.0)
    assert named(sums(event)) == {
        "requests": 1, "judged": 1, "asked": 1, "refused": 1, "rated": 1, "score": -0.5, "score_squared": 0.25,
        "latency_ms_n": 1, "latency_ms_log": 1.0, "latency_ms_log_squared": 1.0, "input_tokens_n": 1,
    }  # fmt: skip


def test_a_failed_request_has_no_latency_and_one_that_left_is_not_judged() -> None:
    failed = Event(at=0.0, outcome="timeout", latency_ms=9.0)
    left = Event(at=0.0, outcome="client_closed", score=1.0)
    assert named(sums(failed, left)) == {
        "requests": 2, "judged": 1, "failed": 1, "rated": 1, "satisfied": 1, "score": 1.0, "score_squared": 1.0,
    }  # fmt: skip


def test_windows_leave_their_end_out_and_reach_no_further_than_what_is_kept() -> None:
    history = History(100)
    for count in (1, 2, 4):
        history.append(sums(*[Event(at=0.0)] * count))
    assert history.end == 103
    assert history.sum("requests", 100, 102) == 3
    assert history.sum("requests", 101, 103) == 6
    assert history.sum("requests", 0, 1000) == 7
    assert history.sum("requests", 102, 102) == 0
    assert history.sum("requests", 0, 100) == 0
    assert history.covers(100) and not history.covers(99)


def test_level_is_mean_and_variance_of_logarithms() -> None:
    history = History(0)
    history.append(sums(*(Event(at=0.0, ttft_ms=math.exp(x)) for x in (1.0, 2.0, 6.0))))
    count, mean, variance = history.level("ttft_ms", 0, 1)
    assert (count, mean) == (3, pytest.approx(3.0))
    assert variance == pytest.approx(14 / 3)
    assert history.level("usd", 0, 1) == (0, 0.0, 0.0)


def test_old_minutes_are_forgotten() -> None:
    history, one = History(0), sums(Event(at=0.0))
    days = KEPT_MINUTES // MINUTES_OF_DAY
    for _ in range((days + 1) * MINUTES_OF_DAY + 1):
        history.append(one)
    assert history.covers(history.end - KEPT_MINUTES) and not history.covers(history.end - KEPT_MINUTES - 1)
    assert history.sum("requests", 0, history.end) == KEPT_MINUTES
    assert history.first == 0


def test_a_level_is_that_of_its_window_alone() -> None:
    history = History(0)
    for logarithms in ((5.0,), (1.0, 3.0), (7.0,)):
        history.append(sums(*(Event(at=0.0, ttft_ms=math.exp(x)) for x in logarithms)))
    assert history.level("ttft_ms", 1, 2) == (2, pytest.approx(2.0), pytest.approx(1.0))
    assert history.level("ttft_ms", 1, 3)[:2] == (3, pytest.approx(11 / 3))
    assert history.level("ttft_ms", 0, 1) == (1, pytest.approx(5.0), pytest.approx(0.0, abs=1e-9))
    assert history.level("ttft_ms", 2, 2) == (0, 0.0, 0.0) and history.level("ttft_ms", -9, 9)[0] == 4
