"""Whether people of different groups fare alike in production: errors, refusals, slow answers, satisfaction.

Groups are what is known lawfully: the language of a request, its route, its model. No protected attribute is stored or
guessed. A group of fewer than 50 requests is counted and not shown, so that nobody is singled out. Each group is
compared with all others together; one person's requests count as the few that they are (`core.rates`), and p values are
corrected for all comparisons (Holm 1979). A difference that is certain and larger than the margin is one to explain; it
says nothing of why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from steward.core.rates import FEW_PEOPLE, Rate, count_effective, holm, rate_of_people

Measure = Literal["errors", "refusals", "slow", "satisfied"]
GroupField = Literal["language", "route", "model"]
Verdict = Literal["alike", "different", "cannot tell"]
MEASURES: Final[tuple[Measure, ...]] = ("errors", "refusals", "slow", "satisfied")
SMALLEST: Final = 50  # requests of a group that is shown
MARGIN: Final = 0.02  # a difference below it does not matter, however certain
ALPHA: Final = 0.05
LEAST_EXPECTED: Final = 10.0  # of each count, for the normal approximation (Cochran 1954 asks for 5)
SLOW_SHARE: Final = 0.1  # the slowest tenth of all answers counts as slow


class GroupRequest(msgspec.Struct, frozen=True):
    """One request. None: it is not known."""

    group: str
    person: str
    error: bool
    refused: bool | None
    duration_s: float | None  # of a whole answer
    satisfied: bool | None  # what the person said of it


class GroupDisparity(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of one group beside all others."""

    group: str
    measure: Measure
    requests: int  # in which it is known
    people: int
    rate: Rate
    others: Rate
    difference: float | None
    p_holm: float | None
    differs: bool


class DisparityReport(msgspec.Struct, frozen=True, kw_only=True):
    """`steward fairness status --json`."""

    by: GroupField
    since: float
    requests: int
    verdict: Verdict
    rows: tuple[GroupDisparity, ...]
    hidden_groups: int  # too small to be shown
    hidden_requests: int
    margin: float
    smallest: int


Counts = list[tuple[int, int]]  # of each person: how many, and how many of them were successes


def compare_groups_live(
    requests: Sequence[GroupRequest], by: GroupField, since: float, margin: float = MARGIN, smallest: int = SMALLEST
) -> DisparityReport:
    """Of the groups that are large enough. With fewer than two of them nothing can be told."""
    sizes: dict[str, int] = {}
    for one in requests:
        sizes[one.group] = sizes.get(one.group, 0) + 1
    shown = sorted(name for name, size in sizes.items() if size >= smallest)
    slow_from = find_slow(requests)
    rows = [_compare(requests, name, measure, slow_from) for name in shown for measure in MEASURES] if shown[1:] else []
    known = [row for row, p in rows if p is not None]
    adjusted = holm([p for _, p in rows if p is not None])
    judged = {id(row): p for row, p in zip(known, adjusted, strict=True)}
    finished = tuple(_finish(row, judged.get(id(row)), margin) for row, _ in rows)
    verdict: Verdict = "different" if any(row.differs for row in finished) else "alike" if known else "cannot tell"
    hidden = [size for size in sizes.values() if size < smallest]
    return DisparityReport(
        by=by,
        since=since,
        requests=len(requests),
        verdict=verdict,
        rows=finished,
        hidden_groups=len(hidden),
        hidden_requests=sum(hidden),
        margin=margin,
        smallest=smallest,
    )


def find_slow(requests: Iterable[GroupRequest]) -> float:
    """Seconds from which on an answer is among the slowest tenth of all; infinite where none is known."""
    durations = sorted(one.duration_s for one in requests if one.duration_s is not None)
    return durations[min(len(durations) - 1, int((1 - SLOW_SHARE) * len(durations)))] if durations else math.inf


def _compare(
    requests: Sequence[GroupRequest], group: str, measure: Measure, slow_from: float
) -> tuple[GroupDisparity, float | None]:
    own = _count(requests, measure, slow_from, lambda name: name == group)
    others = _count(requests, measure, slow_from, lambda name: name != group)
    rate, rest = rate_of_people(own), rate_of_people(others)
    difference = None if rate.value is None or rest.value is None else rate.value - rest.value
    row = GroupDisparity(
        group=group,
        measure=measure,
        requests=sum(total for total, _ in own),
        people=len(own),
        rate=rate,
        others=rest,
        difference=difference,
        p_holm=None,
        differs=False,
    )
    return row, find_p(own, others)


def _count(
    requests: Sequence[GroupRequest], measure: Measure, slow_from: float, is_wanted: Callable[[str], bool]
) -> Counts:
    people: dict[str, list[int]] = {}
    for one in requests:
        value = read_measure(one, measure, slow_from)
        if value is not None and is_wanted(one.group):
            made = people.setdefault(one.person, [0, 0])
            made[0] += 1
            made[1] += value
    return [(total, count) for total, count in people.values()]


def read_measure(one: GroupRequest, measure: Measure, slow_from: float) -> bool | None:
    """None: it is not known of this request."""
    if measure == "slow":
        return None if one.duration_s is None else one.duration_s >= slow_from
    return {"errors": one.error, "refusals": one.refused, "satisfied": one.satisfied}[measure]


def find_p(own: Counts, others: Counts) -> float | None:
    """Two-sided p of equal shares, on effective numbers of observations; None: too few people.

    Fisher's exact test, and the pooled z test where each of the four counts is expected to be 10 or more.
    """
    if min(len(own), len(others)) < FEW_PEOPLE:
        return None
    n, m = count_effective(own), count_effective(others)
    first, second = (sum(count for _, count in side) / sum(total for total, _ in side) for side in (own, others))
    pooled = (first * n + second * m) / (n + m)
    if min(n, m) * min(pooled, 1 - pooled) < LEAST_EXPECTED:
        return find_exact_p(round(first * n), round(n), round(second * m), round(m))
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return math.erfc(abs(first - second) / math.sqrt(2 * variance))


def find_exact_p(a: int, n: int, b: int, m: int) -> float:
    """Fisher's exact test of a of n and b of m, two-sided: the tables that are no more probable than this one.

    >>> round(find_exact_p(3, 10, 0, 100), 6)
    0.000556
    """
    successes = a + b

    def log_chance(k: int) -> float:
        return _log_choose(n, k) + _log_choose(m, successes - k) - _log_choose(n + m, successes)

    seen = log_chance(a) + 1e-7
    possible = range(max(0, successes - m), min(n, successes) + 1)
    return min(1.0, sum(math.exp(chance) for k in possible if (chance := log_chance(k)) <= seen))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _finish(row: GroupDisparity, p: float | None, margin: float) -> GroupDisparity:
    differs = p is not None and p < ALPHA and row.difference is not None and abs(row.difference) > margin
    return msgspec.structs.replace(row, p_holm=p, differs=differs)
