from typing import Any

import msgspec
import pytest

from steward.loadtest.search import (
    FindMax,
    RateTrial,
    answer_of_rate,
    choose_next_rate,
    choose_trial_s,
    conclude,
    count_needed_requests,
    find_bracket,
    find_interval,
    resolve_unclear,
)
from steward.loadtest.slo import TermResult


def trial(rate, answer, answered=0.0, decided=True):
    return RateTrial(rate=rate, answer=answer, why="", answered_rate=answered, decided=decided)


def search(capacity, start=1.0, tolerance=0.02, answer=None):
    """Against a server that holds every rate up to its capacity, and answers no more than that."""
    trials: list[Any] = []
    rate = choose_next_rate([], start, 1e6, tolerance)
    while rate is not None and len(trials) < 60:
        outcome = "holds" if rate <= capacity else "fails"
        if answer is not None:
            outcome = answer(len(trials), rate, outcome)
        trials.append(trial(rate, outcome, min(rate, capacity)))
        rate = choose_next_rate(trials, start, 1e6, tolerance)
    return trials


@pytest.mark.parametrize("capacity", [0.037, 0.9, 3.3, 100.0, 1234.5])
def test_it_ends_within_two_percent_below_the_capacity(capacity):
    trials = search(capacity)
    low, high = find_bracket(trials)
    assert low <= capacity < high <= 1.02 * low and len(trials) <= 20


def test_what_the_overloaded_server_answered_saves_trials():
    assert len(search(100.0)) <= 14  # two of them are confirmations


def test_both_sides_of_the_bracket_are_tried_twice():
    trials = search(100.0)
    low, high = find_bracket(trials)
    assert [sum(one.rate == rate for one in trials) for rate in (low, high)] == [2, 2]


@pytest.mark.parametrize("busy", range(12))
def test_l3_one_busy_moment_does_not_change_the_result(busy):
    """Whichever trial fails by chance, the result is that of the quiet machine, or it is said to be noisy."""
    trials = search(100.0, answer=lambda number, rate, outcome: "fails" if number == busy else outcome)
    low, high = find_bracket(trials)
    verdict, _ = conclude(trials, 1e6)
    assert verdict == "too_noisy" or (low <= 100 < high <= 1.05 * low)


def test_a_higher_rate_that_held_by_chance_does_not_count():
    assert find_bracket([trial(1, "holds"), trial(2, "fails"), trial(4, "holds")]) == (1, 2)


def test_the_majority_of_a_rates_trials_decides():
    trials = [trial(2, "fails"), trial(2, "holds"), trial(1, "holds")]
    assert answer_of_rate(trials, 2) == "unclear" and find_bracket(trials) == (1, None)
    assert choose_next_rate(trials, 1, 100, 0.02) == 2  # a third trial decides
    assert answer_of_rate([*trials, trial(2, "holds")], 2) == "holds"
    assert find_bracket([*trials, trial(2, "fails")]) == (1, 2)


def test_a_rate_above_one_that_failed_is_tried_again():
    trials = [trial(rate, answer) for rate, answer in [(1, "holds"), (1.01, "fails"), (4, "holds")] for _ in range(2)]
    assert choose_next_rate(trials, 1, 100, 0.02) == 4
    assert choose_next_rate([*trials, trial(4, "holds")], 1, 100, 0.02) is None


def test_the_ends():
    assert choose_next_rate([trial(50, "holds")], 1, 50, 0.02) == 50  # the highest allowed held: once more
    assert choose_next_rate([trial(50, "holds")] * 2, 1, 50, 0.02) is None
    assert choose_next_rate([trial(1e-3, "fails")] * 2, 1, 50, 0.02) is None  # nothing is below
    assert choose_next_rate([trial(1, "fails")], 1, 50, 0.02) == 0.5
    assert choose_next_rate([trial(30, "holds")], 1, 50, 0.02) == 50  # twice as much, but no more than allowed
    assert choose_next_rate([trial(1, "holds")], 1, 50, 0.02) == 2 and choose_next_rate([], 60, 50, 0.02) == 50
    assert choose_next_rate([trial(1, "holds")] * 40, 1, 50, 0.02) is None  # enough is enough


def test_the_guess_is_near_what_the_overloaded_server_answered():
    trials = [trial(64, "holds"), trial(128, "fails", answered=100.0)]
    assert choose_next_rate(trials, 1, 1e6, 0.02) == pytest.approx(97)
    assert choose_next_rate([*trials, trial(97, "holds")], 1, 1e6, 0.02) == pytest.approx(103)
    without = [trial(64, "holds"), trial(100, "fails", answered=0.0)]
    assert choose_next_rate(without, 1, 1e6, 0.02) == pytest.approx(80)  # the middle by ratio


def test_a_trial_is_long_enough_to_decide():
    assert count_needed_requests([0.05]) == pytest.approx(2 * 72.99, rel=1e-3)  # Wilson: z^2 (1 - p) / p
    assert count_needed_requests([0.05, 0.01]) == pytest.approx(2 * 380.3, rel=1e-3) and count_needed_requests([]) == 0
    assert choose_trial_s(100, 20) == 20 and choose_trial_s(5, 20) == pytest.approx(29.2, abs=0.05)
    assert choose_trial_s(0.1, 20) == 200 and choose_trial_s(0.01, 20) == 500  # five requests
    assert choose_trial_s(100, 1, [0.01]) == pytest.approx(7.6, abs=0.05)


