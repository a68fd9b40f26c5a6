"""A human study from runs to a report: composes the plan, the study file and what its pages show."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from steward.adapters.stores.study import StudyStore
from steward.core.errors import InputError
from steward.core.study import (
    VOTE_CHOICES,
    Presentation,
    Rater,
    RaterProgress,
    RaterVote,
    StudyDesign,
    StudyGuide,
    StudyOverview,
    StudyTask,
    Vote,
    VoteChoice,
    VoteRejected,
)
from steward.evaluation import study
from steward.workflows.evaluate import require_extra

if TYPE_CHECKING:
    from steward.evaluation.run import EvalRun
    from steward.evaluation.votes import StudyReport

LEAD: Final = "lead"
COMMENT_LIMIT: Final = 4000  # characters
TOKEN_BYTES: Final = 18
_SHOWN_LIMIT: Final = 100_000  # times of showing kept in memory


class Invite(msgspec.Struct, frozen=True):
    """Shown once: only the token's hash is kept."""

    rater: str
    token: str

    def __repr__(self) -> str:
        return f"Invite(rater={self.rater!r}, token=***)"


class PreparedStudy(msgspec.Struct, frozen=True, kw_only=True):
    """A study that is ready, or with `plan` only what it would be."""

    study: str
    plan: tuple[str, ...]
    invites: tuple[Invite, ...]


def plan_study(runs: Sequence[Path], gold: Path | None, wanted: study.StudyOptions, raters: int) -> PreparedStudy:
    """What a study of these runs would ask, without making it."""
    design, tasks = _make_plan(runs, gold, wanted)
    return PreparedStudy(study="", plan=tuple(study.describe_plan(design, tasks, raters)), invites=())


def prepare_study(
    path: Path,
    runs: Sequence[Path],
    gold: Path | None,
    wanted: study.StudyOptions,
    raters: int,
    renew: Sequence[str] = (),
) -> PreparedStudy:
    """Make the study, or go on with the one that is there; new raters and renewed ones get invites.

    :raises InputError: no runs, runs over different data, or the study that is there is of other runs
    """
    if path.exists():
        store = StudyStore.open(path)
        if runs:
            _require_same_runs(store.design(), _read_runs(runs), path)
    elif not runs:
        raise InputError(f"{path}: no such study; start one with `steward eval rate RUN RUN --study {path}`")
    else:
        store = StudyStore.create(path, *_make_plan(runs, gold, wanted))
    try:
        return _invite_raters(store, path, raters, renew)
    finally:
        store.close()


def _make_plan(
    runs: Sequence[Path], gold: Path | None, wanted: study.StudyOptions
) -> tuple[StudyDesign, list[StudyTask]]:
    require_extra()
    from steward.evaluation.compare import require_matching_runs

    if len(runs) < (2 if wanted.mode == "pairs" else 1):
        raise InputError(
            f"{len(runs)} run; choosing between answers needs at least two runs. Use --rubric to judge a single run"
        )
    read = _read_runs(runs)
    for _, folder in read[1:]:
        require_matching_runs(read[0][1], folder)
    golden = study.read_gold(gold, wanted) if gold is not None else []
    tasks, pairings = study.make_tasks([folder for _, folder in read], wanted, golden)
    return study.make_design(read, wanted, pairings), tasks


def _read_runs(paths: Sequence[Path]) -> list[tuple[str, EvalRun]]:
    """Runs by the names of their models, with their folders where two have the same."""
    from steward.evaluation.run import read_run

    folders = [read_run(path) for path in paths]
    models = [folder.manifest.model for folder in folders]
    names = models if len(set(models)) == len(models) else [f"{m} ({p})" for m, p in zip(models, paths, strict=True)]
    return list(zip(names, folders, strict=True))


def _require_same_runs(design: StudyDesign, runs: Sequence[tuple[str, EvalRun]], path: Path) -> None:
    theirs = [run.answers_sha256 for run in design.runs]
    ours = [study.hash_answers(folder) for _, folder in runs]
    if theirs != ours:
        named = ", ".join(run.name for run in design.runs)
        raise InputError(
            f"{path} is a study of other runs ({named}); choose another --study, or leave out the runs to continue it"
        )


