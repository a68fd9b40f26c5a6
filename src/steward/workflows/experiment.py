"""`steward experiment`: asks for points, trains and scores them, and looks a second time at the winner.

HOME/experiments/ID holds config.json, items/select.jsonl and a file for each trial; a trial that is there is not made
again. The judge's items exist in clear only while the second look lasts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from steward.adapters.samplers.optuna import OptunaSampler
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import locate, read_mapping
from steward.core.errors import InputError, Interrupted, Unavailable, UnknownName
from steward.core.files import OTHERS, make_private_folder, open_private, try_lock, write_file
from steward.core.interrupts import remove_temporary
from steward.core.record_ids import make_dated_id
from steward.improvement.dataset.rows import SEALED, Split
from steward.improvement.dataset.shapes import shape_rows
from steward.improvement.experiment import (
    ExperimentReport,
    SecondLook,
    Trial,
    Value,
    check_scores,
    choose_survivors,
    choose_winner,
    decide_verdict,
    find_broken,
    list_pareto,
    measure_importance,
    plan_rungs,
    sample_point,
)
from steward.improvement.experiment_config import ExperimentConfig
from steward.workflows.dataset.folder import read_rows, verify_dataset
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.train.folder import ARTEFACTS
from steward.workflows.train.run import start_run

FOLDER: Final = "experiments"
TRIAL_VARIABLE: Final = "STEWARD_TRIAL"
CONFIG, TRIALS, ITEMS, REPORT, LOG, LOCK = "config.json", "trials", "items", "report.json", "log.txt", "lock"
MAX_JUDGE_USES: Final = 10  # beyond it choices have been made by a slice that was to judge them
Progress = Callable[[int, int, str], None]


class _Saved(msgspec.Struct, frozen=True):
    """config.json: the settings, and the folder that paths in them are relative to."""

    settings: dict[str, Any]
    base: str


class _Result(msgspec.Struct, frozen=True):
    """What an evaluating program writes."""

    scores: list[Any]
    metrics: dict[str, float] = {}


def load_experiment(file: Path) -> ExperimentConfig:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read_mapping(file, such_as="space")
    return validate(ExperimentConfig, tree, lambda dotted: locate(file, lines, dotted), lines.words)


def start_experiment(
    file: Path,
    home: Path,
    *,
    progress: Progress = lambda done, total, what: None,
    clock: Callable[[], float] = time.time,
) -> ExperimentReport:
    """:raises InputError: a space, set or program that cannot be used"""
    config = load_experiment(file)
    now = clock()
    name = make_dated_id("ex", now)
    folder = home / FOLDER / name
    make_private_folder(home / FOLDER)
    for part in (folder, folder / TRIALS, folder / ITEMS):
        make_private_folder(part, exist_ok=False)
    try:
        base = file.absolute().parent
        items = _read_items(config, base, DatasetHome(home), "select")
        _refuse_shared(items, [one for split in SEALED for one in _read_items(config, base, DatasetHome(home), split)])
        write_file(folder / ITEMS / "select.jsonl", _join_lines(items))
        _require_program(config)
        _make_sampler(config)
    except BaseException:
        shutil.rmtree(folder)
        raise
    write_file(folder / CONFIG, msgspec.json.encode(_Saved(config.model_dump(mode="json"), str(base))))
    return _Experiment(folder, home, progress, clock).run()


def resume_experiment(
    name: str,
    home: Path,
    *,
    progress: Progress = lambda done, total, what: None,
    clock: Callable[[], float] = time.time,
) -> ExperimentReport:
    """Go on where it stopped. :raises InputError: no such experiment"""
    return _Experiment(find_experiment(home, name), home, progress, clock).run()


def find_experiment(home: Path, name: str) -> Path:
    """By its id or the beginning of it, or the newest of that name. :raises UnknownName: none"""
    known = sorted(path.parent.name for path in (home / FOLDER).glob(f"*/{CONFIG}"))
    matching = [one for one in known if one.startswith(name)]
    if len(matching) == 1 and name:
        return home / FOLDER / matching[0]
    raise UnknownName("experiment", name, known)


def read_report(folder: Path, home: Path) -> ExperimentReport:
    """Of a finished one what it found; of another what is known so far."""
    if (folder / REPORT).exists():
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=ExperimentReport)
    return _Experiment(folder, home, lambda done, total, what: None, time.time).describe(None)


def read_config(folder: Path) -> ExperimentConfig:
    saved = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Saved)
    return ExperimentConfig.model_validate(saved.settings)


def find_set(folder: Path) -> Path | None:
    """The training set that an experiment's items are of; None: they are of no set."""
    saved = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Saved)
    dataset = saved.settings.get("dataset")
    return Path(os.path.abspath(Path(saved.base) / os.path.expanduser(dataset))) if dataset else None


