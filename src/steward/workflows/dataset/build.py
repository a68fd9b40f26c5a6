"""`steward dataset build`: from sources to a folder that is there whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from steward import __version__
from steward.configuration.validation import validate
from steward.configuration.yaml_lines import locate, read_mapping
from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_digest
from steward.core.files import make_private_folder
from steward.data.config import Source
from steward.data.contract import Contract, ContractResult, check_contract
from steward.improvement.dataset import selection
from steward.improvement.dataset.config import DatasetConfig
from steward.improvement.dataset.manifest import (
    FORMAT,
    ROW_FILES,
    DatasetFile,
    DatasetManifest,
    DatasetStep,
    check_steps,
    count_rows,
    fingerprint_key,
    measure_diversity,
)
from steward.improvement.dataset.rows import SPLITS, Split, TrainingRow, order_rows
from steward.improvement.dataset.selection import Taken
from steward.privacy.policy import PROFILE_ACTIONS
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.dataset.sources import RatingSummary, SourceReader, summarise_ratings
from steward.workflows.dataset.texts import Progress, clean_rows, read_evaluated_subjects, scrub_rows
from steward.workflows.dataset.writing import finish_set, list_subjects, publish_folder, work_folder, write_slices
from steward.workflows.stage_parts import find_personal_data

_STEPS: Final = 8


class DatasetBuild(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward dataset build` prints. Refused: nothing was written, and `refused` says why."""

    folder: str | None
    refused: str | None
    manifest: DatasetManifest | None
    steps: tuple[DatasetStep, ...]
    warnings: tuple[str, ...] = ()


def load_dataset_config(file: Path) -> DatasetConfig:
    """:raises InputError: with file, line and the nearest name"""
    tree, lines = read_mapping(file, such_as="sources")
    config = validate(DatasetConfig, tree, lambda dotted: locate(file, lines, dotted), lines.words)
    if config.scrub.profile not in PROFILE_ACTIONS:
        raise UnknownName("profile", config.scrub.profile, PROFILE_ACTIONS, locate(file, lines, "scrub.profile"))
    if config.contract is not None:
        validate(Contract, dict(config.contract), lambda dotted: locate(file, lines, f"contract.{dotted}"))
    return config


class _Steps:
    """The rows at each step, and what each step did."""

    def __init__(self, rows: Sequence[TrainingRow]) -> None:
        self.rows = list(rows)
        self.steps: list[DatasetStep] = []

    def take(self, name: str, taken: Taken) -> None:
        removed = len(self.rows) - len(taken.rows)
        self.add(
            DatasetStep(
                name=name, rows_in=len(self.rows), rows_out=len(taken.rows), removed=removed, reasons=taken.reasons
            ),
            taken.rows,
        )

    def add(self, step: DatasetStep, rows: Sequence[TrainingRow]) -> None:
        self.steps.append(step)
        self.rows = list(rows)


def build_dataset(
    file: Path,
    home: DatasetHome,
    out: Path | None = None,
    *,
    progress: Progress = lambda done, total, what: None,
    clock: Callable[[], float] = time.time,
) -> DatasetBuild:
    """:raises InputError: sources that cannot be read, `out` that exists, a contract that is broken"""
    config = load_dataset_config(file)
    if out is not None and out.exists():
        raise InputError(f"--out {out}: exists; name another folder, or remove it first")
    with work_folder(home.folder if out is None else out.absolute().parent) as work:
        return _Build(config, file.absolute().parent, home, work, progress, clock).run(out)


