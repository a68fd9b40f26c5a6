"""The plan against traffic whose growth is known."""

from pathlib import Path

import msgspec
import pytest

from steward.capacity.headroom import HourlyTraffic, assess_headroom
from steward.capacity.plan import Plan
from steward.capacity.sizing import Requirements
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.home import read_plan, save_plan
from steward.workflows.plan.make import make_plan

DAY = 86400.0
WANTED = Requirements(rate=5, input_tokens=1024, output_tokens=256, tpot_p95_ms=50)
PLAN = make_plan(DeploymentSpec(model="llama-3.1-8b", gpu="h100"), WANTED, None, None)
assert PLAN.chosen is not None
LIMIT = PLAN.chosen.max_rate


def traffic(days: int, first: float, a_day: float, output: int = 256) -> list[HourlyTraffic]:
    """A busy hour at noon each day, `first` requests a second growing by `a_day`, and quiet ones around it."""
    found = []
    for day in range(days):
        busy = first * (1 + a_day) ** day
        for hour in range(24):
            count = round(3600 * (busy if 11 <= hour <= 13 else busy / 4))
            found.append(HourlyTraffic(DAY * (20_000 + day) + 3600 * hour, count, count * output))
    return found


NOW = DAY * 20_030


def test_growth_and_the_day_it_runs_out_are_what_the_traffic_was_made_with() -> None:
    hours = traffic(20, LIMIT / 8, 0.03)
    found = assess_headroom(PLAN, hours, hours[-1].at + 3600)
    assert found.growth_a_day == pytest.approx(0.03, rel=0.02)
    assert found.busy_rate == pytest.approx(LIMIT / 8 * 1.03**19, rel=0.07)
    assert found.days_left == pytest.approx(51, abs=3) and found.state == "holds"  # ln 8 / ln 1.03 - 19


@pytest.mark.parametrize(
    ("first", "a_day", "state"), [(0.2, 0.0, "holds"), (0.6, 0.02, "soon"), (1.2, 0.0, "outgrown")]
)
def test_verdicts(first: float, a_day: float, state: str) -> None:
    assert assess_headroom(PLAN, traffic(10, LIMIT * first, a_day), NOW).state == state


def test_too_little_traffic_is_no_verdict() -> None:
    assert assess_headroom(PLAN, traffic(1, 1.0, 0.0)[:2], NOW).state == "unknown"
    assert assess_headroom(PLAN, [], NOW).state == "unknown"


def test_longer_answers_than_planned_are_told() -> None:
    found = assess_headroom(PLAN, traffic(5, LIMIT / 5, 0.0, output=512), NOW)
    assert any("512 tokens on average" in note for note in found.notes)


def test_one_odd_day_makes_no_trend() -> None:
    hours = traffic(15, LIMIT / 5, 0.0)
    hours[7 * 24 + 12] = HourlyTraffic(hours[7 * 24 + 12].at, 40 * hours[0].requests, 0)
    found = assess_headroom(PLAN, hours, NOW)
    assert found.growth_a_day == pytest.approx(0.0, abs=1e-3)


def test_a_plan_is_kept_and_read_again(tmp_path: Path) -> None:
    save_plan(tmp_path, PLAN)
    assert read_plan(tmp_path) == PLAN and isinstance(PLAN, Plan)


def test_three_days_with_traffic_are_enough_for_growth_and_two_are_not() -> None:
    three, two = (assess_headroom(PLAN, traffic(days, LIMIT / 8, 0.1), NOW) for days in (3, 2))
    assert three.growth_a_day == pytest.approx(0.1, rel=0.02)
    assert (
        two.growth_a_day is None and two.days_left is None and "growth can be estimated after 3 days" in two.notes[-1]
    )


def test_the_busy_hour_is_the_95th_percentile_of_the_last_week() -> None:
    """Of 20 hours the nineteenth: one hour above it is not what the plan must hold."""
    hours = [HourlyTraffic(DAY * 20_000 + 3600 * at, 3600 * (at + 1), 0) for at in range(20)]
    found = assess_headroom(PLAN, hours, NOW)
    assert found.busy_rate == 20.0 and found.headroom == pytest.approx(1 - 20 / LIMIT)
    old = [HourlyTraffic(DAY * 19_000, 3_600_000, 0), *hours]
    assert assess_headroom(PLAN, old, NOW).busy_rate == 20.0  # a thousand days ago does not count


def test_three_full_hours_are_the_least_and_the_running_one_does_not_count() -> None:
    hours = [HourlyTraffic(DAY * 20_000 + 3600 * at, 3600, 3600) for at in range(3)]
    end = hours[-1].at + 3600
    assert assess_headroom(PLAN, hours, end).state == "holds"
    assert assess_headroom(PLAN, hours, end - 1).state == "unknown"