def forget_items(home: Path, dataset: Path) -> list[str]:
    """Experiments whose items are of the set in this folder, without them; such a one cannot be resumed.

    :raises Unavailable: one runs
    """
    forgotten = []
    for config in sorted((home / FOLDER).glob(f"*/{CONFIG}")):
        folder = config.parent
        if find_set(folder) != Path(os.path.abspath(dataset)):
            continue
        descriptor = try_lock(folder / LOCK)
        if descriptor is None:
            raise Unavailable(f"the experiment {folder.name} runs on the set; erase again when it has ended")
        try:
            shutil.rmtree(folder / ITEMS, ignore_errors=True)
            (folder / LOG).unlink(missing_ok=True)
        finally:
            os.close(descriptor)
        forgotten.append(folder.name)
    return forgotten


def apply_winner(folder: Path, home: Path, out: Path) -> dict[str, Value]:
    """Write train.yaml with the winner's parameters. :raises InputError: no winner, no train.yaml, or `out` exists"""
    report, config = read_report(folder, home), read_config(folder)
    if report.winner is None:
        raise InputError(f"{report.id}: {report.state}; there is nothing to apply")
    if out.exists():
        raise InputError(f"--out {out}: exists; name another file, or remove it first")
    tree: dict[str, Any] = {}
    if config.train is not None:
        base = Path(msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Saved).base)
        tree, _ = read_mapping(base / config.train, such_as="trainer")
    parameters = {**tree.get("parameters", {}), **report.parameters}
    text = f"# Parameters of trial {report.winner} of experiment {report.id}.\n"
    write_file(out, (text + yaml.safe_dump({**tree, "parameters": parameters}, sort_keys=False)).encode())
    return report.parameters


def _read_items(config: ExperimentConfig, base: Path, home: DatasetHome, split: Split) -> list[bytes]:
    """Lines of items; of the newest ones there may be none.

    :raises InputError: a set that was altered, or a slice without items
    """
    if config.slices is not None:
        name = getattr(config.slices, split)
        if name is None:
            return []
        path = base / os.path.expanduser(name)
        try:
            lines = [line for line in path.read_bytes().splitlines() if line.strip()]
        except OSError as error:
            raise InputError(f"slices.{split}: {path}: {error.strerror}; expected JSON lines") from error
    else:
        folder = base / os.path.expanduser(str(config.dataset))
        verification = verify_dataset(folder, home)
        if not verification.intact:
            raise InputError(f"{folder}: {verification.problems[0]}")
        rows = read_rows(folder, split, home)
        lines = [msgspec.json.encode(row) for row in shape_rows(rows, "trl-sft").rows]
    if not lines and split != "newest":
        raise InputError(f"the {split} slice has no item; a bigger training set has some, or name `slices`")
    return lines


def _refuse_shared(select: Sequence[bytes], judge: Sequence[bytes]) -> None:
    if shared := set(select) & set(judge):
        raise InputError(f"{len(shared):,} items stand in both slices; the judge's must be ones that no trial saw")


