from typing import Any

import msgspec
import pytest

from steward.loadtest.search import (
    Trial,
    choose_next_rate,
    choose_trial_s,
    find_bracket,
    resolve_unclear,
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
    assert len(search(100.0)) <= 14  # two of them are confirmations


def test_a_higher_rate_that_held_by_chance_does_not_count():
    assert find_bracket([trial(1, "holds"), trial(2, "fails"), trial(4, "holds")]) == (1, 2)


def test_the_ends():
    assert choose_next_rate([trial(50, "holds")] * 2, 1, 50, 0.02) is None  # the highest allowed held, twice
    assert choose_next_rate([trial(1e-3, "fails")] * 2, 1, 50, 0.02) is None  # nothing is below
    assert choose_next_rate([trial(1, "fails")], 1, 50, 0.02) == 0.5


def test_slow_rates_get_time_to_be_told():
    assert choose_trial_s(100, 20) == 20 and round(choose_trial_s(5, 20), 1) == 29.2 and choose_trial_s(0.1, 20) == 200
    assert choose_trial_s(0.01, 20) == 500  # five requests


def test_what_stays_unclear_counts_by_the_share_that_was_seen():
    term = TermResult(term="t", answer="unclear", share_over=0.06, low=0.02, high=0.1, allowed=0.05, n=100)
    unclear = msgspec.structs.replace(trial(1, "unclear"), terms=(term,))
    assert resolve_unclear(unclear).answer == "fails"
    better = msgspec.structs.replace(term, share_over=0.04)
    assert resolve_unclear(msgspec.structs.replace(unclear, terms=(better,))).answer == "holds"
