"""The keeper's schedule of counterfactual audits: a process of its own asks the gateway, guards included.

What an audit proves, its command keeps as evidence. Beside its answers lie a log and `last.json`, from which a keeper
that starts anew knows what was run; a run that nobody ended is taken up again in its folder, whose answers are kept.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from steward.core.files import make_private_folder, write_file
from steward.core.process_ids import is_process_there
from steward.governance.fairness_schedule import (
    AuditResult,
    AuditRun,
    FairnessAudit,
    choose_due,
    find_due_at,
    make_arguments,
)
from steward.workflows.serve.deployment import find_deployment

log = logging.getLogger(__name__)

FOLDER: Final = "fairness"
LAST: Final = "last.json"


class AuditState(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `steward fairness schedule --json`."""

    name: str
    suite: str
    model: str
    every_s: float
    margin: float
    result: AuditResult  # of the last run
    last_at: float | None
    next_at: float
    folder: str | None  # of the last run: its answers, and log.txt


class AuditProcess(Protocol):
    """A process that was started."""

    pid: int

    def poll(self) -> int | None: ...


def read_run(home: Path, name: str) -> AuditRun | None:
    """None: it never ran, or what was kept of it cannot be read."""
    try:
        return msgspec.json.decode((home / FOLDER / name / LAST).read_bytes(), type=AuditRun)
    except (OSError, msgspec.MsgspecError):
        return None


def list_states(home: Path, now: float) -> list[AuditState]:
    """Of the audits that are scheduled now. :raises InputError: the plan or the settings cannot be read"""
    states = []
    for audit in find_deployment(home).fairness:
        last = read_run(home, audit.name)
        states.append(
            AuditState(
                name=audit.name,
                suite=audit.suite,
                model=audit.model,
                every_s=audit.every_s,
                margin=audit.margin,
                result="never run" if last is None else last.result,
                last_at=None if last is None else last.started_at,
                next_at=max(now, find_due_at(audit, last)),
                folder=None if last is None else last.folder,
            )
        )
    return states


def start_audit(home: Path, audit: FairnessAudit, folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own, in the folder that the home stands in."""
    arguments = make_arguments(audit, str(folder / "answers"), str(home))
    with (folder / "log.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "steward", *arguments],
            cwd=home.parent, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip


class FairnessSchedule:
    """The keeper's job: one audit at a time."""

    def __init__(
        self,
        home: Path,
        start: Callable[[Path, FairnessAudit, Path], AuditProcess] = start_audit,
        clock: Callable[[], float] = time.time,
        is_running: Callable[[int], bool] = is_process_there,
    ) -> None:
        self._home, self._start, self._clock, self._is_running = home.absolute(), start, clock, is_running
        self._child: tuple[str, AuditProcess] | None = None

    def run(self) -> None:
        """:raises InputError: the plan or the settings cannot be read"""
        if self._child is not None and not self._collect(*self._child):
            return
        audits = find_deployment(self._home).fairness
        runs = {audit.name: run for audit in audits if (run := read_run(self._home, audit.name)) is not None}
        if self._go_on(audits, runs):
            return
        due = choose_due(audits, runs, self._clock())
        if due is not None:
            moment = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(self._clock()))
            self._begin(due, self._home / FOLDER / due.name / moment)

    def _collect(self, name: str, child: AuditProcess) -> bool:
        """Whether the process has ended; then what became of it is kept."""
        code = child.poll()
        if code is None:
            return False
        self._child = None
        run = read_run(self._home, name)
        if run is not None:
            ended = msgspec.structs.replace(run, ended_at=self._clock(), exit_code=code)
            self._keep(name, ended)
            if ended.result == "failed":
                log.warning("the fairness audit %s failed with exit code %d; see %s/log.txt", name, code, run.folder)
        return True

    def _go_on(self, audits: Sequence[FairnessAudit], runs: dict[str, AuditRun]) -> bool:
        """Whether one is under way: of another keeper's, or begun anew because its process is gone."""
        for audit in audits:
            run = runs.get(audit.name)
            if run is not None and run.exit_code is None:
                if not self._is_running(run.pid):
                    self._begin(audit, Path(run.folder), run.started_at)
                return True
        return False

    def _begin(self, audit: FairnessAudit, folder: Path, started_at: float | None = None) -> None:
        make_private_folder(folder)
        child = self._start(self._home, audit, folder)
        self._child = audit.name, child
        began = self._clock() if started_at is None else started_at
        self._keep(audit.name, AuditRun(started_at=began, folder=str(folder), pid=child.pid))

    def _keep(self, name: str, run: AuditRun) -> None:
        write_file(self._home / FOLDER / name / LAST, msgspec.json.encode(run))
