"""`steward experiment run|status|report|apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_progress,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.cli.terminal_text import write_note
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.improvement.experiment import ExperimentReport, SecondLook

ExperimentArgument = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="Id of the experiment, or the beginning of it.")
]


def run(
    file: Annotated[Path | None, typer.Argument(help="Path of experiment.yaml.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT", help="Go on with an experiment that was interrupted.")
    ] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("trials")] = False,
) -> None:
    """Try points of a space, and measure the winner again on items that no trial saw. Exits with 3 if there is none."""
    from steward.workflows.experiment import resume_experiment, start_experiment
    from steward.workflows.findings import describe_experiment

    if (file is None) == (resume is None):
        raise InputError("expected experiment.yaml, or --resume EXPERIMENT: steward experiment run experiment.yaml")
    folder = find_home(home)
    with show_progress(hidden=json) as progress:
        if resume is not None:
            report = resume_experiment(resume, folder, progress=progress)
        else:
            assert file is not None
            report = start_experiment(file, folder, progress=progress)
    keep_finding(describe_experiment(report), folder)
    if json:
        show_json(report)
    else:
        _show_report(report)
    if report.winner is None:
        write_note("no winner: no trial was complete and kept all constraints")
        raise typer.Exit(3)


def status(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List experiments and how far they are, the newest first."""
    from steward.workflows.experiment import list_experiments

    reports = list_experiments(find_home(home))
    if json:
        show_json(reports)
        return
    rows = [
        [
            one.id, one.name, one.state, len([trial for trial in one.trials if trial.state != "running"]), one.winner,
            None if one.second_score is None else f"{one.second_score.value:.4f}",
        ]
        for one in reports
    ]  # fmt: skip
    show_table(["experiment", "name", "state", "trials", "winner", "second score"], rows)


def report(
    experiment: ExperimentArgument,
    html: Annotated[Path | None, typer.Option(help="Write a page that compares the trials.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("trials")] = False,
) -> None:
    """Show the trials of an experiment, the Pareto set, and both scores of the winner."""
    from steward.core.files import write_file
    from steward.improvement.experiment_page import make_experiment_page
    from steward.workflows.experiment import find_experiment, read_config, read_report

    folder = find_home(home)
    found = find_experiment(folder, experiment)
    result = read_report(found, folder)
    if html is not None:
        write_file(html, make_experiment_page(result, read_config(found).dimensions()).encode())
    if json:
        show_json(result)
    else:
        _show_report(result)


def apply(
    experiment: ExperimentArgument,
    out: Annotated[Path, typer.Option(help="File to write: train.yaml with the winner's parameters.")],
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write train.yaml with the winner's parameters."""
    from steward.workflows.experiment import apply_winner, find_experiment

    folder = find_home(home)
    parameters = apply_winner(find_experiment(folder, experiment), folder, out)
    if json:
        show_json({"file": str(out), "parameters": parameters})
    else:
        show_lines([f"{out}: " + ", ".join(f"{name} {value}" for name, value in parameters.items())])


def _show_report(result: ExperimentReport) -> None:
    from steward.improvement.experiment_page import format_value

    rows = [
        [
            trial.number, trial.state, None if trial.mean() is None else f"{trial.mean():.4f}", trial.items,
            ", ".join(f"{name} {format_value(value)}" for name, value in trial.parameters.items()),
            ", ".join(f"{name} {value:g}" for name, value in trial.metrics.items()),
            result.broken.get(str(trial.number)) or trial.reason or ("Pareto" if trial.number in result.pareto else ""),
        ]
        for trial in result.trials
    ]  # fmt: skip
    show_table(["trial", "state", "score", "items", "parameters", "metrics", "note"], rows)
    known = {name: share for name, share in result.importance.items() if share is not None}
    if known:
        parts = ", ".join(f"{name} {share:.0%}" for name, share in sorted(known.items(), key=lambda item: -item[1]))
        show_lines(["", f"Share of the scores' variance: {parts}"])
    if result.winner is None:
        return
    show_lines(["", f"Winner: trial {result.winner}."])
    show_lines([f"First score, on what it was chosen by, so it flatters: {_format(result.first_score)}"])
    show_lines([f"Second score, on items that no trial saw: {_format(result.second_score)}"])
    if result.newest_score is not None:
        show_lines([f"On the newest items: {_format(result.newest_score)}"])
    if result.against_first is not None:
        show_lines([f"Less the first trial, same items: {_format(result.against_first)}: {result.verdict}"])
    show_lines([f"This judge's slice has judged {result.judge_uses} times."])
    show_lines(f"warning: {text}" for text in result.warnings)


def _format(one: SecondLook | None) -> str:
    return "–" if one is None else f"{one.value:.4f} (95 % {one.low:.4f} to {one.high:.4f}, {one.items:,} items)"
