"""`steward alerts backtest`: how often a rule would have fired, before it is switched on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_progress, show_table
from steward.monitoring.backtest import Backtest


def backtest(
    rules: Annotated[Path, typer.Argument(help="YAML file of rules; an empty one means steward's own.")],
    events: Annotated[Path, typer.Option("--events", help="Requests, one JSON object a line.")],
    json: JsonOption = False,
) -> None:
    """Replay requests through alert rules: what would have fired, when and why. Exits with 1 if anything fired."""
    from steward.workflows.alerts import backtest_file

    with show_progress(hidden=json) as progress:
        result = backtest_file(rules, events, progress)
    if json:
        show_json(result)
    else:
        _show(result)
    if result.pages or result.tickets:
        raise typer.Exit(1)


def _show(result: Backtest) -> None:
    unreadable = f" {result.unreadable:,} lines could not be read." if result.unreadable else ""
    show_lines([f"{result.events:,} requests over {result.span_s / 86400:.1f} days.{unreadable}", ""])
    rows = [
        [rule.name, rule.severity, len(rule.firings), f"{rule.pages_per_week:.2f}" if rule.severity == "page" else None]
        for rule in result.rules
    ]
    show_table(["rule", "severity", "fired", "pages a week"], rows)
    for rule in result.rules:
        for firing in rule.firings:
            end = "still firing" if firing.end is None else f"until {_time(firing.end)}"
            where = ", ".join(scope for scope in firing.scopes if scope != "all")
            show_lines(["", f"{rule.name}: from {_time(firing.start)} {end}{f' ({where})' if where else ''}"])
            show_lines([f"  {firing.evidence}"])
    if result.not_judged:
        show_lines(["", "These rules could not be judged on this history:"])
        show_lines(f"  {item.rule}: {item.why}" for item in result.not_judged)
    show_lines(["", f"{_plural(result.pages, 'page')}, {_plural(result.tickets, 'ticket')}."])


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
