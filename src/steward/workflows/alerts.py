"""Alert rules over history, and the drift of traffic, from files of events."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from steward.adapters.stores.sql import SqlStore
from steward.core.durations import parse_span_s
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.minutes import minute_of
from steward.core.records import ExchangeFilter
from steward.core.series import MINUTE_S
from steward.monitoring.backtest import Backtest, collect_minutes, collect_objectives, report
from steward.monitoring.events import Event, ReadCount, read_events
from steward.monitoring.rule_file import read_rule_set
from steward.monitoring.slo import SloPlan, columns_of, count_minutes, make_rules
from steward.workflows.serve.deployment import open_served_store
from steward.workflows.serve.plan import read_plan
from steward.workflows.watch import group_minutes

if TYPE_CHECKING:
    from steward.monitoring.drift import Drift

SLICES: Final = 24  # of a time that requests are sampled from
PER_SLICE: Final = 50
LEAST_SAMPLE: Final = 30
MOST_EXAMPLES: Final = 5
Progress = Callable[[int, int, str], None]  # done, of how many, what


def _no_progress(done: int, total: int, what: str) -> None:
    pass


def backtest_file(rules: Path, events: Path, progress: Progress = _no_progress) -> Backtest:
    """What `rules` would have said of `events`.

    :raises InputError: a file that does not exist or cannot be understood, or no event at all
    """
    chosen, count = read_rule_set(rules), ReadCount()
    if chosen.slos:
        kept = list(_report_reading(events, count, progress))
        minutes, objectives = collect_minutes(kept), collect_objectives(chosen.slos, kept)
    else:
        minutes, objectives = collect_minutes(_report_reading(events, count, progress)), {}
    if not count.events:
        raise InputError(f"{events}: no event; expected one JSON object a line")
    return report(
        (*chosen.rules, *make_rules(chosen.slos)),
        minutes,
        objectives=objectives,
        columns=_list_columns(chosen.slos),
        events=count.events,
        unreadable=count.unreadable,
        on_minute=lambda done, total: progress(done, total, "replaying"),
    )


def backtest_history(
    rules: Path, home: Path, since: str, progress: Progress = _no_progress, now: float | None = None
) -> Backtest:
    """What `rules` would have said of what the deployment has recorded. The objectives are the file's, else those that
    are served; they are judged as far back as series of minutes are kept.

    :raises InputError: a file or span that cannot be understood, or nothing recorded in this time
    :raises Unavailable: nothing was served yet, or the store does not answer
    """
    chosen, span_s, until = read_rule_set(rules), parse_span_s(since, "since"), time.time() if now is None else now
    store = open_served_store(home)
    try:
        slos = chosen.slos or read_plan(home / "run" / "plan.json").monitoring.slos
        first, end = minute_of(until - span_s), minute_of(until)
        minutes = group_minutes(store.minutes.read(first, end, tenant=None))
        rows = store.series.read_rollup(MINUTE_S, first * MINUTE_S, end * MINUTE_S, tenant=None) if slos else None
    finally:
        store.close()
    if not minutes:
        raise InputError(f"no request in the last {since}; name a longer time, or a file with --events")
    return report(
        (*chosen.rules, *make_rules(slos)),
        minutes,
        objectives=count_minutes(slos, rows or []),
        columns=_list_columns(slos),
        events=round(sum(sums[0] for minute in minutes.values() for sums in minute.values())),
        on_minute=lambda done, total: progress(done, total, "replaying"),
    )


def _list_columns(slos: Sequence[SloPlan]) -> tuple[str, ...]:
    return tuple(name for plan in slos for name in columns_of(plan))


def compare_files(baseline: Path, current: Path) -> Drift:
    """:raises InputError: a file without an event, or the extra is not installed"""
    try:
        from steward.monitoring.drift import compare
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise InputError(f"`steward drift` needs numpy; {install_command('monitoring')}") from error
    counts = ReadCount(), ReadCount()
    drift = compare(_read_all(baseline, counts[0]), _read_all(current, counts[1]))
    return msgspec.structs.replace(
        drift, baseline_unreadable=counts[0].unreadable, current_unreadable=counts[1].unreadable
    )


class DriftExamples(msgspec.Struct, frozen=True):
    """Requests of now that show how a feature has changed: the farthest on the side to which it moved, or the newest
    with the value that has gained most. Features only, never words."""

    feature: str
    requests: tuple[DriftExample, ...]


class DriftExample(NamedTuple):
    request_id: str
    at: float
    value: float | str


class SampleDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of a time beside those of as long before it; `drift` None: too few, or `problem`."""

    drift: Drift | None = None
    problem: str = ""
    examples: tuple[DriftExamples, ...] = ()  # of what has changed


