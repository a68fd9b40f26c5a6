import random
from collections.abc import Callable

import pytest

from steward.core.durations import DAY_S
from steward.core.features import FeatureRow, RequestFeatures
from steward.monitoring.events import Event
from steward.monitoring.live_drift import judge_live, make_events, match_weekdays, thin

NOW = 20_000 * DAY_S
Change = Callable[[random.Random], dict[str, object]]


def usual(rng: random.Random) -> dict[str, object]:
    return {
        "prompt_chars": round(rng.lognormvariate(6, 1)),
        "language": rng.choice("eeed"),
        "refused": rng.random() < 0.02,
    }


def events(start: float, days: float, make: Change = usual, a_day: int = 200, seed: int = 1) -> list[Event]:
    rng = random.Random(seed)
    count = int(days * a_day)
    return [Event(at=start + days * DAY_S * index / count, **make(rng)) for index in range(count)]  # type: ignore[arg-type]


BASELINE = events(NOW - 30 * DAY_S, 7)


def longer(rng: random.Random) -> dict[str, object]:
    return usual(rng) | {"prompt_chars": round(rng.lognormvariate(6.8, 1))}


def test_traffic_as_before_has_not_drifted() -> None:
    for seed in range(5):
        drift = judge_live(BASELINE, events(NOW - 2 * DAY_S, 2, seed=seed + 10), NOW)
        assert (drift.state, drift.drifted, drift.baseline_events, drift.current_events) == ("no drift", (), 1400, 200)


def test_a_shift_of_two_days_is_drift() -> None:
    drift = judge_live(BASELINE, events(NOW - 2 * DAY_S, 2, longer), NOW)
    assert (drift.state, drift.drifted) == ("drifted", ("prompt_chars",))
    assert [one.name for one in drift.features if one.drifted] == ["prompt_chars"]


def test_a_shift_of_one_day_may_pass() -> None:
    current = events(NOW - 2 * DAY_S, 1) + events(NOW - DAY_S, 1, longer)
    assert judge_live(BASELINE, current, NOW).state == "no drift"


@pytest.mark.parametrize(
    ("baseline", "current", "fewest"),
    [
        (BASELINE[:99], events(NOW - 2 * DAY_S, 2), 99),
        (BASELINE, events(NOW - DAY_S, 1), 0),
        (BASELINE, events(NOW - 2 * DAY_S, 2, a_day=99), 99),
        ([], [], 0),
    ],
)
def test_too_few_is_no_verdict(baseline: list[Event], current: list[Event], fewest: int) -> None:
    drift = judge_live(baseline, current, NOW)
    assert drift.state == "cannot tell" and drift.why.startswith(f"{fewest} sampled requests")


def test_weekends_are_held_against_weekends() -> None:
    saturday = 20_002 * DAY_S  # 1970-01-01 was a Thursday: day 20,002 mod 7 is 3
    window = events(saturday, 1)
    matched = match_weekdays(BASELINE, window)
    assert len(matched) == 200 and {int(event.at // DAY_S) % 7 for event in matched} == {20_002 % 7}
    assert match_weekdays(BASELINE[:1000], window) == BASELINE[:1000]  # of five days
    assert match_weekdays([], window) == []
    assert match_weekdays(BASELINE[::3], window) == BASELINE[::3]  # too few of that day


@pytest.mark.parametrize(("days", "of_the_day", "matched"), [(6.5, 100, 100), (6.49, 100, 101), (6.5, 99, 100)])
def test_a_week_less_half_a_day_has_all_weekdays_and_a_hundred_of_one_are_enough(
    days: float, of_the_day: int, matched: int
) -> None:
    first = [Event(at=NOW)] * of_the_day
    assert len(match_weekdays([*first, Event(at=NOW + days * DAY_S)], first)) == matched


def test_many_are_thinned_evenly() -> None:
    thinned = thin([Event(at=float(number)) for number in range(100)], 4)
    assert [event.at for event in thinned] == [0.0, 25.0, 50.0, 75.0]
    assert thin(BASELINE, 1400) == thin(BASELINE, 1401) == BASELINE and thin([], 4) == []


def test_features_become_events() -> None:
    features = RequestFeatures(
        prompt_chars=5, answer_chars=7, language="de", topic="t01", refused=True, finish_reason="stop", tool_calls=2
    )
    (event,) = make_events([FeatureRow(1.0, "m", "", features)])
    assert (event.at, event.model, event.route) == (1.0, "m", None)
    assert (event.prompt_chars, event.answer_chars, event.language, event.topic) == (5, 7, "de", "t01")
    assert (event.refused, event.finish_reason, event.tool_calls) == (True, "stop", 2)


def test_a_hundred_sampled_requests_a_day_are_enough() -> None:
    drift = judge_live(BASELINE[:100], events(NOW - 2 * DAY_S, 2, a_day=100), NOW)
    assert (drift.state, drift.baseline_events, drift.current_events) == ("no drift", 100, 100)


def test_of_either_side_at_most_2000_events_are_compared() -> None:
    assert len(thin([Event(at=float(number)) for number in range(4_001)])) == 2_000
    assert len(thin([Event(at=float(number)) for number in range(2_000)])) == 2_000
