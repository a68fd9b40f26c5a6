"""What a month will cost: from the days before, with an interval that says how sure that is. Pure.

The days that come are taken for draws like those of the last whole weeks, so that weekends count as often as they come.
The interval is the 95 % prediction interval of a sum of future normal values (Hahn and Meeker, "Statistical Intervals",
1991, section 4.8). Below two weeks of history there is none.
"""

from __future__ import annotations

import calendar
import math
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

DAY_S: Final = 86400
HISTORY_DAYS: Final = 28
WEEK: Final = 7
# 97.5 % points of Student's t by days of history, of one degree of freedom less (NIST/SEMATECH e-Handbook, 1.3.6.7.2)
_T: Final = {14: 2.160, 21: 2.086, 28: 2.052}


class SpendForecast(msgspec.Struct, frozen=True):
    """US dollars of the whole month. `low` and `high` are None where there is too little history for an interval."""

    usd: float
    low: float | None
    high: float | None
    days: int  # of history that it rests on


def forecast_month(spent: float, history: Sequence[float], days_left: float) -> SpendForecast | None:
    """`spent`: this month so far; `history`: whole days before today, the newest last; `days_left`: of the month, with
    today's rest. None where no whole day is known.

    >>> forecast_month(10.0, [1.0] * 14, 5.0)
    SpendForecast(usd=15.0, low=15.0, high=15.0, days=14)
    >>> forecast_month(10.0, [1.0, 3.0], 5.0)
    SpendForecast(usd=20.0, low=None, high=None, days=2)
    """
    days = list(history[-HISTORY_DAYS:])
    if not days:
        return None
    days = days[len(days) % WEEK :] or days
    mean, n = statistics.fmean(days), len(days)
    usd = spent + days_left * mean
    if n not in _T:
        return SpendForecast(usd, None, None, n)
    half = _T[n] * statistics.stdev(days) * math.sqrt(days_left + days_left**2 / n)
    return SpendForecast(usd, max(spent, usd - half), usd + half, n)


def find_month(now: float) -> tuple[int, float]:
    """Where the month of a moment begins, in seconds since the epoch, and how many days of it are left. Months are
    UTC's, as budgets are.

    >>> find_month(86400.0 * 29.5)
    (0, 1.5)
    """
    at = datetime.fromtimestamp(now, UTC)
    start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    length = calendar.monthrange(at.year, at.month)[1]
    left = (start + timedelta(days=length)).timestamp() - now
    return int(start.timestamp()), left / DAY_S


def find_end_of_budget(spent: float, budget: float, history: Sequence[float], days_left: float) -> float | None:
    """In how many days a month's budget is used up at the mean of the days before; None: not within the month.

    >>> find_end_of_budget(8.0, 10.0, [0.5] * 7, 10.0), find_end_of_budget(8.0, 10.0, [0.1] * 7, 10.0)
    (4.0, None)
    """
    if spent >= budget:
        return 0.0
    days = history[-HISTORY_DAYS:]
    mean = statistics.fmean(days) if days else 0.0
    if mean <= 0 or (budget - spent) / mean >= days_left:
        return None
    return (budget - spent) / mean
