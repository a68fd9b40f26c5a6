"""`steward train run`: checks, starts a trainer, watches it to its end, and keeps what it made or says why not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from steward.configuration.validation import validate
from steward.configuration.yaml_lines import locate, read_mapping
from steward.core.errors import Exhausted, InputError, Interrupted, Unavailable
from steward.core.files import OTHERS, make_private_folder, open_private, try_lock, write_file
from steward.core.interrupts import delay_interrupts, remove_unless_complete
from steward.core.record_ids import make_dated_id
from steward.core.steady_clock import SteadyClock
from steward.core.training import JOB_VARIABLE, TrainerProcess, TrainingJob
from steward.improvement.dataset.rows import SEALED, TrainingRow
from steward.improvement.dataset.shapes import describe_llamafactory, shape_rows
from steward.improvement.training import (
    RunLimits,
    RunState,
    TrainingRun,
    count_seconds,
    estimate_left_s,
    explain_exit,
    find_stop,
    is_worthless,
    take_event,
)
from steward.improvement.training_config import TrainConfig
from steward.starter import path as starter_path
from steward.workflows.dataset.folder import read_manifest, read_members, read_rows, verify_dataset
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.train.folder import (
    ARTEFACTS,
    CANCEL,
    CHECKPOINTS,
    EVENTS,
    FOLDER,
    JOB,
    LOCK,
    LOG,
    ROWS,
    WORK,
    EventReader,
    collect_artefacts,
    end_group,
    find_run,
    read_job_file,
    read_start_time,
    read_state,
    write_state,
)
from steward.workflows.train.memory import require_memory
from steward.workflows.train.trainers import find_trainer, require_shape

Progress = Callable[[int, int, str], None]
OnRendered = Callable[[TrainingRun], None]
_POLL_S: Final = 0.1
_CONFIG: Final = "train.json"
_START: Final = "started"  # the trainer's number and when it began


def load_train_config(file: Path) -> TrainConfig:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read_mapping(file, such_as="trainer")
    return validate(TrainConfig, tree, lambda dotted: locate(file, lines, dotted), lines.words)


def start_run(
    file: Path,
    home: Path,
    *,
    prepare_only: bool = False,
    detached: bool = False,
    progress: Progress = lambda done, total, what: None,
    on_rendered: OnRendered = lambda run: None,
    clock: Callable[[], float] | None = None,
) -> TrainingRun:
    """Train as the file says, and return when it has ended, however. `prepare_only`: write all and start nothing.
    `detached`: as that, where it could start; `workflows/train/detached.py` does. `clock`: steady where it is None.

    :raises InputError: a set that was altered, a trainer or parameters that do not exist, too little memory
    """
    config = load_train_config(file)
    trainer = find_trainer(config.trainer)
    shape = require_shape(trainer, config.trainer, config.method)
    dataset = file.absolute().parent / os.path.expanduser(config.dataset)
    train, select, digest = _read_set(dataset, DatasetHome(home))
    clock = clock or SteadyClock()
    now = clock()
    run_id = make_dated_id("tr", now)
    folder = home / FOLDER / run_id
    make_private_folder(home / FOLDER)
    make_private_folder(folder, exist_ok=False)
    with remove_unless_complete(folder):  # nothing is started in it
        for part in (ROWS, WORK, CHECKPOINTS):
            make_private_folder(folder / part, exist_ok=False)
        job = TrainingJob(
            id=run_id, trainer=config.trainer, method=config.method, base=_find_base(config, file), dataset=digest,
            train=str(_write_rows(folder / ROWS / "train.jsonl", train, shape)),
            select=str(_write_rows(folder / ROWS / "select.jsonl", select, shape)), shape=shape,
            parameters=config.parameters, seed=config.seed, artefacts=str(folder / WORK),
            checkpoints=str(folder / CHECKPOINTS), events=str(folder / EVENTS), command=tuple(config.command),
        )  # fmt: skip
        if not (folder / ROWS / "train.jsonl").stat().st_size:
            raise InputError(f"{dataset}: no row of the training slice fits {shape}; see `steward dataset show`")
        if shape.startswith("llamafactory"):
            write_file(folder / ROWS / "dataset_info.json", _describe_rows(shape))
        process = trainer.prepare(job, config.python or sys.executable)
        write_file(folder / JOB, msgspec.json.format(msgspec.json.encode(job)))
        write_file(folder / _CONFIG, config.model_dump_json().encode())
        if prepare_only:
            return _make_run(job, "prepared", now, folder)
        _require_module(process, config)
        require_memory(job)
        if detached:
            return _make_run(job, "prepared", now, folder)
    return _Watch(
        folder, _make_run(job, "running", now, folder), process, config.limits(), progress, on_rendered, clock
    ).watch()


def resume_run(
    run_id: str,
    home: Path,
    *,
    progress: Progress = lambda done, total, what: None,
    on_rendered: OnRendered = lambda run: None,
    clock: Callable[[], float] | None = None,
) -> TrainingRun:
    """Go on with a run that ended early, from its last checkpoint if it has one.

    :raises InputError: no such run, one that runs, or one that has succeeded
    """
    folder = find_run(home, run_id)
    before = read_state(folder)
    if before.state in ("running", "succeeded"):
        raise InputError(f"{before.id} {'runs' if before.state == 'running' else 'has succeeded'}; nothing to resume")
    if not (folder / ROWS).exists():
        raise InputError(
            f"{before.id}: its rows are gone, since somebody was erased from the set or the home was restored; train "
            "anew: steward train run FILE"
        )
    _end_leftover(folder)
    config = TrainConfig.model_validate_json((folder / _CONFIG).read_bytes())
    checkpoint = before.checkpoint if before.checkpoint and Path(before.checkpoint).exists() else None
    job = msgspec.structs.replace(read_job_file(folder), resume_from=checkpoint)
    process = find_trainer(config.trainer).prepare(job, config.python or sys.executable)
    _require_module(process, config)
    require_memory(job)
    write_file(folder / JOB, msgspec.json.format(msgspec.json.encode(job)))
    shutil.rmtree(folder / WORK, ignore_errors=True)
    make_private_folder(folder / WORK, exist_ok=False)
    (folder / CANCEL).unlink(missing_ok=True)
    clock = clock or SteadyClock()
    now = clock()
    run = msgspec.structs.replace(
        before, state="running", reason="", error="", loss=None, has_end=None, started_at=now, ended_at=None,
        heard_at=now, attempts=before.attempts + (before.state != "prepared"),
        spent_s=count_seconds(before, before.heard_at),
    )  # fmt: skip
    return _Watch(folder, run, process, config.limits(), progress, on_rendered, clock).watch()


def cancel_run(run_id: str, home: Path, wait_s: float = 30.0) -> TrainingRun:
    """Ask whoever watches a run to end it, and wait until it has. :raises InputError: it does not run"""
    folder = find_run(home, run_id)
    run = read_state(folder)
    if run.state != "running":
        raise InputError(f"{run.id} does not run: {run.state}")
    write_file(folder / CANCEL, b"")
    deadline = time.monotonic() + wait_s
    while (run := read_state(folder)).state == "running" and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if run.state == "running":
        raise Unavailable(f"{run.id} has not ended after {wait_s:.0f} s; look at `steward train logs {run.id}`")
    return run


def _read_set(dataset: Path, home: DatasetHome) -> tuple[list[TrainingRow], list[TrainingRow], str]:
    """:raises InputError: altered rows, or a person of the judge's slice, or a sealed row, among those to train on"""
    verification = verify_dataset(dataset, home)
    if not verification.intact:
        raise InputError(f"{dataset}: {verification.problems[0]}; nothing was trained")
    members = read_members(dataset)
    judged = {one.subject for one in members if one.split == "judge" and one.subject}
    sealed = {one.commitment for one in members if one.split in SEALED}
    for one in members:
        if one.split == "train" and (one.subject in judged or one.commitment in sealed):
            raise InputError(f"{dataset}: row {one.id} is also in a sealed slice, for judging; build the set anew")
    return read_rows(dataset, "train"), read_rows(dataset, "select"), read_manifest(dataset).digest


