"""`steward drift baseline|show|compare`: has the traffic changed, and could it be chance?"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.monitoring.drift import Drift, FeatureDrift


def compare(
    baseline: Annotated[Path, typer.Argument(help="Requests to compare with, one JSON object a line.")],
    current: Annotated[Path, typer.Argument(help="Requests of now, one JSON object a line.")],
    json: Annotated[JsonOption, CsvRows("features")] = False,
) -> None:
    """Compare the traffic of two files, feature by feature. Exits with 1 if anything drifted."""
    from steward.workflows.alerts import compare_files
    from steward.workflows.findings import describe_drift

    result = compare_files(baseline, current)
    keep_finding(describe_drift(result, baseline, current))
    if json:
        show_json(result)
    else:
        show_lines([f"{result.baseline_events:,} requests before, {result.current_events:,} now."])
        if unreadable := result.baseline_unreadable + result.current_unreadable:
            show_lines([f"{unreadable:,} lines could not be read."])
        if any(feature.p is not None for feature in result.features):
            show_lines([""])
            _show_features(result.features)
        else:
            show_lines(
                ["Nobody can tell: no feature is known of enough requests on both sides.", *_list_reasons(result)]
            )
    if result.drifted:
        raise typer.Exit(1)


def _list_reasons(result: Drift) -> list[str]:
    return [f"  {feature.name}: {feature.why}" for feature in result.features]


def baseline(
    since: Annotated[str, typer.Option(help="Time whose requests become the baseline, such as 7d.")] = "7d",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Freeze what requests are like now; later ones are compared with it. A new baseline replaces the one before."""
    from steward.core.identity import operator
    from steward.workflows.drift import freeze_baseline

    frozen = freeze_baseline(find_home(home), since, operator(os.getuid(), reason))
    if json:
        record = {name: getattr(frozen, name) for name in ("created_at", "created_by", "since", "until")}
        show_json({**record, "events": len(frozen.rows)})
    else:
        show_lines([f"{len(frozen.rows):,} sampled requests from {_time(frozen.since)} to {_time(frozen.until)}."])


def show(home: HomeOption = None, json: Annotated[JsonOption, CsvRows("features")] = False) -> None:
    """Compare the last day with the baseline. Exits with 1 if it drifted, with 3 if nobody can tell."""
    from steward.workflows.drift import show_drift

    result = show_drift(find_home(home))
    if json:
        show_json(result)
    else:
        if result.baseline_at is not None:
            show_lines([f"Baseline of {_time(result.baseline_at)}: {result.baseline_events:,} sampled requests."])
            show_lines([f"In the last day: {result.current_events:,}.", ""])
        if result.features:
            _show_features(result.features)
        drifted = f": {', '.join(result.drifted)}" if result.drifted else ""
        show_lines([f"{result.state.capitalize()}{drifted}{f': {result.why}' if result.why else ''}."])
    if result.state != "no drift":
        raise typer.Exit(1 if result.drifted else 3)


def _show_features(features: Sequence[FeatureDrift]) -> None:
    rows = [
        [
            feature.name,
            "drifted" if feature.drifted else "cannot tell" if feature.p is None else "no drift",
            _value(feature.baseline),
            _value(feature.current),
            None if feature.effect is None else f"{feature.effect:.4f}",
            _p(feature.p_adjusted),
        ]
        for feature in features
    ]
    show_table(["feature", "verdict", "before", "now", "effect, bits", "adjusted p"], rows)
    show_lines(f"{feature.name}: {feature.why}" for feature in features if feature.why)


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _value(value: float | str | None) -> str | None:
    return f"{value:.4g}" if isinstance(value, float) else value


def _p(p: float | None) -> str | None:
    return None if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
