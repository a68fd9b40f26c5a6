"""Numbers on the pages of load tests: units, percentages, times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

IN_SECONDS_FROM_MS: Final = 10_000.0  # latencies of a page are in seconds if the largest is this long


class TimeUnit(msgspec.Struct, frozen=True):
    """The one unit of all latencies on a page."""

    name: str = "ms"
    ms: float = 1.0  # milliseconds of one unit

    def convert(self, value_ms: float | None) -> float | None:
        return None if value_ms is None else value_ms / self.ms

    def format(self, value_ms: float | None) -> str:
        """
        >>> TimeUnit().format(52.34), TimeUnit("s", 1000.0).format(43494.0)
        ('52.3 ms', '43.5 s')
        """
        return "–" if value_ms is None else f"{format_number(value_ms / self.ms)} {self.name}"


def choose_unit(values_ms: Iterable[float | None]) -> TimeUnit:
    """
    >>> choose_unit([48.0, 43494.0]).name
    's'
    """
    largest = max((value for value in values_ms if value is not None), default=0.0)
    return TimeUnit("s", 1000.0) if largest >= IN_SECONDS_FROM_MS else TimeUnit()


def format_quantile(value_ms: float | None, n: int, unit: TimeUnit) -> str:
    """Of `n` values, without its unit; "too few" where they cannot tell it.

    >>> format_quantile(52.34, 42, TimeUnit()), format_quantile(None, 42, TimeUnit())
    ('52.3', 'too few')
    """
    return "too few" if value_ms is None and n else format_number(unit.convert(value_ms))


def format_number(value: float | None) -> str:
    """Three digits, and thousands in full.

    >>> format_number(1234.5), format_number(12.345), format_number(0.5), format_number(0.0)
    ('1,234', '12.3', '0.5', '0')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_rate(value: float | None) -> str:
    """Requests per second, four digits.

    >>> format_rate(3.8654), format_rate(1234.56)
    ('3.865', '1,235')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def format_percent(share: float) -> str:
    """
    >>> format_percent(0.05)
    '5 %'
    """
    return f"{100 * share:.3g} %"


def format_clock(at_s: float) -> str:
    """
    >>> format_clock(75)
    '1:15'
    """
    return f"{int(at_s) // 60}:{int(at_s) % 60:02d}"


def format_count(number: int, noun: str, plural: str = "") -> str:
    """
    >>> format_count(1, "answer"), format_count(1200, "answer")
    ('1 answer', '1,200 answers')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
