"""`steward improve run|status|enable|cancel|work`."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    TenantOption,
    act_for,
    find_home,
    show_json,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.core.excerpts import cut_text

if TYPE_CHECKING:
    from steward.core.improvements import ImprovementRun, ImprovementStep


def run(
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    detach: Annotated[bool, typer.Option("--detach", help="Leave it to the keeper; do not wait for its end.")] = False,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("steps")] = False,
) -> None:
    """Run the commands of `improve.steps`: the run that is proposed, or a new one. Exits with 1 where a step failed."""
    from steward.workflows.improve import RunWorker, accept_run, begin_run
    from steward.workflows.releases import open_desk

    folder, actor, now = find_home(home), act_for(tenant, reason), time.time()
    with open_desk(folder) as desk:
        record = accept_run(desk.store, desk.audit, now, actor=actor)
        if record is None:
            plan = desk.deployment.improve
            record = begin_run(desk.store, desk.audit, plan, "manual", reason or "by hand", now, actor=actor)
        if not detach:
            record = RunWorker(folder, desk.store, _name_holder()).work(record.id)
    _show(record, json)
    raise typer.Exit(1 if record.state == "failed" else 0)


def status(
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("runs")] = False,
) -> None:
    """Show whether a run is due by the policy, why, and the runs so far."""
    from steward.workflows.improve import describe_status
    from steward.workflows.releases import open_desk

    folder, now = find_home(home), time.time()
    with open_desk(folder) as desk:
        told = describe_status(desk.store, desk.deployment.improve, now, tenant=tenant)
    if json:
        show_json(told)
        return
    due = f"due ({told.trigger.kind})" if told.trigger.kind else "not due"
    show_lines([f"improve.mode {told.mode}; a run is {due}: {told.trigger.why}.", ""])
    rows = [
        [
            one.id,
            one.trigger,
            one.state,
            ", ".join(_describe_step(step) for step in one.steps),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(one.started_at)),
            one.error or one.why,
        ]
        for one in told.runs
    ]
    show_table(["run", "trigger", "state", "steps", "begun", "why"], rows)
    show_lines([_describe_holder(one, folder, now) for one in told.runs if one.state == "running"])


def _describe_step(step: ImprovementStep) -> str:
    return f"{step.name} {step.state}" + (f" ({step.attempts} tries)" if step.attempts > 1 else "")


def _describe_holder(run: ImprovementRun, home: Path, now: float) -> str:
    """Who carries out a run that is not over, and where its logs are."""
    from steward.core.files import quote_path
    from steward.workflows.improve import FOLDER

    logs = f"its logs: {quote_path(home / FOLDER / run.id)}"
    if not run.holder:
        return f"{run.id} waits for a process; {logs}"
    return f"{run.id} is carried out by {run.holder}, heard of {max(0.0, now - run.heartbeat_at):.0f} s ago; {logs}"


def enable(
    mode: Annotated[str, typer.Argument(help="off, propose or act.")] = "propose",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Say how to let the policy propose or begin runs; the settings are yours to change."""
    from steward.core.errors import InputError
    from steward.workflows.serve.deployment import find_deployment

    if mode not in ("off", "propose", "act"):
        raise InputError(f"mode {cut_text(mode)!r}: expected off, propose or act")
    folder = find_home(home)
    plan, file = find_deployment(folder).improve, folder.parent / "steward.yaml"
    lines = [] if plan.mode == mode else ["improve:", f"  mode: {mode}"]
    if lines and not plan.steps:  # settings without steps have the mode off
        lines += ["  steps:", *(f"    - {line}" for line in EXAMPLE_STEPS)]
    if json:
        show_json({"file": str(file), "mode": plan.mode, "wanted": mode, "yaml": "\n".join(lines)})
    elif lines:
        show_lines([f"Set in {file}, and it serves within a second:", "", *lines])
    else:
        show_lines([f"improve.mode is {mode} already."])


EXAMPLE_STEPS = (
    "{name: build, command: [steward, dataset, build, dataset.yaml]}",
    "{name: train, command: [steward, train, run, train.yaml]}",
)


def cancel(
    run: Annotated[str, typer.Argument(help="Id of the run.")],
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("steps")] = False,
) -> None:
    """End a run, proposed or running; the command that runs is ended within seconds."""
    from steward.workflows.improve import cancel_run
    from steward.workflows.releases import open_desk

    with open_desk(find_home(home)) as desk:
        record = cancel_run(desk.store, desk.audit, run, time.time(), actor=act_for(tenant, reason))
    _show(record, json)


def work(
    run: Annotated[str, typer.Argument(help="Id of the run.")],
    home: Annotated[Path | None, typer.Option("--home", help="Folder of the deployment's data.")] = None,
    json: Annotated[JsonOption, CsvRows("steps")] = False,
) -> None:
    """Carry out a run that has begun, from its first step that is not done. The keeper starts this."""
    from steward.workflows.improve import RunWorker
    from steward.workflows.releases import open_desk

    folder = find_home(home)
    with open_desk(folder) as desk:
        record = RunWorker(folder, desk.store, _name_holder()).work(run)
    _show(record, json)
    raise typer.Exit(1 if record.state == "failed" else 0)


def _name_holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _show(run: ImprovementRun, json: bool) -> None:
    if json:
        show_json(run)
        return
    show_lines([f"{run.id}: {run.state}{f', {run.error}' if run.error else ''}", f"{run.trigger}: {run.why}", ""])
    rows = [
        [
            step.name,
            step.state,
            step.exit_code,
            None if step.started_at is None or step.ended_at is None else f"{step.ended_at - step.started_at:.1f} s",
            " ".join(step.command),
        ]
        for step in run.steps
    ]
    show_table(["step", "state", "exit code", "took", "command"], rows)
