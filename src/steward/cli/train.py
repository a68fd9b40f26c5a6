"""`steward train run|list|show|logs|cancel`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    MOST_LINES,
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
    from steward.improvement.training import TrainingRun

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the beginning of it.")]
_CODES = {"succeeded": 0, "failed": 1, "stopped": 3, "cancelled": 3, "lost": 4, "running": 0}


def run(
    file: Annotated[Path | None, typer.Argument(help="Path of train.yaml.")] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on with a run that ended early, from its last checkpoint.")
    ] = None,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Write the job, the rows and the configuration, and start nothing.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it has begun; it goes on without this terminal.")
    ] = False,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("artefacts")] = False,
) -> None:
    """Train, and wait for it. Exits with 1 if the trainer failed, with 3 if it was stopped or cancelled."""
    from steward.workflows.findings import describe_training
    from steward.workflows.train.run import resume_run, start_run

    if (file is None) == (resume is None) or (resume and (prepare or detach)):
        raise InputError("expected train.yaml, or --resume RUN: steward train run train.yaml")
    if prepare and detach:
        raise InputError("--prepare starts nothing, so there is nothing to --detach; expected one of both")
    folder = find_home(home)
    if detach and file is not None:
        _start_detached(file, folder, json)
        return
    with show_progress(hidden=json) as progress:
        rendered = (lambda run: None) if json else _show_rendered
        if resume is not None:
            result = resume_run(resume, folder, progress=progress, on_rendered=rendered)
        else:
            assert file is not None
            result = start_run(file, folder, prepare_only=prepare, progress=progress, on_rendered=rendered)
    if not prepare:
        keep_finding(describe_training(result), folder)
    if json:
        show_json(result)
    else:
        _show_run(result, time.time())
    if result.state not in ("succeeded", "prepared"):
        write_note(f"{result.state}: {result.reason}")
        raise typer.Exit(_CODES[result.state])


def _start_detached(file: Path, home: Path, json: bool) -> None:
    from steward.workflows.train.detached import start_detached

    run = start_detached(file, home)
    if json:
        show_json(run)
    else:
        show_lines([f"{run.id} has begun. Follow it: steward train show {run.id}, steward train logs {run.id}"])
        show_lines([f"End it: steward train cancel {run.id}"])


def list_(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """List training runs, the newest first."""
    from steward.workflows.train.folder import list_runs

    runs = list_runs(find_home(home))
    if json:
        show_json(runs)
        return
    rows = [
        [
            one.id, one.trainer, one.method, one.state, f"{one.step:,}" + (f" of {one.steps:,}" if one.steps else ""),
            None if one.loss is None else f"{one.loss:.4f}", one.reason,
        ]
        for one in runs
    ]  # fmt: skip
    show_table(["run", "trainer", "method", "state", "step", "loss", "why"], rows)


def show(
    run: RunArgument,
    html: Annotated[Path | None, typer.Option(help="Write a page with the loss curve.")] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("artefacts")] = False,
) -> None:
    """Show a run: how far it is, its loss, what was trained on, what it made."""
    from steward.core.files import write_file
    from steward.improvement.training_page import make_training_page
    from steward.workflows.train.folder import find_run, read_state

    result = read_state(find_run(find_home(home), run))
    if html is not None:
        write_file(html, make_training_page(result).encode())
    if json:
        show_json(result)
    else:
        if result.rendered:
            _show_rendered(result)
        _show_run(result, time.time())


def logs(
    run: RunArgument,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of lines, the newest.")
    ] = 50,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a trainer wrote. It may hold words of the training set."""
    from steward.workflows.train.folder import LOG, find_run

    path = find_run(find_home(home), run) / LOG
    text = path.read_text(errors="replace").splitlines()[-lines:] if path.exists() else []
    if json:
        show_json({"run": path.parent.name, "lines": text})
    else:
        show_lines(text)


def cancel(run: RunArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """End a run; its checkpoints stay, so that it can be resumed."""
    from steward.workflows.train.run import cancel_run

    result = cancel_run(run, find_home(home))
    if json:
        show_json(result)
    else:
        show_lines([f"{result.id}: {result.state} at step {result.step:,}"])


def _show_rendered(run: TrainingRun) -> None:
    from steward.improvement.training import mark_rendered

    show_lines(["What the model sees; it learns what stands between ⟦ and ⟧:", *mark_rendered(run.rendered), ""])


def _show_run(run: TrainingRun, now: float) -> None:
    from steward.improvement.training import count_seconds, draw_curve, estimate_left_s

    left = estimate_left_s(run, now)
    facts: list[list[object]] = [["run", run.id], ["state", run.state], ["trainer", f"{run.trainer}, {run.method}"]]
    facts += [
        ["training set", run.dataset],
        ["step", run.step if run.steps is None else f"{run.step:,} of {run.steps:,}"],
    ]
    facts += [["seconds", f"{count_seconds(run, now):.0f}"]]
    facts += [["about left, seconds", f"{left:.0f}"]] if left is not None else []
    facts += [["loss", f"{run.loss:.4f}"]] if run.loss is not None else []
    facts += [["loss curve", draw_curve(run.curve)]] if run.curve else []
    facts += [["cost told by the trainer", f"${run.usd:.2f}"]] if run.usd else []
    facts += [["checkpoint", run.checkpoint]] if run.checkpoint else []
    facts += [[f"artefact {one.name}", f"{one.bytes:,} bytes, sha256 {one.sha256[:16]}"] for one in run.artefacts]
    facts += [["folder", run.folder]]
    show_table(["", "is"], facts)
    show_lines(f"warning: {text}" for text in run.warnings)
