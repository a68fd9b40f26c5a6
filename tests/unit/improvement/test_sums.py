"""Sums that guards decide on, against the same numbers from all data at once."""

from __future__ import annotations

import math
import random
import statistics
from math import inf, sqrt

import pytest

from steward.improvement.anytime import log_coin_evidence, log_floor_evidence, log_split_evidence, sequence_width
from steward.improvement.sums import DAY_S, BadEvents, CoinFlips, Comparisons, DrawnArms, PairedMeans


def flips(*counts: tuple[float, int, int]) -> CoinFlips:
    made = CoinFlips()
    for weight, candidate, champion in counts:
        for _ in range(candidate):
            made.add("candidate", weight)
        for _ in range(champion):
            made.add("champion", weight)
    return made


def test_steps_are_multiplied_and_never_pooled() -> None:
    steps = flips((0.05, 2, 30), (0.5, 20, 22))
    by_hand = log_coin_evidence(2, 32, 0.05, 2.0, "below") + log_coin_evidence(20, 42, 0.5, 2.0, "below")
    assert steps.log_evidence(2.0, "below") == pytest.approx(by_hand)
    split = log_split_evidence(2, 32, 0.05) + log_split_evidence(20, 42, 0.5)
    assert steps.log_split_evidence() == pytest.approx(split)
    assert (steps.candidate, steps.events) == (22, 74)
    assert steps.expect_candidate() == pytest.approx(32 * 0.05 + 42 * 0.5)
    assert steps.expect_candidate(3.0) == pytest.approx(32 * 0.15 / 1.1 + 42 * 0.75)


def test_an_identical_model_looks_identical_while_rate_and_weight_grow() -> None:
    # errors 0.5, 1, 2 % at 5, 25, 50 % of 20,000 requests each: pooled, the candidate seems 58 % worse
    steps = flips((0.05, 5, 95), (0.25, 50, 150), (0.5, 200, 200))
    estimate = steps.estimate_ratio(0.05)
    assert estimate is not None and estimate[0] == pytest.approx(1.0, abs=1e-9)
    assert estimate[1][0] < 1 < estimate[1][1]


def test_the_ratio_at_one_weight_is_the_odds_and_its_interval_the_test_turned_around() -> None:
    estimate = flips((0.25, 20, 30)).estimate_ratio(0.05)
    assert estimate is not None
    value, (low, high) = estimate
    assert value == pytest.approx(20 / 30 * 3)
    for end in (low, high):
        theta = 0.25 * end / (0.25 * end + 0.75)
        assert log_split_evidence(20, 50, theta, 30.0) == pytest.approx(math.log(20), abs=1e-6)


def test_ratios_of_nothing_and_of_one_side_only() -> None:
    assert CoinFlips().estimate_ratio(0.05) is None
    none = flips((0.5, 0, 40)).estimate_ratio(0.05)
    assert none is not None and none[0] == 0.0 == none[1][0] and 0 < none[1][1] < 0.5
    all_ = flips((0.5, 40, 0)).estimate_ratio(0.05)
    assert all_ is not None and all_[0] == math.inf == all_[1][1] and all_[1][0] > 2


def test_a_persons_first_bad_event_of_a_day_and_weight_counts() -> None:
    bad = BadEvents()
    for at in (0.0, 10.0, 20.0):
        bad.add(at, "ann", "candidate", 0.25, True)
    assert (bad.flips.events, bad.units) == (1, {"champion": 0, "candidate": 1})
    bad.add(30.0, "ann", "candidate", 0.5, True)  # another step
    bad.add(86_400.0, "ann", "candidate", 0.5, True)  # the next day
    bad.add(86_401.0, "bob", "champion", 0.5, False)
    assert (bad.flips.events, bad.flips.candidate, bad.units) == (3, 3, {"champion": 1, "candidate": 3})
    bad.add(86_402.0, None, "champion", 0.5, True)
    bad.add(86_402.0, None, "champion", 0.5, True)  # who names nobody is somebody each time
    assert (bad.flips.events, bad.units["champion"]) == (5, 3)


def test_good_requests_before_a_bad_one_hide_nothing() -> None:
    bad = BadEvents()
    for worse in (False, False, True, True):
        bad.add(1.0, "ann", "candidate", 0.25, worse)
    assert (bad.flips.events, bad.units["candidate"]) == (1, 1)
    assert bad.log_floor_evidence(0.5) == pytest.approx(math.log(0.5 / 2 / 0.5 * 0.5 / 0.5 / 0.5 * 0.5), abs=1e-9)