def test_a_plan_that_is_full_has_no_days_left_and_shrinking_traffic_no_end() -> None:
    assert assess_headroom(PLAN, traffic(10, LIMIT * 1.1, 0.05), NOW).days_left == 0.0
    assert assess_headroom(PLAN, traffic(10, LIMIT / 2, -0.05), NOW).days_left is None


def test_lengths_within_a_quarter_of_the_plan_are_as_planned() -> None:
    for output, noted in ((256, False), (320, False), (321, True), (191, True), (192, False)):
        notes = assess_headroom(PLAN, traffic(5, LIMIT / 5, 0.0, output=output), NOW).notes
        assert any("tokens on average" in note for note in notes) == noted, output


def test_late_first_tokens_ask_for_a_new_calibration() -> None:
    assert PLAN.chosen is not None
    expected = PLAN.chosen.prediction.ttft_ms.p95
    for factor, noted in ((0.9, False), (1.1, True)):
        hours = [HourlyTraffic(DAY * 20_000 + 3600 * at, 3600, 3600 * 256, expected * factor) for at in range(30)]
        assert any("calibrate again" in note for note in assess_headroom(PLAN, hours, NOW).notes) == noted


def limited(max_rate: float) -> Plan:
    """The plan, serving `max_rate` requests a second."""
    return msgspec.structs.replace(PLAN, chosen=msgspec.structs.replace(PLAN.chosen, max_rate=max_rate))


def daily(*rates: float) -> list[HourlyTraffic]:
    """One hour with traffic each day, of so many requests a second."""
    return [HourlyTraffic(DAY * (20_000 + day), round(3600 * rate), 0) for day, rate in enumerate(rates)]


def test_hours_without_requests_are_no_traffic() -> None:
    empty = HourlyTraffic(DAY * 20_009, 0, 0)
    found = assess_headroom(PLAN, [*daily(1, 1), empty], NOW)
    assert found.state == "unknown" and found.why.startswith("2 full hours")
    assert assess_headroom(PLAN, [*daily(1, 1, 1), empty], NOW).state == "holds"


def test_an_hour_a_week_before_the_last_is_not_of_the_last_week() -> None:
    assert assess_headroom(PLAN, daily(9, 1, 1, 1, 1, 1, 1, 1), NOW).busy_rate == 1.0
    assert assess_headroom(PLAN, daily(1, 9, 1, 1, 1, 1, 1, 1), NOW).busy_rate == 9.0


def test_traffic_at_the_limit_is_held_and_one_request_more_is_not() -> None:
    found = assess_headroom(limited(2.0), daily(2, 2, 2), NOW)
    assert found.state == "holds" and found.headroom == 0.0
    above = [*daily(2, 2), HourlyTraffic(DAY * 20_002, 7201, 0)]
    assert assess_headroom(limited(2.0), above, NOW).state == "outgrown"


def test_less_than_thirty_days_are_soon_and_thirty_are_not() -> None:
    """Traffic that doubles every day, here 1, 2 and 4 requests an hour, reaches 2**30 times itself in 30 days."""
    hours = [HourlyTraffic(DAY * (20_000 + day), 2**day, 0) for day in range(3)]
    found = assess_headroom(limited(4 / 3600 * 2**30), hours, NOW)
    assert found.days_left == 30.0 and found.state == "holds"
    assert assess_headroom(limited(4 / 3600 * 2**29.9), hours, NOW).state == "soon"


def test_growth_is_the_median_slope_of_all_pairs_of_days() -> None:
    """Sen 1968; in doublings: 1, 1/2, 1/3 from the first day, 0 three times between the others: median 1/6."""
    assert assess_headroom(PLAN, daily(1, 2, 2, 2), NOW).growth_a_day == pytest.approx(2 ** (1 / 6) - 1)


def test_growth_is_that_of_the_last_sixty_days() -> None:
    rates = [1 + (day * 37 % 101) / 10 for day in range(61)]
    later = NOW + 40 * DAY
    last = assess_headroom(PLAN, daily(*rates)[1:], later).growth_a_day
    assert assess_headroom(PLAN, daily(*rates), later).growth_a_day == last
    assert assess_headroom(PLAN, daily(*rates)[2:], later).growth_a_day != last


def test_first_tokens_are_judged_by_the_median_of_24_hours() -> None:
    """Twelve hours 10 ms early and twelve 10 ms late are on time; the late hour before them is of yesterday."""
    assert PLAN.chosen is not None
    expected = PLAN.chosen.prediction.ttft_ms.p95
    firsts = [expected + 10] * 13 + [expected - 10] * 12
    hours = [HourlyTraffic(DAY * 20_000 + 3600 * at, 1, 256, first) for at, first in enumerate(firsts)]
    assert assess_headroom(PLAN, hours, NOW).notes == ("growth can be estimated after 3 days with traffic",)
    assert any("calibrate" in note for note in assess_headroom(PLAN, hours[:-1], NOW).notes)
