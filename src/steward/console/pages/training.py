"""Training: runs of the improvement circle and their steps, training runs, and experiments with their trials."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.identity import Principal
from steward.improvement.experiment import ExperimentReport, SecondLook
from steward.improvement.experiment_page import draw_experiment, format_value
from steward.improvement.training import TrainingRun, count_seconds, draw_curve, estimate_left_s
from steward.workflows.experiment import find_experiment, list_experiments, read_config, read_report
from steward.workflows.improve import describe_status
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.train.folder import list_runs

MOST: Final = 50
CURVE_WIDTH: Final = 10
COLUMNS: Final = (
    *("id", "trainer", "method", "base", "dataset", "state", "reason", "started_at", "ended_at", "attempts", "step"),
    *("steps", "loss", "usd", "tainted"),
)
LAMPS: Final = {
    "succeeded": "good", "finished": "good", "done": "good", "failed": "bad", "lost": "bad", "stopped": "warning",
    "cancelled": "warning", "running": "warning", "proposed": "warning", "no winner": "warning",
}  # fmt: skip


class TrainingView(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table of training runs."""

    id: str
    trainer: str
    state: str
    lamp: str
    progress: str
    loss: str
    curve: str
    took: str
    why: str
    begun: float


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        reader: Reader = request.state.reader
        return await show_page(source, request, who, "training.html", lambda: describe(source, reader, who))

    async def show_experiment(request: Request, who: Principal) -> Response:
        name = request.path_params["experiment"]
        return await show_page(source, request, who, "experiment.html", lambda: describe_experiment(source, name))

    def list_rows(request: Request, who: Principal) -> list[TrainingRun]:
        return list_runs(source.home)

    return Page(
        (
            page_endpoint("/training", "console.read", show, tenancy="deployment"),
            csv_endpoint("/training", "console.read", "deployment", COLUMNS, list_rows),
            page_endpoint("/training/{experiment}", "console.read", show_experiment, tenancy="deployment"),
        ),
        title="Training",
        group="Improve",
        words="jobs improvement experiments trials hyperparameters loss curve",
    )


def describe(source: ConsoleSource, reader: Reader, who: Principal) -> dict[str, Any]:
    """The values of training.html."""
    now, plan = source.clock(), find_deployment(source.home).improve
    return {
        "improve": describe_status(source.store, plan, now, tenant=who.tenant),
        "trainings": [view_training(one, reader, now) for one in list_runs(source.home)[:MOST]],
        "experiments": list_experiments(source.home)[:MOST],
        "lamps": LAMPS,
    }


def view_training(run: TrainingRun, reader: Reader, now: float) -> TrainingView:
    left = estimate_left_s(run, now)
    return TrainingView(
        id=run.id,
        trainer=f"{run.trainer}, {run.method}",
        state=run.state,
        lamp=LAMPS.get(run.state, "unknown"),
        progress=reader.number(run.step) + (f" of {reader.number(run.steps)}" if run.steps else ""),
        loss="–" if run.loss is None else reader.number(run.loss, 4),
        curve=draw_curve(run.curve, CURVE_WIDTH) if run.curve else "",
        took=reader.duration(count_seconds(run, now)) + ("" if left is None else f", {reader.duration(left)} left"),
        why=run.reason,
        begun=run.started_at,
    )


def describe_experiment(source: ConsoleSource, name: str) -> dict[str, Any]:
    """The values of experiment.html. :raises UnknownName: there is no such experiment"""
    folder = find_experiment(source.home, name)
    report, space = read_report(folder, source.home), read_config(folder).dimensions()
    chart = draw_experiment(report, space)
    return {
        "report": report,
        "looks": list_looks(report),
        "chart": Markup(chart),
        "importance": sorted(
            ((name, share) for name, share in report.importance.items() if share is not None), key=lambda one: -one[1]
        ),
        "parameters": {
            trial.number: ", ".join(f"{key} {format_value(value)}" for key, value in trial.parameters.items())
            for trial in report.trials
        },
        "lamp": LAMPS.get(report.state, "unknown"),
    }


def list_looks(report: ExperimentReport) -> list[tuple[str, SecondLook, str]]:
    """Both scores of the winner, and what it gained over the first trial."""
    looks = [
        ("First score", report.first_score, "on the items that it was chosen by, which flatter it"),
        ("Second score", report.second_score, "on items that no trial saw"),
        ("On the newest items", report.newest_score, "later than all that it was trained on"),
        ("Gain over the first trial", report.against_first, f"on the same unseen items: {report.verdict}"),
    ]
    return [(name, look, note) for name, look, note in looks if look is not None]