def test_a_person_counts_once_a_weight_in_the_split() -> None:
    split = DrawnArms()
    for subject in ("ann", "ann", "bob", None, None):
        split.add(subject, "candidate", 0.25)
    split.add("ann", "champion", 0.5)
    assert (split.flips.events, split.flips.candidate) == (5, 4)


def test_means_are_those_of_all_requests_and_widths_those_of_people() -> None:
    rng = random.Random(7)
    means = PairedMeans()
    contributions: dict[str, list[float]] = {}
    seen: dict[str, list[float]] = {"candidate": [], "champion": []}
    for _ in range(600):
        person = str(rng.randrange(60))
        arm = "candidate" if rng.random() < 0.3 else "champion"
        value = rng.gauss(0.2, 1.0)
        if not seen["candidate"] and not seen["champion"]:  # the first is what others are measured from
            seen[arm].append(value)
            means.add(person, arm, 0.3, value)  # type: ignore[arg-type]
            continue
        base = {
            name: statistics.fmean(values) if values else (statistics.fmean(other) if other else 0.0)
            for name, values, other in (
                ("candidate", seen["candidate"], seen["champion"]),
                ("champion", seen["champion"], seen["candidate"]),
            )
        }
        estimate = dict(base)
        estimate[arm] += (value - base[arm]) / (0.3 if arm == "candidate" else 0.7)
        sums = contributions.setdefault(person, [0.0, 0.0, 0.0])
        for place, change in enumerate((estimate["candidate"], estimate["champion"], 1.0)):
            sums[place] += change
        seen[arm].append(value)
        means.add(person, arm, 0.3, value)  # type: ignore[arg-type]
    for factor in (1.0, 1.05):
        total = sum(c - factor * o for c, o, _ in contributions.values())
        requests = sum(m for *_, m in contributions.values())
        theta = total / requests
        spread = math.sqrt(statistics.fmean((c - factor * o - theta * m) ** 2 for c, o, m in contributions.values()))
        width = spread * sequence_width(60, 0.05, 500) * 60 / 599
        assert means.difference(factor) == pytest.approx(theta)
        assert means.width(0.05, 500, factor) == pytest.approx(width)
    assert sum(means.people.values()) >= 60


def test_a_mean_of_few_is_not_known() -> None:
    means = PairedMeans()
    assert means.difference() == 0.0 and means.width(0.05, 100) == math.inf
    means.add(None, "champion", 0.5, 1.0)  # what others are measured from
    assert means.people == {"champion": 0, "candidate": 0}
    means.add(None, "candidate", 0.5, 1.0)
    assert means.width(0.05, 100) == math.inf and means.estimate_difference(0.05, 100) is None
    assert means.people == {"champion": 0, "candidate": 1} and means.estimate_ratio(0.05, 100) is None
    means.add(None, "champion", 0.5, 1.0)
    assert means.difference() == 0.0 == means.width(0.05, 100)


def test_the_interval_of_a_ratio_is_where_the_difference_is_within_its_width() -> None:
    rng = random.Random(3)
    means = PairedMeans()
    for _ in range(4000):
        arm = "candidate" if rng.random() < 0.5 else "champion"
        means.add(None, arm, 0.5, rng.uniform(0.9, 1.1) * (1.2 if arm == "candidate" else 1.0))  # type: ignore[arg-type]
    estimate = means.estimate_ratio(0.05, 4000)
    assert estimate is not None
    value, (low, high) = estimate
    assert low < value < high and value == pytest.approx(0.2, abs=0.01)
    for end in (low, high):
        assert abs(means.difference(1 + end)) == pytest.approx(means.width(0.05, 4000, 1 + end, two_sided=True))


def test_comparisons_are_a_mean_over_people() -> None:
    comparisons = Comparisons()
    for subject, difference in [("a", 1.0), ("a", 0.0), ("b", -1.0), (None, 1.0)]:
        comparisons.add(subject, difference)
    assert (comparisons.requests, comparisons.people["candidate"]) == (4, 3)
    assert comparisons.difference() == 0.25
    # by hand: people's sums less the mean times their requests: 1 - 0.5, -1 - 0.25, 1 - 0.25, and a person unseen
    # with as many requests as others have, 4/3, each a point off; squares over 3 people
    spread = sqrt((0.5**2 + 1.25**2 + 0.75**2 + (4 / 3) ** 2) / 3)
    assert comparisons.width(0.05, 100) == pytest.approx(spread * sequence_width(3, 0.05, 100) * 3 / 4)


