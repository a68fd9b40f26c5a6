"""Series: what requests add to each minute, hour and day, by model, route and key.

Sums and histograms merge, so that an hour is its minutes and a week is its hours. The store adds a request to its
minute, hour and day in the transaction that takes it in: it counts once in each, however late it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from steward.core.histogram import LEAST, Buckets, merge, observe
from steward.core.identity import DEFAULT_TENANT
from steward.core.minutes import SHADOW, is_failure, judges_service
from steward.core.reactions import Reaction, is_answered

MINUTE_S: Final = 60
HOUR_S: Final = 3600
DAY_S: Final = 86400
RESOLUTIONS: Final = (MINUTE_S, HOUR_S, DAY_S)

SUMS: Final = (
    *("requests", "judged", "failed", "input_tokens", "output_tokens", "usd", "rated", "satisfied"),
    *("answered", "regenerated", "abandoned", "copied", "rephrased", "scored", "passed", "running_s"),
)
HISTOGRAMS: Final = ("ttft_s", "total_s", "inter_token_s", "request_usd", "queued_s")
_RUNNING: Final = SUMS.index("running_s")
OTHER: Final = "other"  # what stands for names beyond MOST_GROUPS
MOST_GROUPS: Final = 1000  # of model, route and key that a tenant has in one day

SeriesName = Literal["start", "model", "route", "key"]
SeriesGroup = tuple[str, str, str]  # model, route, key; "" where not known
MomentKey = tuple[str, int, str, str, str]  # tenant, start in seconds since the epoch, model, route, key


class SeriesSums(msgspec.Struct):
    """What was added up; `sums` in the order of `SUMS`, `histograms` in that of `HISTOGRAMS`."""

    sums: list[float]
    histograms: tuple[Buckets, ...]

    def add(self, other: SeriesSums) -> None:
        for index, value in enumerate(other.sums):
            self.sums[index] += value
        for own, buckets in zip(self.histograms, other.histograms, strict=True):
            merge(own, buckets)


class SeriesRow(msgspec.Struct, frozen=True):
    """One model, route and key in the minute, hour or day that begins at `start`; histograms as they are kept."""

    start: int
    model: str
    route: str
    key: str
    sums: tuple[float, ...]
    histograms: tuple[bytes, ...]


class SeriesFilter(msgspec.Struct, frozen=True):
    """Which rows are wanted; None: all. "" is what is not known, such as the model where none answered."""

    model: str | None = None
    route: str | None = None
    key: str | None = None
    project: str | None = None  # of the keys that belong to it


class SeriesTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over series. What they were not grouped by is empty, and `start` is 0."""

    start: int = 0
    model: str = ""
    route: str = ""
    key: str = ""
    requests: float = 0.0
    judged: float = 0.0  # that say something about the service: `core.minutes.judges_service`
    failed: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    usd: float = 0.0
    rated: float = 0.0
    satisfied: float = 0.0


def empty_series() -> SeriesSums:
    return SeriesSums([0.0] * len(SUMS), tuple({} for _ in HISTOGRAMS))


def start_of(at: float, resolution_s: int) -> int:
    """Where the minute, hour or day begins in which a second lies; days are UTC's.

    >>> start_of(7261.5, 60), start_of(7261.5, 3600)
    (7260, 7200)
    """
    return int(at // resolution_s) * resolution_s


def collect_series(
    rows: Iterable[Mapping[str, Any]], reactions: Iterable[Reaction] = ()
) -> dict[MomentKey, SeriesSums]:
    """What settled exchanges and reactions add, by minute; `rows` have the columns of the store's table."""
    minutes: dict[MomentKey, SeriesSums] = {}
    for row in rows:
        if row["key_id"] == SHADOW:
            continue
        start = start_of(row["settled_at"], MINUTE_S)
        key = (row.get("tenant", DEFAULT_TENANT), start, row["model"] or "", row["route"], row["key_id"])
        series = minutes.get(key)
        if series is None:
            series = minutes[key] = empty_series()
        _add_request(series, row)
    for one in reactions:
        key = (one.tenant, start_of(one.at, MINUTE_S), one.model, one.route, one.key)
        series = minutes.setdefault(key, empty_series())
        for column in one.columns():
            series.sums[SUMS.index(column)] += 1
    return minutes


def _add_request(series: SeriesSums, row: Mapping[str, Any]) -> None:
    sums, outcome, status = series.sums, row["outcome"], row["status"]
    failed = is_failure(outcome, status)
    sums[0] += 1
    if judges_service(outcome, status):
        sums[1] += 1
        sums[2] += failed
    sums[3] += row["input_tokens"]
    sums[4] += row["output_tokens"]
    sums[5] += row["usd"] or 0.0
    sums[8] += is_answered(outcome)
    first, total, between, usd, queued = series.histograms
    ready_s = row.get("ready_s")
    if ready_s is not None:  # it was let through, whatever became of it
        sums[_RUNNING] += max(row["duration_s"] - ready_s, 0.0)
        observe(queued, max(row["queued_s"] or 0.0, LEAST))  # no wait counts as the least value
    if failed:
        return
    ttft_s, duration_s, tokens = row["ttft_s"], row["duration_s"], row["output_tokens"]
    observe(total, duration_s)
    observe(usd, row["usd"])
    if ttft_s is not None and row["streamed"]:
        observe(first, ttft_s)
        if tokens > 1:
            observe(between, (duration_s - ttft_s) / (tokens - 1))


def bound_groups(
    groups: Iterable[SeriesGroup], known: set[SeriesGroup], most: int = MOST_GROUPS
) -> dict[SeriesGroup, SeriesGroup]:
    """Under which group each of `groups` counts, so that there are at most about `most`: first a key becomes "other",
    then all three names. `known` are those that there are; new ones join it.

    >>> bound_groups([("m", "r", "k1"), ("m", "r", "k2")], {("m", "r", "k1")}, most=1)[("m", "r", "k2")]
    ('m', 'r', 'other')
    """
    renamed: dict[SeriesGroup, SeriesGroup] = {}
    for group in sorted(groups):
        model, route, _ = group
        if group not in known:
            if len(known) < most:
                known.add(group)
            else:
                pairs = {(one, two) for one, two, _ in known}
                renamed[group] = (model, route, OTHER) if (model, route) in pairs else (OTHER, OTHER, OTHER)
                continue
        renamed[group] = group
    return renamed


def roll_up(minutes: Mapping[MomentKey, SeriesSums], resolution_s: int) -> dict[MomentKey, SeriesSums]:
    """The same, by longer spans."""
    spans: dict[MomentKey, SeriesSums] = {}
    for (tenant, start, model, route, key), series in minutes.items():
        spans.setdefault((tenant, start_of(start, resolution_s), model, route, key), empty_series()).add(series)
    return spans
