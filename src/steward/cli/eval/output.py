"""How commands of `steward eval` show progress, numbers and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from steward.cli.common import show_lines
from steward.evaluation.numbers import format_number

_MOST_LINES: Final = 20


@contextmanager
def progress_bar() -> Iterator[Callable[[int], Callable[[int, int], None]]]:
    """A progress bar with the time left, on a terminal's standard error; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def begin(total: int) -> Callable[[int, int], None]:
            task = progress.add_task("", total=total, failed=0)
            return lambda done, failed: progress.update(task, completed=done + failed, failed=failed)

        yield begin


def format_numbers(*values: float | None) -> list[str | None]:
    return [format_number(value) for value in values]


def format_interval(low: float | None, high: float | None) -> str:
    """ "  [0.7812, 0.8611]", or nothing where there is no interval."""
    return "" if low is None or high is None else f"  [{format_number(low)}, {format_number(high)}]"


def show_problems(errored: Sequence[str], unscored: Sequence[str] = ()) -> None:
    """The first failures and the first items without a value; equal reasons are counted."""
    show_lines([f"failed: {line}" for line in count_reasons(errored)[:_MOST_LINES]])
    show_lines([f"unscored: {line}" for line in count_reasons(unscored)[:_MOST_LINES]])


def count_reasons(lines: Sequence[str]) -> list[str]:
    """
    >>> count_reasons(["1: HTTP 500", "2: HTTP 500", "3: timed out"])
    ['2 items, first 1: HTTP 500', '3: timed out']
    """
    by_reason: dict[str, list[str]] = {}
    for line in lines:
        name, _, reason = line.partition(": ")
        by_reason.setdefault(reason, []).append(name)
    return [
        f"{names[0]}: {reason}" if len(names) == 1 else f"{len(names)} items, first {names[0]}: {reason}"
        for reason, names in by_reason.items()
    ]


def format_counts(scored: int, unscored: int, errored: int, what: str = "scored") -> str:
    return f"{scored} {what}, {unscored} unscored, {errored} failed"
