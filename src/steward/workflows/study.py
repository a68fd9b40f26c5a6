"""A human study from runs to a report: plans it, writes its file, invites raters, opens its pages, reports."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from steward.adapters.stores.study import StudyStore
from steward.core.errors import InputError
from steward.core.files import SHARED, quote_path, write_file
from steward.core.study import Rater, StudyDesign, StudyTask
from steward.evaluation import study
from steward.evaluation.compare import match_rows, require_matching_runs
from steward.evaluation.rating_session import LEAD, RatingSession, hash_token, list_judges
from steward.evaluation.run import EvalRun, read_run
from steward.evaluation.study_page import render_study_page
from steward.evaluation.votes import StudyReport, report_study

_TOKEN_BYTES: Final = 18


class Invite(msgspec.Struct, frozen=True):
    """Shown once: only the token's hash is kept."""

    rater: str
    token: str

    def __repr__(self) -> str:
        return f"Invite(rater={self.rater!r}, token=***)"


class PreparedStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A study that is ready, or only its plan, without a file and invites."""

    study: str
    plan: tuple[str, ...]
    invites: tuple[Invite, ...]


def plan_study(runs: Sequence[Path], gold: Path | None, options: study.StudyOptions, raters: int) -> PreparedStudy:
    """What a study of these runs would ask, without creating it."""
    design, tasks = _make_plan(runs, gold, options)
    return PreparedStudy(study="", plan=tuple(study.describe_plan(design, tasks, raters)), invites=())


def prepare_study(
    path: Path,
    runs: Sequence[Path],
    gold: Path | None,
    options: study.StudyOptions,
    raters: int,
    renew: Sequence[str] = (),
) -> PreparedStudy:
    """Create the study, or continue the one at `path`; new and renewed raters get invites.

    :raises InputError: no runs, runs over different data, or the study at `path` is of other runs
    """
    if path.exists():
        store = StudyStore.open(path)
        if runs:
            _require_same_runs(store.design(), _read_runs(runs), path)
    elif not runs:
        raise InputError(
            f"{path}: no such study; start one with `steward eval rate RUN RUN --study {quote_path(path)}`"
        )
    else:
        store = StudyStore.create(path, *_make_plan(runs, gold, options))
    try:
        return _invite_raters(store, path, raters, renew)
    finally:
        store.close()


def open_session(path: Path, now: Callable[[], float] = time.time) -> RatingSession:
    """:raises InputError: no such study"""
    return RatingSession(StudyStore.open(path), now)


def report_agreement(path: Path, html: Path | None = None) -> StudyReport:
    """:raises InputError: no study, or no votes in it yet"""
    store = StudyStore.open(path)
    try:
        report = report_study(store.design(), store.tasks(), store.votes(), list_judges(store))
    finally:
        store.close()
    if html is not None:
        write_file(html, render_study_page(report).encode(), mode=SHARED)
    return report


def _make_plan(
    runs: Sequence[Path], gold: Path | None, options: study.StudyOptions
) -> tuple[StudyDesign, list[StudyTask]]:
    if len(runs) < (2 if options.mode == "pairs" else 1):
        raise InputError(
            f"{len(runs)} run; choosing between answers needs at least two runs. Use --rubric to judge a single run"
        )
    named_runs = _read_runs(runs)
    first, *others = [run for _, run in named_runs]
    matched = [first, *(match_rows(first, run) for run in others)]
    for run in matched[1:]:
        require_matching_runs(first, run)
    cases = study.read_gold(gold, options) if gold is not None else []
    tasks, pairings = study.make_tasks(matched, options, cases)
    return study.make_design(named_runs, options, pairings), tasks


def _read_runs(paths: Sequence[Path]) -> list[tuple[str, EvalRun]]:
    """Runs by the names of their models, with their folders where two models have the same name."""
    runs = [read_run(path) for path in paths]
    models = [run.manifest.model for run in runs]
    names = models if len(set(models)) == len(models) else [f"{m} ({p})" for m, p in zip(models, paths, strict=True)]
    return list(zip(names, runs, strict=True))


def _require_same_runs(design: StudyDesign, runs: Sequence[tuple[str, EvalRun]], path: Path) -> None:
    if [run.answers_sha256 for run in design.runs] != [study.hash_answers(run) for _, run in runs]:
        names = ", ".join(run.name for run in design.runs)
        raise InputError(
            f"{path} is a study of other runs ({names}); choose another --study, or leave out the runs to continue it"
        )


def _invite_raters(store: StudyStore, path: Path, raters: int, renew: Sequence[str]) -> PreparedStudy:
    known = {rater.name for rater in store.raters()}
    if unknown := set(renew) - known:
        raise InputError(f"--renew {sorted(unknown)[0]}: no such rater; the study has {', '.join(sorted(known))}")
    names = [LEAD, *(f"r{number}" for number in range(1, raters + 1))]
    invites = []
    for name in [name for name in names if name not in known] + list(renew):
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        store.invite(Rater(name, name == LEAD), hash_token(token), time.time())
        invites.append(Invite(name, token))
    judges, tasks, owners = list_judges(store), store.tasks(), store.owners()
    voted = {key for rater, key in study.latest_votes(store.votes()) if owners.get(key) == rater}
    store.assign_owners(study.assign_owners(tasks, judges, owners, voted), time.time())
    lines = study.describe_plan(store.design(), tasks, len(judges))
    return PreparedStudy(study=str(path), plan=tuple(lines), invites=tuple(invites))
