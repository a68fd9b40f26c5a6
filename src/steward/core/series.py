"""Series: what requests add to each minute, hour and day, by model, route and key.

Sums and histograms merge, so that an hour is its minutes and a week is its hours. The store adds a request to its
minute, hour and day in the transaction that takes it in: it counts once in each, however late it arrives.

Rollups are the same sums by model, route and something else than the key: nothing (all keys together), the project, or
a version. A page that tells no keys apart reads them, so that it takes as long with ten keys as with ten thousand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args

import msgspec

from steward.core.histogram import LEAST, Buckets, count_all, merge
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
TOTALS: Final = SUMS[:8]  # those that the store adds up itself
HISTOGRAMS: Final = ("ttft_s", "total_s", "inter_token_s", "request_usd", "queued_s")
_RUNNING: Final = SUMS.index("running_s")
OTHER: Final = "other"  # what stands for names beyond MOST_GROUPS
MOST_GROUPS: Final = 1000  # of model, route and key that a tenant has in one day

SeriesName = Literal["start", "model", "route", "key", "team"]
SeriesGroup = tuple[str, str, str]  # model, route, key; "" where not known
MomentKey = tuple[str, int, str, str, str]  # tenant, start in seconds since the epoch, model, route, key
RollupDimension = Literal["", "project", "model_version", "prompt_version", "route_version"]
VersionDimension = Literal["model_version", "prompt_version", "route_version"]
VERSIONS: Final[tuple[VersionDimension, ...]] = get_args(VersionDimension)
_read_names: Final = itemgetter("tenant", "model", "route", "key_id", "project", *VERSIONS)
EVERYBODY: Final = ""  # the tenant of rollups of all tenants together, which only an operator of all reads
RollupKey = tuple[str, int, RollupDimension, str, str, str]  # tenant, start, dimension, its value, model, route


K = TypeVar("K", bound=tuple[Any, ...])  # a tenant, a start, and names


class SeriesSums(msgspec.Struct):
    """What was added up; `sums` in the order of `SUMS`, `histograms` in that of `HISTOGRAMS`."""

    sums: list[float]
    histograms: tuple[Buckets, ...]

    def add(self, other: SeriesSums) -> None:
        for index, value in enumerate(other.sums):
            self.sums[index] += value
        for own, buckets in zip(self.histograms, other.histograms, strict=True):
            merge(own, buckets)

    def copy(self) -> SeriesSums:
        return SeriesSums(self.sums.copy(), tuple(buckets.copy() for buckets in self.histograms))


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
    model_version: str | None = None
    prompt_version: str | None = None
    route_version: str | None = None

    def find_dimension(self) -> tuple[RollupDimension, str] | None:
        """The rollup that answers the filter, and the value in it; None: none does.

        >>> SeriesFilter(model="m").find_dimension(), SeriesFilter(key="k").find_dimension()
        (('', ''), None)
        """
        names: tuple[RollupDimension, ...] = ("project", *VERSIONS)
        asked = [(name, str(value)) for name in names if (value := getattr(self, name)) is not None]
        if self.key is not None or len(asked) > 1:
            return None
        return asked[0] if asked else ("", "")

    def has_version(self) -> bool:
        return any(getattr(self, name) is not None for name in VERSIONS)


class CountedSeries(NamedTuple):
    """Rows that were counted from requests, because no sums are kept of them; of those that ended after `since`, in
    seconds since the epoch: None: of all of the time asked for."""

    rows: list[SeriesRow]
    since: float | None


class SeriesTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over series. What they were not grouped by is empty, and `start` is 0."""

    start: int = 0
    model: str = ""
    route: str = ""
    key: str = ""
    team: str = ""  # of the key, as it is now; "": none
    requests: float = 0.0
    judged: float = 0.0  # that say something about the service: `core.minutes.judges_service`
    failed: float = 0.0
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    usd: float = 0.0
    rated: float = 0.0
    satisfied: float = 0.0


class VersionTotal(NamedTuple):
    """What requests of one version add up to."""

    dimension: VersionDimension
    value: str
    sums: SeriesTotal


def empty_series() -> SeriesSums:
    return SeriesSums([0.0] * len(SUMS), tuple({} for _ in HISTOGRAMS))