class _Build:
    def __init__(
        self, config: DatasetConfig, base: Path, home: DatasetHome, work: Path, progress: Progress,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self._config, self._base, self._home, self._work = config, base, home, work
        self._progress, self._clock = progress, clock
        self._name = home.subject_namer(config.tenant, config.project)
        self._reader = SourceReader(config, base, self._name)
        self._warnings: list[str] = []

    def run(self, out: Path | None) -> DatasetBuild:
        self._progress(0, _STEPS, "reading")
        rows = order_rows(list(self._read()))
        _require_distinct_ids(rows)
        done = _Steps(rows)
        done.take("consent", selection.keep_allowed(done.rows))
        done.take("complete", selection.keep_complete(done.rows))
        self._clean(done)
        self._choose(done)
        slices = self._split(done)
        if reason := selection.find_shortfall(slices["train"], self._config.floor.rows, self._config.floor.subjects):
            if slices["newest"]:
                reason += f"; {len(slices['newest']):,} of the newest days judge (newest.days: 0 trains on them)"
            return DatasetBuild(
                folder=None, refused=reason, manifest=None, steps=tuple(done.steps), warnings=tuple(self._warnings)
            )
        check_steps(done.steps, sum(map(len, slices.values())))
        self._progress(6, _STEPS, "writing")
        manifest = self._write(slices, done.steps)
        folder = self._publish(manifest, out)
        self._home.register(manifest, folder, self._clock())
        return DatasetBuild(
            folder=str(folder), refused=None, manifest=manifest, steps=tuple(done.steps), warnings=manifest.warnings
        )

    def _read(self) -> Iterator[TrainingRow]:
        ratings: dict[str, RatingSummary] = {}
        if any(source.kind != "file" for source in self._config.sources):
            ratings = summarise_ratings(
                self._home.list_rated(self._config.tenant), self._home.unseal, self._config.project
            )
            if not ratings:
                self._warnings.append(
                    f"this home has no ratings of project {self._config.project}; clients send them to /v1/feedback"
                )
        for source in self._config.sources:
            if source.kind == "captured":
                captures = self._home.list_captures(self._config.tenant)
                yield from self._reader.read_captured(source, captures, ratings)
            else:
                yield from self._reader.read(source, ratings)
        if self._config.replay is not None:
            yield from self._reader.read_replay(self._config.replay)
        else:
            self._warnings.append("no replay: a model that is trained on new rows alone forgets old topics")
        self._warnings += [f"{count:,} rows were passed over: {why}" for why, count in self._reader.skipped.items()]

    def _clean(self, done: _Steps) -> None:
        """Texts: personal data, form, duplicates, evaluation sets."""
        rows, changed = scrub_rows(done.rows, self._config.scrub.profile, self._progress)
        count = len(done.rows)
        done.add(DatasetStep(name="scrub", rows_in=count, rows_out=count, removed=0, changed=changed), rows)
        if done.rows:
            rows, steps, warnings = clean_rows(done.rows, self._config, self._base, self._work, self._progress)
            for step in steps:
                done.add(step, done.rows)
            done.rows = rows
            self._warnings += warnings
        subjects = read_evaluated_subjects(self._config, self._base, self._name)
        done.take("evaluation subjects", selection.leave_out_subjects(done.rows, subjects))

    def _choose(self, done: _Steps) -> None:
        """People and groups; what is replayed is counted apart."""
        config = self._config
        new, old = _part(done.rows)
        done.take("cap", _beside(selection.cap_subjects(new, config.cap.share, config.cap.rows), old))
        if config.balance is not None:
            new, old = _part(done.rows)
            balanced = selection.balance_groups(new, config.balance.traffic, config.balance.tolerance)
            done.take("balance", _beside(balanced, old))

    def _split(self, done: _Steps) -> dict[Split, list[TrainingRow]]:
        """Replay and the model's own words are shares of the training slice, so they are chosen last."""
        key, config = self._home.key, self._config
        newest_from, newest = selection.find_newest(done.rows, config.newest.days, config.newest.share, self._clock())
        if newest_from is None and newest > 0.0:
            self._warnings.append(
                f"newest: {newest:.0%} of the new rows are of the newest {config.newest.days:g} days, more than "
                f"{config.newest.share:.0%} (newest.share); so there is no slice of theirs to judge by"
            )
        slices = _slice(done.rows, key, newest_from)
        new, old = _part(slices["train"])
        share = config.replay.share if config.replay is not None else 0.0
        others = slices["select"] + slices["judge"] + slices["newest"]
        by_people = round(share / (1 - share) * len(new)) if old and not old[0].by_model else 0
        limited = selection.limit_model_rows(new, config.model_share, min(by_people, len(old)))
        done.take("model share", _beside(limited, old + others))
        replayed = selection.choose_replay(old, len(limited.rows), share, key)
        done.take("replay", _beside(replayed, limited.rows + others))
        wanted = round(share / (1 - share) * len(limited.rows))
        if len(replayed.rows) < wanted:
            self._warnings.append(f"replay: {len(replayed.rows):,} old rows of {wanted:,} wanted")
        return _slice(done.rows, key, newest_from)

    def _write(self, slices: dict[Split, list[TrainingRow]], steps: Sequence[DatasetStep]) -> DatasetManifest:
        folder = self._work / "set"
        make_private_folder(folder, exist_ok=False)
        files = write_slices(folder, slices, self._home)
        self._progress(7, _STEPS, "checking")
        _require_contract(self._config, folder, self._clock())
        return finish_set(folder, self._describe(slices, steps, files), self._home)

    def _describe(
        self, slices: dict[Split, list[TrainingRow]], steps: Sequence[DatasetStep], files: tuple[DatasetFile, ...]
    ) -> DatasetManifest:
        counts = count_rows(slices)
        train = slices["train"]
        answers = [str(message.get("content") or "") for row in train for message in row.completion]
        return DatasetManifest(
            format=FORMAT, name=self._config.name, version=__version__, created_at=self._clock(),
            tenant=self._config.tenant, project=self._config.project, key=fingerprint_key(self._home.key),
            parameters=self._config.model_dump(mode="json"), steps=tuple(steps), **counts,
            replay_share=_share(train, lambda row: row.origin == "replay"),
            model_share=_share(train, lambda row: row.by_model), distinct_ngrams=measure_diversity(answers),
            subjects=list_subjects(slices), sources=tuple(self._reader.files), files=files,
            warnings=tuple(self._warnings),
        )  # fmt: skip

    def _publish(self, manifest: DatasetManifest, out: Path | None) -> Path:
        folder = out or self._home.folder / f"{manifest.name}-{cut_digest(manifest.digest)}"
        publish_folder(self._work / "set", folder)
        return folder


def _require_distinct_ids(rows: Sequence[TrainingRow]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise InputError(
                f"two rows have the id {row.id!r}; list a file once, and give files of several folders different names"
            )
        seen.add(row.id)


def _slice(rows: Iterable[TrainingRow], key: bytes, newest_from: float | None) -> dict[Split, list[TrainingRow]]:
    slices: dict[Split, list[TrainingRow]] = {split: [] for split in SPLITS}
    for row in rows:
        slices[selection.choose_split(row, key, newest_from)].append(row)
    return {split: order_rows(taken) for split, taken in slices.items()}


def _part(rows: Iterable[TrainingRow]) -> tuple[list[TrainingRow], list[TrainingRow]]:
    """(new rows, replayed ones)"""
    new: list[TrainingRow] = []
    old: list[TrainingRow] = []
    for row in rows:
        (old if row.origin == "replay" else new).append(row)
    return new, old


def _beside(taken: Taken, others: Sequence[TrainingRow]) -> Taken:
    return Taken([*taken.rows, *others], taken.reasons)


def _share(rows: Sequence[TrainingRow], is_such: Callable[[TrainingRow], bool]) -> float:
    return sum(map(is_such, rows)) / len(rows) if rows else 0.0


def _require_contract(config: DatasetConfig, folder: Path, now: float) -> None:
    """:raises InputError: the finished set breaks its contract"""
    if config.contract is None:
        return
    contract = Contract.model_validate(config.contract)
    source = Source(path=str(folder / ROW_FILES["train"]), on_error="skip")
    result: ContractResult = check_contract(contract, source, find_personal_data, datetime.fromtimestamp(now, UTC))
    broken = [f"{one.rule}: {one.seen}, expected {one.expected}" for one in result.findings if not one.passed]
    if broken:
        raise InputError(f"the finished set breaks its contract: {'; '.join(broken)}")
