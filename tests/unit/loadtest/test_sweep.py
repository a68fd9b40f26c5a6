from typing import Any

import numpy as np
import pytest

from steward.core.load_report import ClientHealth, LoadReport, Quantiles
from steward.loadtest.sweep import (
    SweepPoint,
    choose_next_sweep_rate,
    make_sweep_point,
    share_in_time,
    summarize_sweep,
)


def point(rate=None, users=None, answered=0.0, saturated=False):
    nothing = dict.fromkeys(("ttft_p50_ms", "ttft_p95_ms", "tpot_p50_ms", "tpot_p95_ms", "e2e_p50_ms", "e2e_p95_ms"))
    return SweepPoint(
        rate=rate, concurrency=users, achieved_rate=rate or 0.0, answered_rate=answered, output_tok_s=2 * answered,
        concurrency_mean=0.0, failed=0, saturated=saturated, valid=True, **nothing,
    )  # fmt: skip


def test_a_sweep_doubles_until_saturated_and_then_looks_closer():
    points: list[Any] = []
    while (rate := choose_next_sweep_rate(points, 1.0, 12)) is not None:
        points.append(point(rate, answered=min(rate, 10), saturated=rate > 10))
    found = summarize_sweep("m", "u", "poisson", points)
    assert found.capacity_rate == 10 and found.capacity_tok_s == 20 and len(points) <= 12
    assert found.keeps_up_to <= 10 < found.saturates_at < 11.5


def test_the_next_rate():
    assert choose_next_sweep_rate([point(4, saturated=True)], 4.0, 9) == 2
    assert choose_next_sweep_rate([point(4)], 4.0, 9) == 8 and choose_next_sweep_rate([point(4)], 4.0, 1) is None
    assert choose_next_sweep_rate([point(4), point(16, saturated=True)], 4.0, 9) == 8  # the middle by ratio
    assert choose_next_sweep_rate([point(10), point(10.9, saturated=True)], 4.0, 9) is None  # too narrow
    near = [point(4), point(8), point(16, saturated=True)]
    assert choose_next_sweep_rate(near, 4.0, 9) in (pytest.approx(11.31, abs=0.01), pytest.approx(5.657, abs=0.01))


def test_users_that_bring_nothing_more_are_the_knee():
    points = [point(users=count, answered=min(count, 8) * 5.0) for count in (1, 2, 4, 8, 16, 32)]
    found = summarize_sweep("m", "u", "concurrency", points)
    assert (found.keeps_up_to, found.saturates_at) == (8, 16)
    assert found.describe() == (
        "The server kept up with 8 users and was saturated from 16; it answered at most 40 requests per second"
    )
    rising = summarize_sweep("m", "u", "concurrency", points[:4])
    assert (rising.keeps_up_to, rising.saturates_at) == (8, None)


def test_a_tenth_of_their_part_is_enough_of_users():
    more = [point(users=1, answered=10.0), point(users=2, answered=11.0)]  # + 10 % from + 100 % users
    assert summarize_sweep("m", "u", "concurrency", more).saturates_at is None
    less = [point(users=1, answered=10.0), point(users=2, answered=10.9)]
    assert summarize_sweep("m", "u", "concurrency", less).saturates_at == 2


@pytest.mark.parametrize(
    "saturated, keeps, saturates, said",
    [
        ([0, 0, 1, 1], 2, 4, "kept up with 2 requests per second and was saturated from 4"),
        ([0, 0, 0, 0], 8, None, "kept up with 8 requests per second and was not saturated"),
        ([1, 1, 1, 1], None, 1, "was saturated from 1 requests per second on"),
        ([0, 1, 0, 1], 1, 8, "kept up with 1 requests per second and was saturated from 8"),  # 2 and 4 contradict
        ([0, 1, 1, 0], 1, None, "kept up with 1 requests per second; above, the steps contradict each other"),
        ([1, 1, 1, 0], None, None, "Some steps were saturated and higher ones were not"),
    ],
)
def test_l7_the_sentence_is_true_of_every_step(saturated, keeps, saturates, said):
    points = [point(2**place, answered=2**place, saturated=bool(state)) for place, state in enumerate(saturated)]
    found = summarize_sweep("m", "u", "poisson", points[::-1])
    assert (found.keeps_up_to, found.saturates_at) == (keeps, saturates) and said in found.describe()
    assert found.describe().endswith("it answered at most 8 requests per second")


def test_a_sweep_without_steps():
    found = summarize_sweep("m", "u", "poisson", [], partial=True)
    assert found.describe() == "No step was finished" and found.partial and found.capacity_rate == 0