def _join_lines(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _require_program(config: ExperimentConfig) -> None:
    if shutil.which(config.evaluate[0]) is None and not Path(config.evaluate[0]).is_file():
        raise InputError(f"evaluate: no program {config.evaluate[0]!r} on the PATH; give its full path")


def _make_sampler(config: ExperimentConfig) -> OptunaSampler | None:
    if config.choose_sampler() != "optuna":
        return None
    bounds = {one.name: (one.low, one.high, one.log, one.integer, one.choices) for one in config.dimensions()}
    return OptunaSampler(bounds, config.goal == "maximize", config.seed)


class _Experiment:
    def __init__(self, folder: Path, home: Path, progress: Progress, clock: Callable[[], float]) -> None:
        saved = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Saved)
        self._folder, self._home, self._progress, self._clock = folder, home, progress, clock
        self._config, self._base = ExperimentConfig.model_validate(saved.settings), Path(saved.base)
        items = folder / ITEMS / "select.jsonl"
        self._items = items.read_bytes().splitlines() if items.exists() else []
        self._trials = {trial.number: trial for trial in self._read_trials()}

    def _read_trials(self) -> list[Trial]:
        paths = sorted((self._folder / TRIALS).glob("*.json"))
        return [msgspec.json.decode(path.read_bytes(), type=Trial) for path in paths]

    def run(self) -> ExperimentReport:
        if (self._folder / REPORT).exists():
            return read_report(self._folder, self._home)
        if not self._items:
            raise InputError(
                f"{self._folder.name}: its items are gone, since somebody was erased from the set or the home was "
                "restored; start another one: steward experiment run FILE"
            )
        descriptor = try_lock(self._folder / LOCK)
        if descriptor is None:
            raise InputError(f"{self._folder.name} runs already")
        try:
            rungs = plan_rungs(
                len(self._items), self._config.trials, self._config.halving.eta, self._config.halving.rungs
            )
            for rung, (count, items) in enumerate(rungs):
                self._run_rung(rung, count, items)
            report = self._look_again()
            write_file(self._folder / REPORT, msgspec.json.format(msgspec.json.encode(report)), durable=True)
            return report
        except KeyboardInterrupt:
            done = sum(trial.state != "running" for trial in self._trials.values())
            raise Interrupted(
                f"interrupted after {done} of {self._config.trials} trials, which are kept. Go on with: "
                f"steward experiment run --resume {self._folder.name}"
            ) from None
        finally:
            os.close(descriptor)

    def _run_rung(self, rung: int, count: int, items: int) -> None:
        if rung == 0:
            numbers = list(range(count))
        else:
            before = [trial for trial in self._trials.values() if trial.rung >= rung - 1]
            ranked = choose_survivors(before, count, self._config.goal, self._config.limits())
            done = [trial.number for trial in self._trials.values() if trial.rung >= rung]
            numbers = done or [trial.number for trial in ranked]
        for at, number in enumerate(numbers):
            known = self._trials.get(number)
            if known is not None and (known.rung >= rung and known.state != "running"):
                continue
            self._progress(at, len(numbers), f"trial: {number}, {items:,} items")
            self._keep(self._try(number, rung, items))

    def _keep(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        write_file(self._folder / TRIALS / f"{trial.number:04d}.json", msgspec.json.encode(trial), durable=True)

    def _try(self, number: int, rung: int, items: int) -> Trial:
        known = self._trials.get(number)
        parameters = known.parameters if known is not None else self._choose_point(number)
        run = known.run if known is not None else ""
        trial = Trial(number=number, parameters=parameters, state="running", rung=rung, items=items, run=run)
        self._keep(trial)
        began = self._clock()
        if self._config.train is not None and not run:
            run, reason = self._train(parameters)
            if reason:
                return msgspec.structs.replace(trial, state="failed", reason=reason, run=run)
        path = self._folder / ITEMS / f"select-{items}.jsonl"
        write_file(path, _join_lines(self._items[:items]))
        result, reason = self._evaluate(number, parameters, run, path, items, "select")
        seconds = self._clock() - began
        if result is None:
            return msgspec.structs.replace(trial, state="failed", reason=reason, run=run, seconds=seconds)
        return msgspec.structs.replace(
            trial, state="complete", scores=tuple(map(float, result.scores)), metrics=result.metrics, run=run,
            seconds=seconds,
        )  # fmt: skip

    def _choose_point(self, number: int) -> dict[str, Value]:
        if number == 0 and self._config.first:
            return dict(self._config.first)
        sampler = _make_sampler(self._config)
        if sampler is None:
            method: Literal["qmc", "random"] = "random" if self._config.choose_sampler() == "random" else "qmc"
            return sample_point(self._config.dimensions(), number, self._config.seed, method)
        limits = self._config.limits()
        known = [
            (trial.parameters, None if trial.state != "complete" or find_broken(trial, limits) else trial.mean())
            for trial in self._trials.values()
            if trial.state != "running"
        ]
        return sampler.sample(number, known)

    def _train(self, parameters: dict[str, Value]) -> tuple[str, str]:
        """(run, why it failed)"""
        file = self._base / str(self._config.train)
        tree, _ = read_mapping(file, such_as="trainer")
        own = file.with_name(f".{file.stem}-{self._folder.name}.yaml")
        merged = {**tree, "parameters": {**tree.get("parameters", {}), **parameters}, "seed": self._config.seed}
        write_file(own, yaml.safe_dump(merged).encode())
        try:
            run = start_run(own, self._home)
        finally:
            remove_temporary(own)
        return run.id, "" if run.state == "succeeded" else f"training {run.state}: {run.reason}"

    @contextmanager
    def _open_scratch(self) -> Iterator[Path]:
        work = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield work
        finally:
            remove_temporary(work)

    def _evaluate(
        self, number: int, parameters: dict[str, Value], run: str, items: Path, count: int, split: str
    ) -> tuple[_Result | None, str]:
        """What the program says, or why it says nothing that can be used."""
        with self._open_scratch() as work:
            job = {
                "experiment": self._folder.name, "trial": number, "parameters": parameters, "slice": split,
                "items": str(items), "count": count, "fidelity": count / len(self._items) if split == "select" else 1.0,
                "seed": self._config.seed, "result": str(work / "result.json"),
                "artefacts": str(self._home / "training" / run / ARTEFACTS) if run else None,
            }  # fmt: skip
            write_file(work / "trial.json", msgspec.json.encode(job))
            if reason := self._run_program(work / "trial.json"):
                return None, reason
            try:
                result = msgspec.json.decode((work / "result.json").read_bytes(), type=_Result)
            except OSError:
                return None, "the program ended without a result"
            except msgspec.MsgspecError as error:
                return None, f"the result cannot be read: {error}"
        problem = check_scores(result.scores, count)
        return (None, problem) if problem else (result, "")

    def _run_program(self, job: Path) -> str:
        environment = {**os.environ, TRIAL_VARIABLE: str(job)}
        with open_private(self._folder / LOG, "ab") as log:
            process = subprocess.Popen(
                self._config.evaluate, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                cwd=self._base, start_new_session=True, umask=OTHERS,
            )  # fmt: skip
            try:
                code = process.wait(self._config.trial_timeout_s)
            except subprocess.TimeoutExpired:
                return f"no result within {self._config.trial_timeout_s:g} s (trial_timeout_s)"
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        return "" if code == 0 else f"the program ended with exit code {code}; see {self._folder / LOG}"

    def _look_again(self) -> ExperimentReport:
        winner = choose_winner(list(self._trials.values()), self._config.goal, self._config.limits())
        if winner is None:
            return self.describe(None)
        home = DatasetHome(self._home)
        judge, newest = (_read_items(self._config, self._base, home, split) for split in SEALED)
        _refuse_shared(self._items, [*judge, *newest])
        self._progress(0, 1, "second look")
        with self._open_scratch() as work:
            path = work / "judge.jsonl"
            write_file(path, _join_lines(judge))
            seen = {}
            for trial in {winner.number: winner, 0: self._trials[0]}.values():
                if trial.state == "complete":
                    seen[trial.number] = self._measure(trial, path, len(judge))
            write_file(path, _join_lines(newest))
            later = self._measure(winner, path, len(newest)) if newest else None
        uses = self._count_use(judge)
        report = self.describe(winner)
        report = self._add_looks(report, winner, seen, uses)
        return msgspec.structs.replace(report, newest_score=_look(winner.number, later) if later else None)

    def _measure(self, trial: Trial, path: Path, count: int) -> list[float]:
        """:raises Unavailable: the program failed; run again with --resume"""
        result, reason = self._evaluate(trial.number, trial.parameters, trial.run, path, count, "judge")
        if result is None:
            raise Unavailable(
                f"second look at trial {trial.number}: {reason}; go on with: "
                f"steward experiment run --resume {self._folder.name}"
            )
        return list(map(float, result.scores))

    def _add_looks(
        self, report: ExperimentReport, winner: Trial, seen: dict[int, list[float]], uses: int
    ) -> ExperimentReport:
        difference = None
        if winner.number != 0 and 0 in seen:
            pairs = [one - other for one, other in zip(seen[winner.number], seen[0], strict=True)]
            difference = _compare(winner.number, pairs)
        warnings: tuple[str, ...] = ()
        if uses >= MAX_JUDGE_USES:
            warnings = (f"this judge's slice has judged {uses} times; build a newer training set, with a fresh one",)
        return msgspec.structs.replace(
            report, second_score=_look(winner.number, seen[winner.number]), against_first=difference,
            verdict=decide_verdict(difference, self._config.goal), judge_uses=uses, warnings=warnings,
        )  # fmt: skip

    def _count_use(self, judge: Sequence[bytes]) -> int:
        digest = hashlib.sha256(b"\n".join(judge)).hexdigest()
        path = self._home / FOLDER / "judge-uses.jsonl"
        line = msgspec.json.encode({"slice": digest, "experiment": self._folder.name, "at": self._clock()})
        with open_private(path, "ab+") as file:
            file.write(line + b"\n")
            file.seek(0)
            return sum(msgspec.json.decode(one)["slice"] == digest for one in file.read().splitlines())

    def describe(self, winner: Trial | None) -> ExperimentReport:
        """What is known of the trials; without a winner where all are done, there is none."""
        config, trials = self._config, [self._trials[number] for number in sorted(self._trials)]
        limits = config.limits()
        broken = {str(trial.number): why for trial in trials if (why := _explain(trial, limits))}
        is_over = len(trials) >= config.trials and all(trial.state != "running" for trial in trials)
        return ExperimentReport(
            id=self._folder.name, name=config.name, folder=str(self._folder), goal=config.goal, trials=tuple(trials),
            state="finished" if winner else "no winner" if is_over and not self._can_win(trials) else "running",
            broken=broken, pareto=tuple(list_pareto(trials, config.goal, limits)),
            importance=measure_importance(config.dimensions(), trials), winner=winner.number if winner else None,
            parameters=winner.parameters if winner else {},
            first_score=_look(winner.number, list(winner.scores)) if winner else None,
        )  # fmt: skip

    def _can_win(self, trials: Sequence[Trial]) -> bool:
        return choose_winner(trials, self._config.goal, self._config.limits()) is not None


def _explain(trial: Trial, limits: Sequence[Any]) -> str:
    return find_broken(trial, limits) if trial.state == "complete" else ""


def _look(number: int, scores: Sequence[float]) -> SecondLook:
    from steward.evaluation.intervals import mean_of_shares  # NumPy: the console's start does without

    interval = mean_of_shares(scores)
    return SecondLook(number=number, items=len(scores), value=interval.value, low=interval.low, high=interval.high)


def _compare(number: int, differences: Sequence[float]) -> SecondLook:
    from steward.evaluation.intervals import resampled_mean  # NumPy, as above

    found = resampled_mean(differences, -1.0, 1.0)
    return SecondLook(number=number, items=len(differences), value=found.value, low=found.low, high=found.high)


def list_experiments(home: Path) -> list[ExperimentReport]:
    """Newest first."""
    names = sorted((path.parent.name for path in (home / FOLDER).glob(f"*/{CONFIG}")), reverse=True)
    return [read_report(home / FOLDER / name, home) for name in names]
