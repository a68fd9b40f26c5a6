"""Alert rules over history, and the drift of traffic, from files of events."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steward.core.durations import parse_span_s
from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.minutes import minute_of
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
        rows = store.series.read(MINUTE_S, first * MINUTE_S, end * MINUTE_S, tenant=None) if slos else []
    finally:
        store.close()
    if not minutes:
        raise InputError(f"no request in the last {since}; name a longer time, or a file with --events")
    return report(
        (*chosen.rules, *make_rules(slos)),
        minutes,
        objectives=count_minutes(slos, rows),
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
    return compare(_read_all(baseline), _read_all(current))


def _read_all(path: Path) -> list[Event]:
    events = list(read_events(path, ReadCount()))
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