def report(answered, achieved=10.0, users=None):
    client = ClientHealth(late_ms=Quantiles(), loop_lag_ms=Quantiles(), cpu_share=0.1)
    return LoadReport(
        url="u", model="m", arrival="poisson", started_at=0.0, duration_s=1.0, achieved_rate=achieved, sent=10,
        failed=0, answered=10, valid=True, client=client, answered_rate=answered, requested_concurrency=users,
        requested_rate=None if users else achieved, ttft_ms=Quantiles(p50=1.0, p95=2.0),
    )  # fmt: skip


def test_a_step_is_saturated_where_a_tenth_is_not_answered_in_time():
    assert not make_sweep_point(report(9.0), 0.9, False).saturated
    assert make_sweep_point(report(9.0), 0.89, False).saturated and make_sweep_point(report(9.0), 1.0, True).saturated
    assert not make_sweep_point(report(1.0), None, False).saturated  # too short to tell
    assert not make_sweep_point(report(1.0, users=4), 0.1, True).saturated
    found = make_sweep_point(report(9.0), 1.0, False)
    assert (found.load, found.ttft_p50_ms, found.ttft_p95_ms, found.describe_load()) == (10, 1.0, 2.0, "10 req/s")
    assert make_sweep_point(report(1.0, users=4), 1.0, False).describe_load() == "4 users"


def test_l7_long_answers_do_not_make_a_step_saturated():
    """Answers of 10 s in a step of 20 s: a third are still under way at the end, all of whose time has not come."""
    sent = np.arange(0.0, 20.0, 0.1)
    assert share_in_time(sent, sent + 10.0) == 1.0
    assert share_in_time(sent, sent + 100.0) is None and share_in_time(sent[:0], sent[:0]) is None


@pytest.mark.parametrize("overload", [1.25, 2.0])
def test_an_overloaded_server_ends_its_share(overload):
    """One server that takes 1 s at a time, asked R times as often: its last answers come R times as late."""
    sent = np.arange(0.0, 300.0, 1 / overload)
    ended = (np.arange(len(sent)) + 1.0).clip(min=sent + 1.0)
    needed = np.quantile((ended - sent)[: len(sent) // 3], 0.95)
    assert share_in_time(sent, ended) == pytest.approx(300 / overload / (300 - needed), abs=0.02)


def test_few_requests_show_their_time_by_the_first():
    assert share_in_time(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 9.0])) == 1.0  # those of 0 and 1 s are due
    assert share_in_time(np.array([0.0, 1.0]), np.array([1.0, 9.0])) == 1.0
    assert share_in_time(np.array([0.0]), np.array([0.0])) == 1.0


@pytest.mark.parametrize("users, answered, knee", [(4, 13.1, None), (4, 12.9, 4), (6, 15.0, None)])
def test_each_user_more_must_bring_a_tenth_of_a_users_part(users, answered, knee):
    points = [point(users=1, answered=10.0), point(users=users, answered=answered)]
    assert summarize_sweep("m", "u", "concurrency", points).saturates_at == knee


def test_users_without_an_answer_are_no_division_by_zero():
    points = [point(users=1, answered=0.0), point(users=2, answered=0.0)]
    assert summarize_sweep("m", "u", "concurrency", points).saturates_at == 2


def test_a_single_late_request_in_ten():
    sent = np.arange(0.0, 100.0)
    ended = sent + 0.5
    ended[50:60] = 1000.0
    assert share_in_time(sent, ended) == pytest.approx(89 / 99)


@pytest.mark.parametrize("high, middle", [(11.0, None), (11.2, 10.583), (21.0, 14.491)])
def test_steps_ten_percent_apart_are_near_enough(high, middle):
    found = choose_next_sweep_rate([point(10), point(high, saturated=True)], 4.0, 9)
    assert found is None if middle is None else found == pytest.approx(middle, abs=1e-3)


def test_the_widest_gap_between_half_the_last_and_the_first_saturated_is_halved():
    """Rates 4, 6, 8 and 16 saturated: of 4-6, 6-8 and 8-16 the last is widest; its middle is 8 times the root of 2."""
    near = [point(4), point(6), point(8), point(16, saturated=True)]
    assert choose_next_sweep_rate(near, 4.0, 9) == pytest.approx(8 * 2**0.5)
    wide = [point(1), point(4), point(8), point(8.5, saturated=True)]  # below half of 8 nothing is looked at: 4 to 8
    assert choose_next_sweep_rate(wide, 1.0, 9) == pytest.approx(32**0.5)
    assert choose_next_sweep_rate([point(3.9), point(8), point(8.5, saturated=True)], 1.0, 9) is None
    assert choose_next_sweep_rate([point(8), point(4, saturated=True), point(6)], 1.0, 9) == 2  # below what saturated
