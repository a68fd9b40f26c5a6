"""Shares with intervals that hold for few observations, and for several observations of one person. Pure.

The interval is Wilson's (1927), which stays within [0, 1] and has a width even where all observations are equal. Where
one person makes several observations, the interval is that of the effective number of observations (Korn and Graubard,
1998): what a sample of independent ones would need for the same variance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Final

import msgspec

Z975: Final = 1.959963984540054  # of a two-sided interval at 95 %
FEW_PEOPLE: Final = 10  # below it a variance between people is not to be trusted: each person counts as one observation


class Rate(msgspec.Struct, frozen=True):
    """A share and its interval at 95 %; all None where nothing was observed."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def wilson_interval(share: float, n: float, z: float = Z975) -> tuple[float, float]:
    """The interval of a share of `n` independent trials (Wilson 1927)."""
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def rate_of(count: float, total: float) -> Rate:
    """Of independent observations.

    >>> rate_of(0, 0)
    Rate(value=None, low=None, high=None)
    """
    if total <= 0:
        return Rate()
    share = min(max(count / total, 0.0), 1.0)
    return Rate(share, *wilson_interval(share, total))


def rate_of_people(people: Iterable[tuple[int, int]]) -> Rate:
    """Of observations by person: how many each made, and how many of them were successes."""
    seen = [(total, count) for total, count in people if total > 0]
    if not seen:
        return Rate()
    all_of_them = sum(total for total, _ in seen)
    share = sum(count for _, count in seen) / all_of_them
    return Rate(share, *wilson_interval(share, count_effective(seen)))


def count_effective(people: list[tuple[int, int]]) -> float:
    """How many independent observations tell as much; at most as many as were made."""
    persons, total = len(people), sum(made for made, _ in people)
    share = sum(count for _, count in people) / total
    if persons < FEW_PEOPLE or share in (0.0, 1.0):
        return float(persons)
    between = sum((count - share * made) ** 2 for made, count in people)
    variance = persons / (persons - 1) * between / total**2
    return float(total) if variance <= 0.0 else min(float(total), share * (1.0 - share) / variance)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false alarm (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
