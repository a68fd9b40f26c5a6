from typing import Any

import msgspec
import pytest

from steward.loadtest.report import render_find_max
from steward.loadtest.search import (
    FindMax,
    SweepPoint,
    Trial,
    choose_next_rate,
    choose_next_sweep_rate,
    choose_trial_s,
    find_bracket,
    resolve_unclear,
    summarize_sweep,
)
from steward.loadtest.slo import TermResult


def trial(rate, answer, answered=0.0):
    return Trial(rate=rate, answer=answer, why="", answered_rate=answered)


def search(capacity, start=1.0, tolerance=0.02):
    """Against a server that holds every rate up to its capacity, and answers no more than that."""
    trials: list[Any] = []
    rate = choose_next_rate([], start, 1e6, tolerance)
    while rate is not None and len(trials) < 60:
        trials.append(trial(rate, "holds" if rate <= capacity else "fails", min(rate, capacity)))
        rate = choose_next_rate(trials, start, 1e6, tolerance)
    return trials


@pytest.mark.parametrize("capacity", [0.037, 0.9, 3.3, 100.0, 1234.5])
def test_it_ends_within_two_percent_below_the_capacity(capacity):
    trials = search(capacity)
    low, high = find_bracket(trials)
    assert low <= capacity < high <= 1.02 * low and len(trials) <= 20


def test_what_the_overloaded_server_answered_saves_trials():
    assert len(search(100.0)) <= 13


def test_a_higher_rate_that_held_by_chance_does_not_count():
    assert find_bracket([trial(1, "holds"), trial(2, "fails"), trial(4, "holds")]) == (1, 2)


def test_the_ends():
    assert choose_next_rate([trial(50, "holds")], 1, 50, 0.02) is None  # the highest allowed held
    assert choose_next_rate([trial(1e-3, "fails")], 1, 50, 0.02) is None  # nothing is below
    assert choose_next_rate([trial(1, "fails")], 1, 50, 0.02) == 0.5


def test_slow_rates_get_time_to_be_told():
    assert choose_trial_s(100, 20) == 20 and choose_trial_s(5, 20) == 30 and choose_trial_s(0.1, 20) == 200
    assert choose_trial_s(0.01, 20) == 500  # five requests


def test_what_stays_unclear_counts_by_the_share_that_was_seen():
    term = TermResult(term="t", answer="unclear", share_over=0.06, low=0.02, high=0.1, allowed=0.05, n=100)
    unclear = msgspec.structs.replace(trial(1, "unclear"), terms=(term,))
    assert resolve_unclear(unclear).answer == "fails"
    better = msgspec.structs.replace(term, share_over=0.04)
    assert resolve_unclear(msgspec.structs.replace(unclear, terms=(better,))).answer == "holds"


def point(rate=None, users=None, answered=0.0, saturated=False):
    nothing = dict.fromkeys(("ttft_p50_ms", "ttft_p95_ms", "tpot_p50_ms", "tpot_p95_ms", "e2e_p50_ms", "e2e_p95_ms"))
    return SweepPoint(
        rate=rate, concurrency=users, achieved_rate=rate or 0.0, answered_rate=answered, output_tok_s=0.0,
        concurrency_mean=0.0, failed=0, saturated=saturated, valid=True, **nothing,
    )  # fmt: skip


def test_a_sweep_doubles_until_saturated_and_then_looks_closer():
    points: list[Any] = []
    while (rate := choose_next_sweep_rate(points, 1.0, 12)) is not None:
        points.append(point(rate, answered=min(rate, 10), saturated=rate > 10))
    found = summarize_sweep("m", "u", "poisson", points)
    assert found.capacity_rate == 10 and 10 < found.saturates_at < 11.5 and len(points) <= 12


def test_users_that_bring_nothing_more_are_the_knee():
    points = [point(users=count, answered=min(count, 8) * 5.0) for count in (1, 2, 4, 8, 16, 32)]
    assert summarize_sweep("m", "u", "concurrency", points).saturates_at == 16


def test_the_page_marks_the_rate_that_was_chosen_and_shows_each_trial():
    term = TermResult(term="ttft_p95<250ms", answer="holds", share_over=0.01, low=0.0, high=0.03, allowed=0.05, n=150)
    over = msgspec.structs.replace(term, answer="fails", share_over=0.6, low=0.5, high=0.7)
    trials = (
        Trial(rate=80.0, answer="holds", why="1.0% over", answered_rate=79.0, terms=(term,), sent=150),
        Trial(rate=160.0, answer="fails", why="<behind>", answered_rate=99.0, terms=(over,), sent=320),
    )
    found = FindMax(slo=term.term, rate=80.0, fails_at=160.0, verdict="found", trials=trials)
    html = render_find_max(found)
    assert "80 requests a second holds ttft_p95&lt;250ms; 160 does not" in html and "&lt;behind&gt;" in html
    assert html.count("<circle") == 2 and html.count('class="mark"') == 2 and "60 %" in html
    assert "<circle" not in render_find_max(FindMax(slo="x", rate=None, fails_at=None, verdict="client_limit"))
