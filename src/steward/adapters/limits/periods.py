"""Days and months, in UTC, as budgets count them. Times are seconds since the Unix epoch."""

from __future__ import annotations

import time


def day_of(now: float) -> int:
    """Days since the epoch, UTC."""
    return int(now // 86400)


def month_of(now: float) -> int:
    """Months since year 0, UTC."""
    at = time.gmtime(now)
    return at.tm_year * 12 + at.tm_mon - 1


def seconds_to_day_end(now: float) -> float:
    return 86400 - now % 86400


def seconds_to_month_end(now: float) -> float:
    """Seconds to the first of the next month, UTC."""
    at = time.gmtime(now)
    days = (31, 29 if _is_leap_year(at.tm_year) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[at.tm_mon - 1]
    return (days - at.tm_mday + 1) * 86400.0 - now % 86400


def _is_leap_year(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
