"""Groups of live traffic: compared with all others, small ones hidden, and no alarm by chance."""

from __future__ import annotations

import math
import random

import pytest

from steward.governance.disparity import (
    DisparityReport,
    GroupDisparity,
    GroupRequest,
    compare_groups_live,
    find_exact_p,
    find_p,
    find_slow,
    read_measure,
)


def ask(group: str, number: int, *, error: bool = False, person: str = "", **changes: object) -> GroupRequest:
    refused, duration_s, satisfied = (changes.get(name) for name in ("refused", "duration_s", "satisfied"))
    return GroupRequest(
        group=group,
        person=person or f"{group}-{number}",
        error=error,
        refused=refused if isinstance(refused, bool) else None,
        duration_s=duration_s if isinstance(duration_s, float) else None,
        satisfied=satisfied if isinstance(satisfied, bool) else None,
    )


def find(report: DisparityReport, group: str, measure: str) -> GroupDisparity:
    (row,) = [row for row in report.rows if (row.group, row.measure) == (group, measure)]
    return row


def test_the_p_of_two_shares_is_the_pooled_z_test() -> None:
    """R: prop.test(c(30, 10), c(100, 100), correct = FALSE)$p.value; ours is larger by what n - 1 people cost."""
    own, others = ([(1, int(number < count)) for number in range(100)] for count in (30, 10))
    assert find_p(own, others) == pytest.approx(0.000406952017, rel=0.08)
    assert find_p([(1, 0)] * 20, [(1, 0)] * 20) == 1.0


@pytest.mark.parametrize(
    ("table", "p"),
    [((3, 10, 0, 100), 0.000556), ((1, 4, 3, 4), 0.485714), ((0, 5, 0, 9), 1.0), ((8, 14, 1, 20), 0.001183)],
)
def test_few_are_compared_exactly(table: tuple[int, int, int, int], p: float) -> None:
    """Sums of binomial coefficients; the second is Fisher's tea (1935), two-sided."""
    assert find_exact_p(*table) == pytest.approx(p, abs=2e-6)


def test_requests_of_few_people_are_not_many_people() -> None:
    """Ten people with ten requests each say less than a hundred; of fewer than ten nothing can be told."""
    fine = [(1, 0)] * 100
    ten = [(10, 10)] * 3 + [(10, 0)] * 7
    few, many = find_p(ten, fine), find_p([(1, int(number < 30)) for number in range(100)], fine)
    assert few is not None and many is not None and many < 1e-6 < 0.0003 < few < 0.0006
    assert find_p(ten[:9], fine) is None and find_p(fine, ten[:9]) is None


def test_a_group_that_fails_more_often_is_found() -> None:
    requests = [ask("de", number, error=number % 5 == 0) for number in range(200)]
    requests += [ask("en", number, error=number % 50 == 0) for number in range(400)]
    report = compare_groups_live(requests, "language", 0.0)
    row = find(report, "de", "errors")
    assert report.verdict == "different" and row.differs and row.difference == pytest.approx(0.18)
    assert (row.rate.value, row.others.value, row.requests, row.people) == (0.2, 0.02, 200, 200)
    assert find(report, "de", "refusals").p_holm is None  # nothing is known of it


def test_what_is_certain_and_small_does_not_matter() -> None:
    requests = [ask("de", number, error=number % 100 == 0) for number in range(20_000)]
    requests += [ask("en", number, error=number % 40 == 0) for number in range(20_000)]
    row = find(compare_groups_live(requests, "language", 0.0), "de", "errors")
    assert row.p_holm is not None and row.p_holm < 1e-6 and not row.differs  # 1.5 points apart
    assert find(compare_groups_live(requests, "language", 0.0, margin=0.01), "de", "errors").differs


def test_small_groups_are_counted_and_not_shown() -> None:
    requests = [ask("de", number) for number in range(50)] + [ask("en", number) for number in range(60)]
    requests += [ask("rm", number, error=True) for number in range(49)]
    report = compare_groups_live(requests, "language", 0.0)
    assert {row.group for row in report.rows} == {"de", "en"}
    assert (report.hidden_groups, report.hidden_requests, report.requests) == (1, 49, 159)
    alone = compare_groups_live(requests[:50] + requests[110:], "language", 0.0)
    assert (alone.verdict, alone.rows) == ("cannot tell", ())
    assert compare_groups_live([], "route", 0.0).verdict == "cannot tell"


def test_slow_is_the_slowest_tenth_of_all() -> None:
    requests = [ask("de", number, duration_s=float(number)) for number in range(100)]
    assert find_slow(requests) == 90.0 and find_slow([]) == math.inf
    assert read_measure(requests[90], "slow", 90.0) is True and read_measure(requests[89], "slow", 90.0) is False
    assert read_measure(ask("de", 1), "slow", 90.0) is None
    assert read_measure(ask("de", 1, refused=True), "refusals", 0.0) is True
    assert read_measure(ask("de", 1, satisfied=False), "satisfied", 0.0) is False


def test_equal_groups_are_called_different_no_oftener_than_promised() -> None:
    """Holm at 5 % over all rows; 200 traffics of equal groups, so at most 5 % and two standard errors of it."""
    chance, wrong = random.Random(7), 0
    for _ in range(200):
        requests = [
            ask(group, number, error=chance.random() < 0.1, refused=chance.random() < 0.2,
                satisfied=chance.random() < 0.7)
            for group in ("de", "en", "fr")
            for number in range(120)
        ]  # fmt: skip
        wrong += compare_groups_live(requests, "language", 0.0, margin=0.0).verdict == "different"
    assert wrong <= 16


def test_the_slowest_tenth_of_eleven_are_two() -> None:
    assert find_slow([ask("de", number, duration_s=float(number)) for number in range(11)]) == 9.0


def test_ten_expected_of_each_are_enough_for_the_normal_approximation() -> None:
    """16 and 6 of 22, for 21 people each: z = 2.946, whose p is 0.0032; Fisher's would be 0.013."""
    own, others = ([(1, int(number < count)) for number in range(22)] for count in (16, 6))
    assert find_p(own, others) == pytest.approx(0.0032, rel=0.05)


def test_what_is_known_of_others_alone_is_no_difference() -> None:
    requests = [ask("de", number) for number in range(60)]
    requests += [ask("en", number, duration_s=float(number)) for number in range(60)]
    report = compare_groups_live(requests, "language", 0.0)
    assert find(report, "de", "slow").difference is None and find(report, "en", "slow").difference is None