def _invite_raters(store: StudyStore, path: Path, raters: int, renew: Sequence[str]) -> PreparedStudy:
    known = {rater.name for rater in store.raters()}
    if unknown := set(renew) - known:
        raise InputError(f"--renew {sorted(unknown)[0]}: no such rater; the study has {', '.join(sorted(known))}")
    wanted = [LEAD, *(f"r{number}" for number in range(1, raters + 1))]
    invites = []
    for name in [name for name in wanted if name not in known] + list(renew):
        token = secrets.token_urlsafe(TOKEN_BYTES)
        store.invite(Rater(name, name == LEAD), _hash_token(token), time.time())
        invites.append(Invite(name, token))
    names, tasks, owners = _list_judges(store), store.tasks(), store.owners()
    voted = {key for rater, key in study.latest_votes(store.votes()) if owners.get(key) == rater}
    store.give(study.assign_owners(tasks, names, owners, voted), time.time())
    lines = study.describe_plan(store.design(), tasks, len(names))
    return PreparedStudy(study=str(path), plan=tuple(lines), invites=tuple(invites))


def report_agreement(path: Path, html: Path | None = None) -> StudyReport:
    """:raises InputError: no study, or no votes in it yet"""
    require_extra()
    from steward.evaluation.study_page import render_study_page
    from steward.evaluation.votes import report_study

    store = StudyStore.open(path)
    try:
        found = report_study(store.design(), store.tasks(), store.votes(), _list_judges(store))
    finally:
        store.close()
    if html is not None:
        html.write_text(render_study_page(found))
    return found