def _write_rows(path: Path, rows: list[TrainingRow], shape: str) -> Path:
    write_file(path, b"".join(msgspec.json.encode(row) + b"\n" for row in shape_rows(rows, shape).rows))
    return path


def _describe_rows(shape: str) -> bytes:
    """dataset_info.json of both files."""
    names = ("train", "select")
    info = {key: one for name in names for key, one in describe_llamafactory(name, f"{name}.jsonl", shape).items()}
    return msgspec.json.format(msgspec.json.encode(info))


def _make_run(job: TrainingJob, state: RunState, now: float, folder: Path) -> TrainingRun:
    run = TrainingRun(
        id=job.id, trainer=job.trainer, method=job.method, base=job.base, dataset=job.dataset, state=state,
        started_at=now, heard_at=now, folder=str(folder),
    )  # fmt: skip
    write_state(folder, run)
    return run


def _require_module(process: TrainerProcess, config: TrainConfig) -> None:
    """:raises InputError: the trainer's environment does not have it"""
    if not process.needs:
        return
    python = config.python or sys.executable
    find = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({process.needs!r}) is None)"
    try:
        missing = subprocess.run([python, "-c", find], capture_output=True, timeout=60, check=False).returncode != 0
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"python: {python} does not start ({type(error).__name__}); name an interpreter") from error
    if missing:
        name = process.needs
        raise InputError(
            f"trainer {config.trainer}: {name} is not installed for {python}; give it an environment of its own and "
            f"name its interpreter as `python` in train.yaml: python -m venv {name}-env && {name}-env/bin/pip install "
            f"{name}. `steward train run --prepare` writes its configuration without starting it"
        )


def _find_base(config: TrainConfig, file: Path) -> str:
    """A name stays one; what lies beside the file becomes its path."""
    if config.base == "starter":
        return str(starter_path())
    beside = file.absolute().parent / os.path.expanduser(config.base)
    return str(beside) if config.base and beside.exists() else config.base


