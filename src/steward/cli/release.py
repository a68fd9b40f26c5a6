"""`steward release backtest`: what the guards would have decided of a release that has been."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_progress, show_table
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.improvement.canary import GuardReport, ReleaseDecision

EXIT_CODES: Final = {"promote": 0, "roll back": 1, "inconclusive": 3}
_SHARES: Final = frozenset({"cost"})  # guards whose estimate is a share; ratios and points are plain numbers


def backtest(
    events: Annotated[
        Path, typer.Option("--events", help="Requests of both arms in time order, one JSON object a line.")
    ],
    policy: Annotated[
        Path | None, typer.Option(help="YAML file of the policy, as under `release:`. Default: the built-in policy.")
    ] = None,
    json: Annotated[JsonOption, CsvRows("guards")] = False,
) -> None:
    """Replay a release: would the candidate be promoted or rolled back, and when?

    Exits with 0 if promoted, with 1 if rolled back, with 3 if undecided.
    """
    from steward.workflows.release import backtest_file

    with show_progress(hidden=json) as progress:
        decision = backtest_file(events, policy, progress)
    if json:
        show_json(decision)
    else:
        _show(decision)
    raise typer.Exit(EXIT_CODES[decision.decision])


def _show(decision: ReleaseDecision) -> None:
    verb = {"promote": "Promoted", "roll back": "Rolled back", "inconclusive": "Undecided"}[decision.decision]
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(decision.at or 0.0))
    share = f" at {decision.step:.0%} of people" if decision.step is not None else ""
    show_lines([f"{verb}{share}, {when}, after {decision.events:,} requests: {decision.why}.", ""])
    rows = [
        [
            guard.name.replace("_", " "),
            guard.verdict,
            _format(guard, guard.estimate),
            None if guard.interval is None else " to ".join(_format(guard, end) or "?" for end in guard.interval),
            _format_margin(guard),
            f"{guard.units['candidate']:,} / {guard.units['champion']:,}",
            guard.why,
        ]
        for guard in decision.guards
    ]
    show_table(["guard", "verdict", "estimate", "95 % interval", "allowed", "candidate / champion", "why"], rows)
    split = decision.split_check
    show_lines(
        [
            "",
            f"Split: {split.candidate:,} of {split.units:,} people had the candidate, {split.expected:,.0f} expected; "
            + ("as drawn." if split.verdict == "held" else "the weights that are noted cannot be those of the draw."),
        ]
    )


def _format(guard: GuardReport, value: float | None) -> str | None:
    if value is None:
        return None
    if guard.name in _SHARES:
        return f"{value:+.1%}"
    return f"{value:+.3f}" if guard.name in ("judge", "ratings") else f"{value:.2f} x"


def _format_margin(guard: GuardReport) -> str:
    if guard.name in _SHARES:
        return f"up to +{guard.margin:.0%}"
    if guard.name in ("judge", "ratings"):
        return f"down to -{guard.margin:g}"
    return f"up to {guard.margin:g} x" if guard.name != "rating_rate" else f"1/{guard.margin:g} to {guard.margin:g} x"
