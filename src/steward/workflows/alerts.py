"""Alert rules over history, and the drift of traffic, from files of events."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.monitoring.backtest import Backtest, collect_minutes, report
from steward.monitoring.events import Event, ReadCount, read_events
from steward.monitoring.rule_file import read_rules

if TYPE_CHECKING:
    from steward.monitoring.drift import Drift

Progress = Callable[[int, int, str], None]  # done, of how many, what


def _no_progress(done: int, total: int, what: str) -> None:
    pass


def backtest_file(rules: Path, events: Path, progress: Progress = _no_progress) -> Backtest:
    """What `rules` would have said of `events`.

    :raises InputError: a file that does not exist or cannot be understood, or no event at all
    """
    chosen, count = read_rules(rules), ReadCount()
    minutes = collect_minutes(_report_reading(events, count, progress))
    if not count.events:
        raise InputError(f"{events}: no event; expected one JSON object a line")
    return report(
        chosen,
        minutes,
        events=count.events,
        unreadable=count.unreadable,
        on_minute=lambda done, total: progress(done, total, "replaying"),
    )


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
