"""Which time a page shows, and what it is compared with: read from the URL, so that a page can be shared. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from steward.console.reader import Reader, find_zone
from steward.core.excerpts import cut_text

Comparison = Literal["", "before", "day", "week"]

RANGES: Final[Mapping[str, tuple[str, int]]] = {  # name: words and seconds
    "1h": ("Last hour", 3600),
    "6h": ("Last 6 hours", 6 * 3600),
    "24h": ("Last 24 hours", 86400),
    "7d": ("Last 7 days", 7 * 86400),
    "30d": ("Last 30 days", 30 * 86400),
    "90d": ("Last 90 days", 90 * 86400),
}
COMPARISONS: Final[Mapping[Comparison, str]] = {
    "": "nothing",
    "before": "the time before",
    "day": "a day earlier",
    "week": "a week earlier",
}
DEFAULT_RANGE: Final = "24h"
MOST_S: Final = 3660 * 86400.0
STEPS_S: Final = (60, 300, 3600, 2 * 3600, 4 * 3600)  # of charts' points
MOST_POINTS: Final = 96


class TimeRange(msgspec.Struct, frozen=True, kw_only=True):
    """[since, until) in seconds since the epoch. `name` is empty where both ends were given; `problem` says why another
    range is shown than the one that was asked for."""

    since: float
    until: float
    name: str = DEFAULT_RANGE
    comparison: Comparison = ""
    problem: str = ""

    @property
    def span_s(self) -> float:
        return self.until - self.since

    @property
    def label(self) -> str:
        return RANGES[self.name][0] if self.name else "Chosen time"

    def step_s(self) -> int:
        """The length of a chart's points: as few as a reader can tell apart.

        >>> [TimeRange(since=0.0, until=float(span)).step_s() for span in (3600, 21600, 86400, 604800, 7776000)]
        [60, 300, 3600, 7200, 86400]
        """
        if self.span_s > 14 * 86400:
            return 86400
        least = 3600 if self.span_s > 6 * 3600 else 60  # minutes of a whole day are many rows, and hours are kept
        return next(step for step in STEPS_S if step >= least and self.span_s / step <= MOST_POINTS)

    def shift_s(self) -> float:
        """How much earlier the time lies that this one is compared with; 0: with none."""
        return {"": 0.0, "before": self.span_s, "day": 86400.0, "week": 7 * 86400.0}[self.comparison]

    def query(self, keep: Mapping[str, str] = MappingProxyType({}), **changes: str) -> str:
        """The query of a link to this range, with the filters that it keeps and with `changes`; what is empty is left
        out.

        >>> TimeRange(since=0.0, until=60.0, name="1h").query({"model": "a&b"})
        'range=1h&model=a%26b'
        """
        values = {"range": self.name} if self.name else {"from": f"{self.since:.0f}", "to": f"{self.until:.0f}"}
        values |= {"compare": self.comparison, **keep, **changes}
        return urlencode({name: value for name, value in values.items() if value})

    def range_query(self, name: str, keep: Mapping[str, str]) -> str:
        """As `query`, of another named range."""
        return msgspec.structs.replace(self, name=name).query(keep)

    def comparison_query(self, name: Comparison, keep: Mapping[str, str]) -> str:
        """As `query`, with another comparison."""
        return msgspec.structs.replace(self, comparison=name).query(keep)


def parse_range(query: Mapping[str, str], now: float, reader: Reader, default: str = DEFAULT_RANGE) -> TimeRange:
    """What a URL asks for. Whatever is wrong with it is said, and the default is shown: nothing is lost.

    >>> parse_range({"range": "7d", "compare": "week"}, 1e6, Reader()).since
    395200.0
    """
    comparison = _find_comparison(query.get("compare", ""))
    name, first, last = query.get("range", ""), query.get("from", ""), query.get("to", "")
    if not first and not last:
        if name and name not in RANGES:
            words = f"range {cut_text(name)!r}: expected one of {', '.join(RANGES)}."
            return _last(default, now, comparison, words)
        return _last(name or default, now, comparison)
    since, until = parse_moment(first, reader), parse_moment(last, reader) if last else now
    if since is None or until is None:
        seen = first if since is None else last
        return _last(default, now, comparison, f"{cut_text(seen)!r} is no time; expected one such as 2026-11-29T14:00.")
    if since >= now:
        words = f"{reader.moment(since)} has not come yet, so nothing is recorded there."
        return _last(default, now, comparison, words)
    if until <= since:
        words = f"From {reader.moment(since)} to {reader.moment(until)} is no time; the end must come after the start."
        return _last(default, now, comparison, words)
    since = max(since, until - MOST_S)
    return TimeRange(since=since, until=min(until, now), name="", comparison=comparison)


def parse_moment(text: str, reader: Reader) -> float | None:
    """Seconds since the epoch, or a date and time in the reader's zone; None: neither.

    >>> parse_moment("1970-01-02", Reader()), parse_moment("1970-01-01T02:00", Reader(zone="Europe/Berlin"))
    (86400.0, 3600.0)
    """
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=find_zone(reader.zone) or ZoneInfo("UTC"))
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _find_comparison(text: str) -> Comparison:
    return next((one for one in get_args(Comparison) if one == text), "")


def _last(name: str, now: float, comparison: Comparison, problem: str = "") -> TimeRange:
    return TimeRange(since=now - RANGES[name][1], until=now, name=name, comparison=comparison, problem=problem)