def compare_samples(store: SqlStore, now: float, days: int, *, tenant: str | None) -> SampleDrift:
    """A sample of the last `days` with one of as many before them. :raises Unavailable: the store does not answer"""
    span_s = days * 86400.0
    before = _take_sample(store, now - 2 * span_s, now - span_s, tenant)
    after = _take_sample(store, now - span_s, now, tenant)
    if min(len(before), len(after)) < LEAST_SAMPLE:
        return SampleDrift()
    first, second = [event for _, event in before], [event for _, event in after]
    try:
        from steward.monitoring.drift import compare
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        return SampleDrift(problem=f"Drift needs numpy; {install_command('monitoring')}.")
    drift = compare(first, second)
    changed = [feature.name for feature in drift.features if feature.drifted]
    return SampleDrift(drift=drift, examples=tuple(find_examples(name, first, after) for name in changed))


def find_examples(name: str, before: Sequence[Event], after: Sequence[tuple[str, Event]]) -> DriftExamples:
    """
    >>> old = [Event(at=0.0, input_tokens=size) for size in (10, 12, 14)]
    >>> new = [("r1", Event(at=1.0, input_tokens=12)), ("r2", Event(at=2.0, input_tokens=90))]
    >>> find_examples("input_tokens", old, new).requests[0]
    DriftExample(request_id='r2', at=2.0, value=90)
    """
    old = [value for event in before if (value := getattr(event, name)) is not None]
    known = [
        (request_id, event.at, value) for request_id, event in after if (value := getattr(event, name)) is not None
    ]
    if all(isinstance(value, int | float) for *_, value in known):
        more = sum(value for *_, value in known) / max(1, len(known)) >= sum(old) / max(1, len(old))
        chosen = sorted(known, key=lambda one: (-one[2] if more else one[2], -one[1]))
    else:
        was, now = Counter(old), Counter(value for *_, value in known)
        gained = max(now, key=lambda value: now[value] / len(known) - was[value] / max(1, len(old)), default=None)
        chosen = sorted((one for one in known if one[2] == gained), key=lambda one: -one[1])
    return DriftExamples(name, tuple(DriftExample(*one) for one in chosen[:MOST_EXAMPLES]))


def _take_sample(store: SqlStore, since: float, until: float, tenant: str | None) -> list[tuple[str, Event]]:
    """The newest requests of each of equal slices, so that all of the time is seen and none of it whole."""
    width = (until - since) / SLICES
    events = []
    for number in range(SLICES):
        wanted = ExchangeFilter(since=since + number * width, until=since + (number + 1) * width)
        for row in store.exchanges.find(wanted, PER_SLICE, tenant=tenant).rows:
            if row.outcome != "ok":
                continue
            event = Event(
                at=row.at,
                route=row.route,
                model=row.model,
                input_tokens=row.input_tokens or None,
                output_tokens=row.output_tokens or None,
            )
            events.append((row.request_id, event))
    return events


def _read_all(path: Path, count: ReadCount) -> list[Event]:
    events = list(read_events(path, count))
    if not events:
        raise InputError(f"{path}: no event; expected one JSON object a line")
    return events


def _report_reading(path: Path, count: ReadCount, progress: Progress) -> Iterator[Event]:
    """Every event; progress by lines, of as many as the first ones suggest."""
    size = os.path.getsize(path) if path.is_file() else 0
    for event in read_events(path, count):
        if count.events % 20_000 == 0:
            progress(count.events, max(count.events, size // 200), "reading")
        yield event
