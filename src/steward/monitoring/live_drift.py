"""Has the traffic of now drifted from a frozen baseline? Decides from features of sampled requests. Pure.

A feature has drifted where it differs in the last day *and* in the day before: the two have no request in common, so
chance must strike twice. Both are held against the same days of the week of the baseline, where it has them, since
weekends differ from weekdays without anything being wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from steward.core.durations import DAY_S
from steward.core.features import FeatureRow
from steward.monitoring.drift import Drift, FeatureDrift, compare, matters
from steward.monitoring.events import Event

LIVE_LEVEL: Final = 0.01  # adjusted p of each of the two days
MOST_EVENTS: Final = 2000  # of a side; of more, evenly spread ones are taken
LEAST_EVENTS: Final = 100  # of a day and of the baseline, below which nobody can tell


class LiveDrift(msgspec.Struct, frozen=True, kw_only=True):
    """`steward drift show --json`."""

    state: str  # "no drift", "drifted" or "cannot tell"
    why: str = ""
    drifted: tuple[str, ...] = ()  # features
    features: tuple[FeatureDrift, ...] = ()  # of the last day
    baseline_at: float | None = None
    baseline_events: int = 0
    current_events: int = 0


def make_events(rows: Iterable[FeatureRow]) -> list[Event]:
    """Features as `drift compare` reads them from files."""
    return [
        Event(
            at=row.at,
            model=row.model or None,
            route=row.route or None,
            language=row.features.language,
            topic=row.features.topic,
            refused=row.features.refused,
            finish_reason=row.features.finish_reason,
            prompt_chars=row.features.prompt_chars,
            answer_chars=row.features.answer_chars,
            tool_calls=row.features.tool_calls,
            embedding=row.features.embedding,
            embedder=row.features.embedder,
        )
        for row in rows
    ]


def thin(events: Sequence[Event], most: int = MOST_EVENTS) -> list[Event]:
    """At most so many, evenly spread over their order.

    >>> len(thin([Event(at=float(number)) for number in range(5000)]))
    2000
    """
    count = min(len(events), most)
    return [events[index * len(events) // count] for index in range(count)]


def match_weekdays(baseline: Sequence[Event], window: Sequence[Event]) -> list[Event]:
    """Of a baseline of a week or more, the days of the week (UTC) that the window has; else all of it."""
    if not baseline or baseline[-1].at - baseline[0].at < 6.5 * DAY_S:
        return list(baseline)
    days = {_weekday(event) for event in window}
    matched = [event for event in baseline if _weekday(event) in days]
    return matched if len(matched) >= LEAST_EVENTS else list(baseline)


def _weekday(event: Event) -> int:
    return int(event.at // DAY_S) % 7


def judge_live(baseline: Sequence[Event], current: Sequence[Event], now: float) -> LiveDrift:
    """`current`: of the last two days; both in the order of time."""
    days = [
        [event for event in current if now - (back + 1) * DAY_S <= event.at < now - back * DAY_S] for back in (0, 1)
    ]
    fewest = min(len(baseline), *(len(day) for day in days))
    counted = LiveDrift(state="cannot tell", baseline_events=len(baseline), current_events=len(days[0]))
    if fewest < LEAST_EVENTS:
        why = f"{fewest} sampled requests in the baseline, the last day or the day before; {LEAST_EVENTS} are needed"
        return msgspec.structs.replace(counted, why=why)
    last, before = (compare(thin(match_weekdays(baseline, day)), thin(day)) for day in days)
    drifted = sorted(_list_drifted(last) & _list_drifted(before))
    return msgspec.structs.replace(
        counted,
        state="drifted" if drifted else "no drift",
        drifted=tuple(drifted),
        features=tuple(msgspec.structs.replace(one, drifted=one.name in drifted) for one in last.features),
    )


def _list_drifted(drift: Drift) -> set[str]:
    return {
        feature.name
        for feature in drift.features
        if feature.p_adjusted is not None and feature.p_adjusted < LIVE_LEVEL and matters(feature)
    }