def _end_leftover(folder: Path) -> None:
    """End a trainer that outlived the steward that watched it."""
    try:
        pid, began = (folder / _START).read_text().split(" ")
    except (OSError, ValueError):
        return
    if began and read_start_time(int(pid)) == began:
        end_group(int(pid), lambda: read_start_time(int(pid)) != began)


class _Watch:
    """One attempt, from the start of the process to its end."""

    def __init__(
        self, folder: Path, run: TrainingRun, process: TrainerProcess, limits: RunLimits, progress: Progress,
        on_rendered: OnRendered, clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._folder, self._run, self._process, self._limits = folder, run, process, limits
        self._progress, self._on_rendered, self._clock = progress, on_rendered, clock
        self._events = EventReader(folder / EVENTS)
        self._events.skip()
        self._was_rendered = False

    def watch(self) -> TrainingRun:
        with self._hold():
            if reason := find_stop(self._run, self._limits, self._clock(), self._count_free()):
                return self._end("stopped", reason)
            started = None
            try:
                with delay_interrupts():  # a trainer that nobody knows of would go on alone
                    started = self._start()
                return self._run if started is None else self._follow(started)
            except KeyboardInterrupt:
                run = self._abandon(started)
                kept = "its last checkpoint is kept" if run.checkpoint else "it has no checkpoint yet"
                raise Interrupted(
                    f"interrupted at step {run.step:,}; {kept}. Go on with: steward train run --resume {run.id}"
                ) from None
            except BaseException:
                self._abandon(started)
                raise

    def _abandon(self, started: subprocess.Popen[bytes] | None) -> TrainingRun:
        if started is not None:
            end_group(started.pid, lambda: started.poll() is not None)
        return self._end("cancelled", "interrupted")

    @contextmanager
    def _hold(self) -> Iterator[None]:
        descriptor = try_lock(self._folder / LOCK)
        if descriptor is None:
            raise InputError(f"{self._run.id} is watched by another steward")
        try:
            yield
        finally:
            os.close(descriptor)

    def _start(self) -> subprocess.Popen[bytes] | None:
        """None: it could not be started, and the run has ended with the reason."""
        environment = {**os.environ, **self._process.environment, JOB_VARIABLE: str(self._folder / JOB)}
        with open_private(self._folder / LOG, "ab") as log:
            try:
                started = subprocess.Popen(
                    self._process.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                    cwd=self._folder, start_new_session=True, umask=OTHERS,
                )  # fmt: skip
            except OSError as error:
                self._end("failed", f"{self._process.argv[0]}: {error.strerror}")
                return None
        write_file(self._folder / _START, f"{started.pid} {read_start_time(started.pid)}".encode())
        self._run = msgspec.structs.replace(self._run, pid=started.pid)
        write_state(self._folder, self._run)
        return started

    def _follow(self, started: subprocess.Popen[bytes]) -> TrainingRun:
        while True:
            code = started.poll()  # before the events, so that the last ones are read
            self._take_events()
            now = self._clock()
            reason = find_stop(self._run, self._limits, now, self._count_free())
            if (self._folder / CANCEL).exists() and code is None:
                end_group(started.pid, lambda: started.poll() is not None)
                return self._end("cancelled", "cancelled")
            if reason and (code is None or is_worthless(self._run)):
                end_group(started.pid, lambda: started.poll() is not None)
                return self._end("stopped", reason)
            if code is not None:
                return self._end_by_itself(code)
            self._tell(now)
            time.sleep(_POLL_S)

    def _take_events(self) -> None:
        changed = False
        for event in self._events.read():
            if event is not None:
                self._run, changed = take_event(self._run, event, self._clock()), True
        if self._run.rendered and not self._was_rendered:
            self._was_rendered = True
            self._on_rendered(self._run)
        if changed:
            write_state(self._folder, self._run)

    def _end_by_itself(self, code: int) -> TrainingRun:
        if code:
            if self._count_free() < self._limits.min_free_bytes:
                return self._end("failed", f"the disk is full; {explain_exit(self._run, code)}")
            return self._end("failed", explain_exit(self._run, code))
        artefacts, problem = collect_artefacts(self._folder)
        if problem:
            return self._end("failed", problem)
        os.rename(self._folder / WORK, self._folder / ARTEFACTS)
        self._run = msgspec.structs.replace(self._run, artefacts=tuple(artefacts))
        return self._end("succeeded", "")

    def _end(self, state: RunState, reason: str) -> TrainingRun:
        self._run = msgspec.structs.replace(self._run, state=state, reason=reason, ended_at=self._clock(), pid=0)
        write_state(self._folder, self._run)
        (self._folder / _START).unlink(missing_ok=True)
        return self._run

    def _tell(self, now: float) -> None:
        left = estimate_left_s(self._run, now)
        eta = "" if left is None else f", about {left:.0f} s left"
        loss = "" if self._run.loss is None else f", loss {self._run.loss:.4f}"
        self._progress(self._run.step, self._run.steps or 0, f"training: step {self._run.step:,}{loss}{eta}")

    def _count_free(self) -> int:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError as error:
            raise Exhausted(f"{self._folder}: {error.strerror}") from error