def test_nothing_is_known_from_one_person() -> None:
    comparisons = Comparisons()
    assert comparisons.estimate_difference(0.05, 100) is None and comparisons.difference() == 0.0
    comparisons.add("a", 1.0)
    assert comparisons.width(0.05, 100) == inf


def test_a_person_unseen_keeps_equal_scores_from_being_certain() -> None:
    """Source: the variance of n equal sums and one more that lies `swing` requests off, over the smaller share."""
    for swing, expected in [(2.0, 2.0 * 1.5 / 0.25), (None, 3.0 * 1.5 / 0.25), (0.0, 0.0)]:
        means = PairedMeans(swing)
        means.add(None, "champion", 0.25, 3.0)  # what others are measured from
        for subject in ("a", "a"):
            means.add(subject, "candidate", 0.25, 3.0)
        means.add("b", "champion", 0.75, 3.0)
        means.add(None, "champion", 0.25, 3.0)
        # three people with 4 requests: 4/3 each
        width = expected / 1.5 * (4 / 3) / sqrt(3) * sequence_width(3, 0.05, 100) * 3 / 4
        assert means.width(0.05, 100) == pytest.approx(width)


def test_people_who_make_most_of_the_requests_count_for_few() -> None:
    """Kish's effective size: (10 + 1 + 1)^2 / (100 + 1 + 1) of three people; one is in the smaller arm."""
    means, comparisons = PairedMeans(), Comparisons()
    assert means.count_effective() == 0.0 == comparisons.count_effective()
    means.add(None, "champion", 0.5, 0.0)
    for subject in [*["a"] * 10, "b", "c"]:
        means.add(subject, "candidate" if subject == "a" else "champion", 0.5, 1.0)
        comparisons.add(subject, 0.5)
    assert means.count_effective() == pytest.approx(144 / 102 / 3)
    assert comparisons.count_effective() == pytest.approx(144 / 102)


def test_bad_days_of_the_same_people_are_fewer_independent_ones() -> None:
    """Source: the index of dispersion, variance by mean: of 4 people with 4, 0, 0, 0 bad days it is 3 by 1."""
    bad = BadEvents()
    assert bad.count_alike() == 1.0
    for day in range(4):
        bad.add(day * DAY_S, "a", "candidate", 0.5, True)
        bad.add(day * DAY_S + 1, "a", "candidate", 0.5, True)  # the same day
        for person in "bcd":
            bad.add(day * DAY_S + 2, person, "champion", 0.5, False)
    assert bad.count_alike() == 3.0
    independent = bad.find_independent()
    assert (independent.candidate, independent.events, bad.flips.events) == (1, 1, 4)
    # 4 of the candidate's 4 units are bad: one of one
    assert bad.log_floor_evidence(0.1) == pytest.approx(log_floor_evidence(1, 1, 0.1))


def test_bad_days_that_fall_on_anybody_count_for_themselves() -> None:
    bad = BadEvents()
    for number in range(8):  # two days of each of four people, and requests that name nobody
        bad.add(number * DAY_S, "abcd"[number % 4], "candidate", 0.5, True)
        bad.add(number * DAY_S, None, "champion", 0.5, True)
    assert bad.count_alike() == 1.0 and bad.find_independent() is bad.flips


def test_reduced_flips_keep_their_share_and_weights() -> None:
    reduced = flips((0.25, 10, 40), (0.5, 3, 4)).reduce(2.5)
    # 10 and 40 by 2.5; 3 / 2.5 = 1.2 and 4 / 2.5 = 1.6
    assert (reduced.candidate, reduced.events) == (4 + 1, 20 + 3)
    assert reduced.expect_candidate() == 20 * 0.25 + 3 * 0.5


def test_days_that_alternate_count_each_person_once_a_day() -> None:
    """Around midnight, with two machines whose clocks differ, or where a clock went ahead and came back."""
    bad = BadEvents()
    for turn in range(10):
        for person in range(5):
            bad.add(DAY_S * (3 + turn % 2), f"p{person}", "candidate", 0.25, True)
    assert (bad.units["candidate"], bad.flips.events) == (10, 10)