def start_of(at: float, resolution_s: int) -> int:
    """Where the minute, hour or day begins in which a second lies; days are UTC's.

    >>> start_of(7261.5, 60), start_of(7261.5, 3600)
    (7260, 7200)
    """
    return int(at // resolution_s) * resolution_s


class SeriesPlace(NamedTuple):
    """All that requests of a minute have in common that are added up together."""

    tenant: str
    start: int
    model: str
    route: str
    key: str
    project: str = ""
    model_version: str = ""
    prompt_version: str = ""
    route_version: str = ""


def collect_places(
    rows: Iterable[Mapping[str, Any]], reactions: Iterable[Reaction] = ()
) -> dict[SeriesPlace, SeriesSums]:
    """What settled exchanges and reactions add, by minute; `rows` have the columns of the store's table."""
    groups: dict[tuple[int, tuple[Any, ...]], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["key_id"] != SHADOW:
            groups.setdefault((int(row["settled_at"] // MINUTE_S), _read_names(row)), []).append(row)
    places: dict[SeriesPlace, SeriesSums] = {}
    for (minute, (tenant, model, route, key, *versions, number)), own in groups.items():
        project, model_version, prompt_version = (name or "" for name in versions)
        place = SeriesPlace(
            *(tenant, minute * MINUTE_S, model or "", route, key, project),
            *(model_version, prompt_version, _write_version(number)),
        )
        sums = _sum_requests(own)
        if place in places:  # "" and None are one name
            places[place].add(sums)
        else:
            places[place] = sums
    for one in reactions:
        names = (one.project, one.model_version, one.prompt_version, _write_version(one.route_version))
        start = start_of(one.at, MINUTE_S)
        series = places.setdefault(
            SeriesPlace(one.tenant, start, one.model, one.route, one.key, *names), empty_series()
        )
        for column in one.columns():
            series.sums[SUMS.index(column)] += 1
    return places


def _write_version(number: int | None) -> str:
    return str(number) if number else ""


def collect_series(
    rows: Iterable[Mapping[str, Any]], reactions: Iterable[Reaction] = ()
) -> dict[MomentKey, SeriesSums]:
    """As `collect_places`, by model, route and key alone."""
    return sum_series(collect_places(rows, reactions))


def sum_series(places: Mapping[SeriesPlace, SeriesSums]) -> dict[MomentKey, SeriesSums]:
    return sum_groups((place[:5], sums) for place, sums in places.items())


def sum_rollups(
    places: Mapping[SeriesPlace, SeriesSums], dimensions: Collection[RollupDimension]
) -> dict[RollupKey, SeriesSums]:
    """By minute and each of `dimensions`; what has no version or project is in none of them."""

    def list_rollups() -> Iterator[tuple[RollupKey, SeriesSums]]:
        for place, sums in places.items():
            for dimension in dimensions:
                value = getattr(place, dimension) if dimension else ""
                if value or not dimension:
                    yield (place.tenant, place.start, dimension, value, place.model, place.route), sums

    return sum_groups(list_rollups())


def _sum_requests(rows: Sequence[Mapping[str, Any]]) -> SeriesSums:
    """Column by column, which takes half as long as request by request."""
    series = empty_series()
    sums = series.sums
    outcomes = Counter((row["outcome"], row["status"]) for row in rows)
    for (outcome, status), count in outcomes.items():
        if judges_service(outcome, status):
            sums[1] += count
            sums[2] += count * is_failure(outcome, status)
        sums[8] += count * is_answered(outcome)
    sums[0] += len(rows)
    sums[3] += sum(row["input_tokens"] for row in rows)
    sums[4] += sum(row["output_tokens"] for row in rows)
    sums[5] = sum((row["usd"] or 0.0 for row in rows), 0.0)
    let_through = [row for row in rows if row["ready_s"] is not None]  # whatever became of them
    sums[_RUNNING] = sum((max(row["duration_s"] - row["ready_s"], 0.0) for row in let_through), 0.0)
    queued = count_all([max(row["queued_s"] or 0.0, LEAST) for row in let_through])  # no wait counts as the least value
    failed = {pair for pair in outcomes if is_failure(*pair)}
    good = [row for row in rows if (row["outcome"], row["status"]) not in failed] if failed else rows
    streams = [row for row in good if row["streamed"] and row["ttft_s"] is not None]
    series.histograms = (
        count_all([row["ttft_s"] for row in streams]),
        count_all([row["duration_s"] for row in good]),
        count_all(
            [
                (row["duration_s"] - row["ttft_s"]) / (row["output_tokens"] - 1)
                for row in streams
                if row["output_tokens"] > 1
            ]
        ),
        count_all([row["usd"] for row in good]),
        queued,
    )
    return series


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


class KnownGroups:
    """Which groups days held when they were last asked, so that a day is asked again only for one that is new: its
    groups become more while it is added to, never fewer."""

    MOST_DAYS: Final = 256  # with at most about MOST_GROUPS each

    def __init__(self) -> None:
        self._days: dict[tuple[RollupDimension | None, str, int], frozenset[SeriesGroup]] = {}

    def bound(
        self,
        place: tuple[RollupDimension | None, str, int],
        groups: Collection[SeriesGroup],
        read: Callable[[], set[SeriesGroup]],
    ) -> dict[SeriesGroup, SeriesGroup]:
        """As `bound_groups`. `place`: the rollup's dimension (None: of keys), tenant and day; `read` asks the store,
        before it is added to."""
        known = self._days.get(place)
        if known is not None and known.issuperset(groups):
            return {group: group for group in groups}
        there = read()
        if len(self._days) >= self.MOST_DAYS:
            self._days.clear()
        self._days[place] = frozenset(there)
        return bound_groups(groups, there)


def sum_groups(pairs: Iterable[tuple[K, SeriesSums]]) -> dict[K, SeriesSums]:
    """Sums by key. What stands alone under its key is that very object: nobody may add to what is returned."""
    groups: dict[K, SeriesSums] = {}
    copied: set[K] = set()
    for key, sums in pairs:
        if key not in groups:
            groups[key] = sums
            continue
        if key not in copied:
            copied.add(key)
            groups[key] = groups[key].copy()
        groups[key].add(sums)
    return groups


def roll_up(minutes: Mapping[K, SeriesSums], resolution_s: int) -> dict[K, SeriesSums]:
    """The same, by longer spans."""
    spans: Iterable[tuple[Any, SeriesSums]] = (
        ((tenant, start_of(start, resolution_s), *names), series) for (tenant, start, *names), series in minutes.items()
    )
    return sum_groups(spans)
