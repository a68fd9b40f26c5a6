"""What happened in each minute, as sums that a rule can take over any window at once.

A minute is a whole number of minutes since the epoch. The sums of a scope (all requests, one model, one route) are kept
as running totals, so that a window costs two look-ups whatever its length.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

from steward.core.minutes import COLUMNS, LEVELS, Level

MINUTES_OF_DAY: Final = 1440
KEPT_MINUTES: Final = 36 * MINUTES_OF_DAY  # four weeks to compare with, and the week that is compared


class History:
    """The minutes of one scope, oldest first and without a gap."""

    def __init__(self, first_minute: int, more_columns: tuple[str, ...] = ()) -> None:
        """`more_columns` follow those of `core/minutes.py`."""
        self.first, self._start = first_minute, first_minute  # of the deployment; of what is still kept
        self._index = {column: index for index, column in enumerate((*COLUMNS, *more_columns))}
        self._totals = [array("d", [0.0]) for _ in self._index]  # of all minutes before each
        self._levels = {name: tuple(self._totals[self._index[column]] for column in _level(name)) for name in LEVELS}
        self.end = first_minute  # the minute after the last one

    def append(self, sums: Iterable[float]) -> None:
        for total, value in zip(self._totals, sums, strict=True):
            total.append(total[-1] + value)
        self.end += 1
        if self.end - self._start > KEPT_MINUTES + MINUTES_OF_DAY:
            surplus = self.end - self._start - KEPT_MINUTES
            for total in self._totals:
                del total[:surplus]
            self._start += surplus

    def sum(self, column: str, start: int, end: int) -> float:
        """Over minutes `start` to `end`, the end not included; minutes that are not kept add nothing."""
        first, last = start - self._start, (end if end < self.end else self.end) - self._start
        if first < 0:
            first = 0
        if first >= last:
            return 0.0
        total = self._totals[self._index[column]]
        return total[last] - total[first]

    def level(self, name: Level, start: int, end: int) -> tuple[int, float, float]:
        """How many values are known, and mean and variance of their natural logarithm.

        Rules ask this millions of times in a replay, so it looks up its three sums at once.
        """
        first, last = start - self._start, (end if end < self.end else self.end) - self._start
        if first < 0:
            first = 0
        if first >= last:
            return 0, 0.0, 0.0
        counts, logs, squares = self._levels[name]
        count = counts[last] - counts[first]
        if count < 1:
            return 0, 0.0, 0.0
        mean = (logs[last] - logs[first]) / count
        variance = (squares[last] - squares[first]) / count - mean * mean
        return int(count), mean, variance if variance > 0.0 else 0.0

    def covers(self, start: int) -> bool:
        """Whether the minutes since `start` are all kept and were all watched."""
        return start >= self._start


def _level(name: Level) -> tuple[str, str, str]:
    """The columns of a level."""
    return f"{name}_n", f"{name}_log", f"{name}_log_squared"