def test_what_stays_unclear_counts_by_the_share_that_was_seen():
    term = TermResult(term="t", answer="unclear", share_over=0.06, low=0.02, high=0.1, allowed=0.05, n=100)
    unclear = msgspec.structs.replace(trial(1, "unclear"), terms=(term,))
    assert resolve_unclear(unclear).answer == "fails" and not resolve_unclear(unclear).decided
    better = msgspec.structs.replace(term, share_over=0.05)
    assert resolve_unclear(msgspec.structs.replace(unclear, terms=(better,))).answer == "holds"
    assert resolve_unclear(trial(1, "unclear")).answer == "fails"  # no request, no term
    assert resolve_unclear(trial(1, "holds")) == trial(1, "holds")


def test_l3_the_interval_is_of_trials_that_chance_does_not_decide():
    trials = [
        trial(80, "holds"),
        trial(95, "holds", decided=False),
        trial(97, "fails", decided=False),
        trial(120, "fails"),
    ]
    assert find_bracket(trials) == (95, 97) and find_interval(trials) == (80, 120)
    assert conclude(trials, 1e6) == ("found", "")


def test_a_rate_whose_trials_disagree_gives_neither_end():
    trials = [trial(5, "holds"), trial(5, "fails"), trial(4, "holds"), trial(6, "fails")]
    assert find_interval(trials) == (4, 6)


def test_the_lowest_rate_itself_is_tried():
    assert choose_next_rate([trial(2, "fails")], 2, 50, 0.02, lowest=1.0) == 1.0
    assert choose_next_rate([trial(1.9, "fails")], 2, 50, 0.02, lowest=1.0) == 1.9  # once more, nothing is below


def test_a_bracket_as_narrow_as_the_tolerance_is_confirmed():
    assert choose_next_rate([trial(1, "holds"), trial(1.5, "fails")], 1, 50, 0.5) == 1


def test_l3_the_interval_leaves_room_for_chance():
    """100 requests at 80/s and twice 200 at 120/s: relative standard deviations of 0.1 and 0.05, times 1.96."""
    ends = [(80, "holds", 100), (120, "fails", 200), (120, "fails", 200)]
    low, high = find_interval([msgspec.structs.replace(trial(*end[:2]), sent=end[2]) for end in ends])
    assert low == pytest.approx(80 / 1.196, rel=1e-4) and high == pytest.approx(120 * 1.098, rel=1e-4)


@pytest.mark.parametrize(
    "trials, verdict, said",
    [
        ([trial(1, "fails"), trial(0.5, "fails")], "not_even_the_lowest", "0.5 requests per second did not meet it"),
        ([trial(32, "holds")] * 2, "no_limit_found", "32, the highest rate allowed, met it"),
        (
            [trial(7, "holds"), trial(8, "fails"), trial(16, "holds")],
            "too_noisy",
            "8 requests per second failed in one",
        ),
        ([trial(7, "holds", decided=False), trial(8, "fails")], "too_noisy", "too short to decide"),
        ([trial(3, "holds"), trial(6.1, "fails")], "too_noisy", "too short to decide"),  # more than twice as far apart
        ([trial(3, "holds"), trial(6, "fails")], "found", ""),
    ],
)
def test_conclusions(trials, verdict, said):
    found = conclude(trials, 32)
    assert found[0] == verdict and said in found[1]


@pytest.mark.parametrize(
    "fields, said",
    [
        (
            {"verdict": "found", "rate": 95.0, "interval": (80.0, 120.0)},
            "95 requests per second meet ttft_p95<1s (it is clearly met up to 80 and clearly missed from 120)",
        ),
        ({"verdict": "no_limit_found", "rate": 3.0, "reason": "r"}, "At least 3 requests per second meet ttft_p95<1s"),
        ({"verdict": "not_even_the_lowest", "rate": None, "reason": "r"}, "No rate meets ttft_p95<1s (r)"),
        ({"verdict": "too_noisy", "rate": 7.0, "reason": "r"}, "No answer for ttft_p95<1s: r"),
    ],
)  # fmt: skip
def test_l7_one_sentence_says_the_result(fields, said):
    assert FindMax(**({"slo": "ttft_p95<1s", "fails_at": None} | fields)).describe().startswith(said)


@pytest.mark.parametrize(
    "low, high, answered, middle",
    [
        (100, 125, 110.0, 111.803), (100, 126, 110.0, 106.7), (100, 126, 103.0, 106.09), (100, 126, 130.0, 112.25),
        (100, 160, 105.1, 108.253), (100, 160, 105.2, 102.044), (100, 160, 168.0, 126.491), (100, 160, 161.0, 156.17),
    ],
)  # fmt: skip
def test_a_wide_bracket_is_divided_by_what_was_answered_and_a_narrow_one_by_its_middle(low, high, answered, middle):
    """A quarter is narrow. The guesses are 0.97 and 1.03 times the answers, where they are 2 % inside the bracket."""
    trials = [trial(low, "holds"), trial(high, "fails", answered=answered)]
    assert choose_next_rate(trials, 1, 1e6, 0.02) == pytest.approx(middle, abs=1e-2)


def test_of_two_rates_that_failed_the_lower_one_bounds_the_search():
    trials = [trial(8, "fails"), trial(4, "fails"), trial(1, "holds"), trial(2, "holds"), trial(4.0, "fails")]
    assert find_bracket(trials) == (2, 4)
    assert find_bracket([trial(4, "fails"), trial(4, "holds"), trial(4, "holds")]) == (4, None)
    assert find_bracket([trial(4, "fails")]) == (None, 4) and find_bracket([]) == (None, None)
    assert find_bracket([trial(4, "unclear")]) == (None, None)
