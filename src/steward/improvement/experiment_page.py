"""An experiment as one HTML page: both scores of the winner, all trials side by side, what mattered."""

from __future__ import annotations

from collections.abc import Sequence

from steward.improvement.experiment import Dimension, ExperimentReport, SecondLook, Trial, Value, place_value
from steward.web.charts import ChartInterval, interval_chart
from steward.web.page import card, figures, report_page, table
from steward.web.parallel import ParallelAxis, ParallelLine, parallel_chart


def make_experiment_page(report: ExperimentReport, space: Sequence[Dimension]) -> str:
    boxes = [
        ("Winner", "none" if report.winner is None else f"trial {report.winner}", f"of {len(report.trials)} trials"),
        ("First score", _format_look(report.first_score), "on what it was chosen by; flatters it"),
        ("Second score", _format_look(report.second_score), "on items that no trial saw"),
        *(
            [("On the newest items", _format_look(report.newest_score), "later than all that it was trained on")]
            if report.newest_score
            else []
        ),
        ("Than the first trial", report.verdict, _format_difference(report.against_first)),
    ]
    body = figures(boxes)
    looks = [
        ("chosen by", report.first_score, "b"),
        ("unseen items", report.second_score, "a"),
        ("newest items", report.newest_score, "c"),
    ]
    spans = [ChartInterval(name, one.value, one.low, one.high, style) for name, one, style in looks if one is not None]
    if spans:
        body += card("The winner", interval_chart("Mean score, 95 % interval", spans, lambda value: f"{value:.2f}"))
    if chart := draw_experiment(report, space):
        body += card("Trials", chart)
    known = {name: share for name, share in report.importance.items() if share is not None}
    if known:
        rows = [[name, f"{share:.0%}"] for name, share in sorted(known.items(), key=lambda item: -item[1])]
        body += card("What mattered", table("parameter|#share of the scores' variance", rows))
    listed: list[list[object]] = [
        [
            f"{trial.number}", trial.state, None if trial.mean() is None else f"{trial.mean():.4f}", f"{trial.items:,}",
            ", ".join(f"{name} {format_value(value)}" for name, value in trial.parameters.items()),
            ", ".join(f"{name} {value:g}" for name, value in trial.metrics.items()),
            report.broken.get(str(trial.number)) or trial.reason or ("Pareto" if trial.number in report.pareto else ""),
        ]
        for trial in report.trials
    ]  # fmt: skip
    body += card("All trials", table("#trial|state|#score|#items|parameters|metrics|note", listed))
    return report_page(f"Experiment {report.name}", report.id, body)


def draw_experiment(report: ExperimentReport, space: Sequence[Dimension]) -> str:
    """Parallel coordinates of the trials that came to their end, as HTML; empty where none did."""
    complete = [trial for trial in report.trials if trial.state == "complete"]
    return _draw_trials(report, space, complete) if complete else ""


def _draw_trials(report: ExperimentReport, space: Sequence[Dimension], complete: Sequence[Trial]) -> str:
    means = [trial.mean() or 0.0 for trial in complete]
    low, high = min(means), max(means)
    axes = [*(_make_axis(one) for one in space), ParallelAxis("score", f"{low:.3f}", f"{high:.3f}")]
    ordered = sorted(complete, key=lambda trial: (trial.number == report.winner, trial.mean() or 0.0))
    lines = [
        ParallelLine(
            f"trial {trial.number}",
            (
                *(place_value(one, trial.parameters[one.name]) for one in space),
                ((trial.mean() or 0.0) - low) / ((high - low) or 1.0),
            ),
            (*(format_value(trial.parameters[one.name]) for one in space), f"{trial.mean():.4f}"),
            "a" if trial.number == report.winner else "b" if trial.number in report.pareto else "c",
        )
        for trial in ordered
    ]
    return parallel_chart("Each trial, its parameters and its score", axes, lines)


def _make_axis(one: Dimension) -> ParallelAxis:
    ends = (one.choices[0], one.choices[-1]) if one.choices else (one.low, one.high)
    return ParallelAxis(one.name, *(format_value(end) for end in ends))


def format_value(value: Value) -> str:
    """
    >>> format_value(0.00012345), format_value(16), format_value("cosine")
    ('0.0001234', '16', 'cosine')
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _format_look(one: SecondLook | None) -> str:
    return "–" if one is None else f"{one.value:.3f}"


def _format_difference(one: SecondLook | None) -> str:
    return "" if one is None else f"{one.value:+.3f}, 95 % {one.low:+.3f} to {one.high:+.3f}"
