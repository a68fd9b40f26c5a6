"""What charts stand on: the frames they are drawn in, round marks for their axes, and which labels have room.

The steps of marks are 1, 2, 2.5 and 5 times a power of ten, those of clocks are whole minutes, quarters and hours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

import msgspec


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The units of a drawing: its size, the margins of its plot, and how many labels have room under it."""

    style: str
    width: int
    height: int
    left: int
    right: int = 8
    top: int = 12
    bottom: int = 22
    labels: int
    names: int  # margin for a name at each row; 0: names stand above their rows
    row: int
    letters: int  # of a name
    letter: float  # width of one under the plot, at most: 0.6 of the size of its font

    def count_labels(self, labels: Sequence[str]) -> int:
        """How many of these have room beside each other under the plot, at least 2.

        >>> WIDE.count_labels(["RTX-6000-Ada"]), NARROW.count_labels(["2,500"])
        (5, 6)
        """
        return max(2, int(self.plot / (self.letter * max(map(len, labels), default=1) + 10)))

    @property
    def plot(self) -> int:
        return self.width - self.left - self.right


WIDE: Final = Frame(style="wide", width=720, height=200, left=60, labels=6, names=220, row=24, letters=30, letter=9.0)
NARROW: Final = Frame(style="narrow", width=340, height=190, left=48, labels=4, names=0, row=40, letters=44, letter=7.2)
SPIKE: Final = 30.0  # a line whose greatest value is so many times its median is drawn on a log axis


def nice_ticks(top: float, count: int = 4, whole: bool = False) -> list[float]:
    """Round marks from 0 to at least `top`: steps of 1, 2, 2.5 or 5 times a power of ten; of `whole` numbers, of things
    that are counted, none below 1.

    >>> nice_ticks(7.3)
    [0.0, 2.0, 4.0, 6.0, 8.0]
    >>> nice_ticks(2.0, whole=True)
    [0.0, 1.0, 2.0]
    """
    if top < 1e-9 or not math.isfinite(top):
        return [0.0, 1.0]
    step = nice_step(top / count)
    if whole:
        step = max(1.0, 5.0 if step == 2.5 else step)
    return [round(step * index, 12) for index in range(math.ceil(top / step - 1e-9) + 1)]


def nice_step(rough: float) -> float:
    """The next step of 1, 2, 2.5 or 5 times a power of ten.

    >>> nice_step(0.13), nice_step(300)
    (0.2, 500.0)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))


def log_ticks(least: float, most: float) -> list[float]:
    """Powers of ten from the one below `least` to the one above `most`, every second or third where there are many.

    >>> log_ticks(3, 450)
    [1.0, 10.0, 100.0, 1000.0]
    """
    first, last = math.floor(math.log10(least) + 1e-9), math.ceil(math.log10(most) - 1e-9)
    last = max(last, first + 1)
    every = math.ceil((last - first) / 5)
    return [10.0**power for power in range(first, last + every, every)]


class UprightAxis(msgspec.Struct, frozen=True):
    """The upright axis: its marks, and whether they are powers of ten."""

    ticks: list[float]
    log: bool = False

    def place(self, frame: Frame, value: float) -> float:
        """From the frame's top; what is below the axis stands on its end."""
        first, last = self.ticks[0], self.ticks[-1]
        if self.log:
            value, first, last = (math.log10(max(each, first)) for each in (value, first, last))
        return (
            frame.height - frame.bottom - (value - first) / (last - first) * (frame.height - frame.top - frame.bottom)
        )


_CLOCK: Final = re.compile(r"(?:(\d+):)?(\d+):(\d\d)")
_ROUND: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)


def choose_labels(labels: Sequence[str], most: int) -> list[int]:
    """Which labels have room: evenly spaced ones, or, of times such as "9:15", those on a round mark, each once.

    >>> choose_labels([f"9:{minute:02}" for minute in range(7, 60)], 6)
    [3, 13, 23, 33, 43]
    >>> choose_labels([f"0:{second // 2:02}" for second in range(20)], 6)
    [0, 4, 8, 12, 16]
    >>> choose_labels(["0:00", "0:00", "0:00", "0:01", "0:01"], 6)
    [0, 3]
    """
    clocks = [_CLOCK.fullmatch(label) for label in labels]
    if len(labels) > most and all(clocks):
        times = [
            sum(int(part or 0) * 60**power for power, part in enumerate(reversed(c.groups()))) for c in clocks if c
        ]
        for step in _ROUND:
            found = [index for index, at in enumerate(times) if at % step == 0 and at not in times[:index]]
            if 1 < len(found) <= most:
                return found
    if all(clocks) and len(set(labels)) < len(labels):  # steps of less than a second: each time once
        found = [index for index, label in enumerate(labels) if label not in labels[:index]]
        return found[:: math.ceil(len(found) / most)]
    every = max(1, math.ceil(len(labels) / most))
    return list(range(every // 2, len(labels), every))


def shorten_name(name: str, letters: int) -> str:
    """As many letters as fit beside or above the plot."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"