def _list_judges(store: StudyStore) -> list[str]:
    return [rater.name for rater in store.raters() if not rater.lead]


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class RatingSession:
    """What the pages may know of a study. Nothing here returns the name of a run, a model or an item.

    Plans are read once; votes are read anew for each page, so that a copy of the file tells the same story.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._store = StudyStore.open(path)
        self._design = self._store.design()
        self._tasks = self._store.tasks()
        self._by_key = {task.key: task for task in self._tasks}
        self._owners = self._store.owners()
        self._raters = _list_judges(self._store)
        self._now = now
        self._shown: dict[tuple[str, str], float] = {}

    def close(self) -> None:
        self._store.close()

    @property
    def guide(self) -> StudyGuide:
        design = self._design
        return StudyGuide(
            title=design.title,
            mode=design.mode,
            question=design.question,
            guide=design.guide,
            criteria=design.criteria,
        )

    def who(self, token: str) -> Rater | None:
        return self._store.who(_hash_token(token)) if token else None

    def next(self, rater: Rater) -> str | None:
        """The key of the first task without a vote of this rater's."""
        voted = {key for name, key in study.latest_votes(self._store.votes()) if name == rater.name}
        return next((task.key for task in self._queue(rater) if task.key not in voted), None)

    def progress(self, rater: Rater) -> tuple[int, int]:
        """Judged, and all."""
        mine = [task.key for task in self._queue(rater)]
        voted = {key for name, key in study.latest_votes(self._store.votes()) if name == rater.name}
        return sum(key in voted for key in mine), len(mine)

    def show(self, rater: Rater, key: str) -> Presentation | None:
        """A task of this rater's, with what they said of it already; None where it is not theirs."""
        queue = self._queue(rater)
        task = next((task for task in queue if task.key == key), None)
        if task is None:
            return None
        votes = self._store.votes()
        mine = [vote for vote in votes if vote.rater == rater.name]
        own = study.latest_votes(mine).get((rater.name, key))
        done = [vote.task for vote in mine if vote.task != key]
        if len(self._shown) > _SHOWN_LIMIT:
            self._shown.clear()
        self._shown[rater.name, key] = self._now()
        left = study.left_answer(self._design.seed, rater.name, key)
        return Presentation(
            key=key,
            asked=task.asked,
            references=task.references,
            answers=task.answers if len(task.answers) == 1 else (task.answers[left], task.answers[1 - left]),
            done=len({vote.task for vote in mine} & {task.key for task in queue}),
            total=len(queue),
            before=done[-1] if done else None,
            choice=own.choice if own else "",
            levels=own.levels if own else {},
            comment=own.comment if own else "",
            unsafe=own.unsafe if own else False,
            votes=tuple(self._describe_votes(task, votes, left)) if rater.lead else (),
        )

    def vote(self, rater: Rater, key: str, choice: str, levels: Mapping[str, str], comment: str, unsafe: bool) -> None:
        """Add a vote. A second one of the same task corrects the first, which stays in the file.

        :raises NotTaken: not this rater's task, or no answer that the page offers
        """
        if not any(task.key == key for task in self._queue(rater)):
            raise VoteRejected("this task is not in your queue")
        given = _check_choice(choice, self._design)
        rated = _check_levels(levels, self._design) if given == "rated" else {}
        now = self._now()
        shown = self._shown.pop((rater.name, key), None)
        self._store.vote(
            Vote(
                at=now,
                rater=rater.name,
                task=key,
                left=study.left_answer(self._design.seed, rater.name, key) if self._design.mode == "pairs" else 0,
                choice=given,
                levels=rated,
                comment=comment[:COMMENT_LIMIT],
                unsafe=unsafe,
                seconds=None if shown is None else round(now - shown, 3),
            )
        )

    def overview(self) -> StudyOverview:
        """For the lead."""
        from steward.evaluation.votes import summarise_blind

        votes = self._store.votes()
        counted = study.latest_votes(votes)
        figures = summarise_blind(self._design, self._tasks, votes, self._raters)
        waiting = [key for key in self._disagreements(votes) if (LEAD, key) not in counted]
        return StudyOverview(
            raters=tuple(self._progress(name, counted) for name in self._raters),
            disagreements=len(waiting),
            settled=sum(1 for rater, _ in counted if rater == LEAD),
            planned=tuple(study.describe_plan(self._design, self._tasks, len(self._raters))),
            agreement=figures.agreement,
            left=figures.left,
        )

    def _progress(self, name: str, counted: Mapping[tuple[str, str], Vote]) -> RaterProgress:
        mine = [vote for (rater, _), vote in counted.items() if rater == name]
        times = [vote.seconds for vote in mine if vote.seconds is not None]
        total = len(self._queue(Rater(name)))
        return RaterProgress(
            name, len(mine), total, sum(vote.choice == "skip" for vote in mine), median(times) if times else None
        )

    def _queue(self, rater: Rater) -> list[StudyTask]:
        if rater.lead:
            return [self._by_key[key] for key in self._disagreements(self._store.votes())]
        return study.rater_queue(self._tasks, self._owners, rater.name, self._design.seed)

    def _disagreements(self, votes: Sequence[Vote]) -> list[str]:
        return study.find_disagreements(self._tasks, votes, self._raters)

    def _describe_votes(self, task: StudyTask, votes: Sequence[Vote], left: int) -> list[RaterVote]:
        """The raters' votes in terms of what the lead sees: their A may stand on the other side here."""
        counted = study.latest_votes(votes)
        found = []
        for name in self._raters:
            vote = counted.get((name, task.key))
            if vote is not None:
                found.append(RaterVote(name, _describe_vote(vote, left), vote.comment))
        return found


def _describe_vote(vote: Vote, left: int) -> str:
    if vote.choice == "rated":
        return ", ".join(f"{name} {level}" for name, level in vote.levels.items())
    if vote.chosen in ("first", "second"):
        return "A" if (vote.chosen == "first") == (left == 0) else "B"
    return {"tie": "a tie", "bad": "both bad", "skip": "skipped"}[vote.choice]


def _check_choice(given: str, design: StudyDesign) -> VoteChoice:
    allowed = ("rated", "skip") if design.mode == "rubric" else ("left", "right", "tie", "bad", "skip")
    if given not in allowed:
        raise VoteRejected(f"vote {given[:20]!r}, expected one of {', '.join(allowed)}")
    return VOTE_CHOICES[VOTE_CHOICES.index(given)]


def _check_levels(given: Mapping[str, str], design: StudyDesign) -> dict[str, int]:
    """:raises NotTaken: a criterion without a level, or a level that it has not"""
    found = {}
    for criterion in design.criteria:
        level = given.get(criterion.name, "")
        if not level.isdigit() or not 1 <= int(level) <= len(criterion.levels):
            raise VoteRejected(f"choose one of the {len(criterion.levels)} levels of {criterion.name}")
        found[criterion.name] = int(level)
    return found
