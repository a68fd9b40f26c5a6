"""Compares live traffic with the saved plan: how much headroom is left, and when it runs out at today's growth.

Room is counted at the busy hour: the 95th percentile of the last week's hourly rates, not their mean. Growth is the
Theil-Sen slope (Sen 1968: the median of the slopes between all pairs) of the logarithm of each day's busiest hour, so
that one odd day does not make a trend. With less than three days there is no growth to speak of, and it says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from steward.capacity.plan import Plan

HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0
WEEK_S: Final = 7 * DAY_S
LEAST_HOURS: Final = 3  # with traffic
LEAST_DAYS: Final = 3
DRIFT: Final = 0.25  # of the mean lengths, beyond which the plan's are no longer the traffic's
SOON_DAYS: Final = 30.0

State = Literal["holds", "outgrown", "soon", "unknown"]


class HourlyTraffic(msgspec.Struct, frozen=True):
    """One hour of settled traffic."""

    at: float  # its start, seconds since the epoch
    requests: int
    output_tokens: int
    ttft_p50_ms: float | None = None


class HeadroomStatus(msgspec.Struct, frozen=True, kw_only=True):
    """`steward plan watch --json`."""

    state: State
    why: str
    busy_rate: float | None = None  # requests a second in the busy hour
    max_rate: float = 0.0  # of the plan
    headroom: float | None = None  # 1 - busy / max; negative: outgrown
    growth_a_day: float | None = None  # 0.02: 2 %
    days_left: float | None = None  # None: not growing, or not known
    output_tokens: float | None = None  # mean of a request
    planned_output_tokens: int = 0
    notes: tuple[str, ...] = ()


def assess_headroom(plan: Plan, hours: Sequence[HourlyTraffic], now: float) -> HeadroomStatus:
    """`hours` in order; those without requests may be missing. The hour that is not over is left out."""
    whole = [hour for hour in hours if hour.at + HOUR_S <= now and hour.requests > 0]
    if plan.chosen is None:
        return HeadroomStatus(state="unknown", why="the saved plan found no deployment; make a plan again")
    limit, wanted = plan.chosen.max_rate, plan.wanted
    if len(whole) < LEAST_HOURS:
        why = f"{len(whole)} full hours with traffic so far; at least {LEAST_HOURS} are needed"
        return HeadroomStatus(state="unknown", why=why, max_rate=limit, planned_output_tokens=wanted.output_tokens)
    rates = sorted(hour.requests / HOUR_S for hour in whole if hour.at > whole[-1].at - WEEK_S)
    busy = rates[int(0.95 * len(rates))]
    headroom = 1 - busy / limit
    growth = _daily_growth(whole)
    left = _count_days_left(busy, limit, growth)
    output = sum(hour.output_tokens for hour in whole) / sum(hour.requests for hour in whole)
    notes = list(_write_notes(plan, whole, output))
    state: State
    if headroom < 0:
        state, why = "outgrown", f"the busy hour has {busy:.3g} requests/s, the plan serves {limit:.3g}"
    elif left is not None and left < SOON_DAYS:
        state, why = (
            "soon",
            f"at {growth:+.1%} per day, traffic reaches {limit:.3g} requests/s in {left:.0f} days",
        )
    else:
        state, why = "holds", f"the busy hour has {busy:.3g} requests/s, the plan serves {limit:.3g}"
    if growth is None:
        notes.append(f"growth can be estimated after {LEAST_DAYS} days with traffic")
    return HeadroomStatus(
        state=state,
        why=why,
        busy_rate=busy,
        max_rate=limit,
        headroom=headroom,
        growth_a_day=growth,
        days_left=left,
        output_tokens=output,
        planned_output_tokens=wanted.output_tokens,
        notes=tuple(notes),
    )


def _daily_growth(hours: Sequence[HourlyTraffic]) -> float | None:
    """A day, as a share; None with fewer than three days."""
    peaks: dict[int, int] = {}
    for hour in hours:
        day = int(hour.at // DAY_S)
        peaks[day] = max(peaks.get(day, 0), hour.requests)
    if len(peaks) < LEAST_DAYS:
        return None
    points = [(day, math.log(peak)) for day, peak in sorted(peaks.items())][-60:]
    slopes = [(y2 - y1) / (x2 - x1) for at, (x1, y1) in enumerate(points) for x2, y2 in points[at + 1 :]]
    return math.expm1(statistics.median(slopes))


def _count_days_left(busy: float, limit: float, growth: float | None) -> float | None:
    if growth is None or growth <= 0:
        return None
    return max(0.0, math.log(limit / busy) / math.log1p(growth))


def _write_notes(plan: Plan, hours: Sequence[HourlyTraffic], output: float) -> Sequence[str]:
    notes = []
    planned = plan.wanted.output_tokens
    if abs(output / planned - 1) > DRIFT:
        notes.append(
            f"answers have {output:.0f} tokens on average, but the plan assumes {planned}; plan again with --output "
            f"{output:.0f}"
        )
    firsts = [hour.ttft_p50_ms for hour in hours[-24:] if hour.ttft_p50_ms is not None]
    expected = plan.chosen.prediction.ttft_ms.p95 if plan.chosen else math.inf
    if firsts and statistics.median(firsts) > expected:
        notes.append(
            f"half of the first tokens take longer than {statistics.median(firsts):.0f} ms, but the plan expects 95 % "
            f"within {expected:.0f} ms; calibrate again"
        )
    return notes
