"""A rating session: what a rater is shown next, which votes are accepted, and what the lead sees.

Blind by construction: nothing here returns the name of a run, a model or an item. The plan of a study is read once;
votes are read again for each page, so that a copy of the study's file tells the same story.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Final

from steward.core.excerpts import cut_text
from steward.core.extend import StudyRecords
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
from steward.evaluation.votes import summarise_blind

LEAD: Final = "lead"
COMMENT_LIMIT: Final = 4000  # characters
_PRESENTED_LIMIT: Final = 100_000  # times of presentation kept in memory


class RatingSession:
    """One study that is being judged. `now`: seconds since 1970."""

    def __init__(self, records: StudyRecords, now: Callable[[], float] = time.time) -> None:
        self._records = records
        self._design = records.design()
        self._tasks = records.tasks()
        self._by_key = {task.key: task for task in self._tasks}
        self._owners = records.owners()
        self._raters = list_judges(records)
        self._now = now
        self._presented: dict[tuple[str, str], float] = {}  # rater and task key, since when

    def close(self) -> None:
        self._records.close()

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

    def find_rater(self, token: str) -> Rater | None:
        return self._records.find_rater(hash_token(token)) if token else None

    def next(self, rater: Rater) -> str | None:
        """The key of the first task that this rater has not judged."""
        judged = self._judged_keys(rater)
        return next((task.key for task in self._queue(rater) if task.key not in judged), None)

    def progress(self, rater: Rater) -> tuple[int, int]:
        """Tasks judged, and all tasks."""
        judged, queue = self._judged_keys(rater), self._queue(rater)
        return sum(task.key in judged for task in queue), len(queue)

    def show(self, rater: Rater, key: str) -> Presentation | None:
        """A task of this rater's, with their earlier vote if there is one; None if the task is not theirs."""
        queue = self._queue(rater)
        task = next((task for task in queue if task.key == key), None)
        if task is None:
            return None
        votes = self._records.votes()
        mine = [vote for vote in votes if vote.rater == rater.name]
        own = study.latest_votes(mine).get((rater.name, key))
        earlier = [vote.task for vote in mine if vote.task != key]
        if len(self._presented) > _PRESENTED_LIMIT:
            self._presented.clear()
        self._presented[rater.name, key] = self._now()
        left = study.choose_left(self._design.seed, rater.name, key)
        return Presentation(
            key=key,
            asked=task.asked,
            references=task.references,
            answers=task.answers if len(task.answers) == 1 else (task.answers[left], task.answers[1 - left]),
            done=len({vote.task for vote in mine} & {task.key for task in queue}),
            total=len(queue),
            before=earlier[-1] if earlier else None,
            choice=own.choice if own else "",
            levels=own.levels if own else {},
            comment=own.comment if own else "",
            unsafe=own.unsafe if own else False,
            votes=tuple(self._describe_votes(task, votes, left)) if rater.lead else (),
        )

    def vote(self, rater: Rater, key: str, choice: str, levels: Mapping[str, str], comment: str, unsafe: bool) -> None:
        """Add a vote. A second vote on the same task corrects the first, which stays in the file.

        :raises VoteRejected: not this rater's task, or a choice that the page does not offer
        """
        if not any(task.key == key for task in self._queue(rater)):
            raise VoteRejected("this task is not in your queue")
        accepted = check_choice(choice, self._design)
        accepted_levels = check_levels(levels, self._design) if accepted == "rated" else {}
        now = self._now()
        since = self._presented.pop((rater.name, key), None)
        self._records.vote(
            Vote(
                at=now,
                rater=rater.name,
                task=key,
                left=study.choose_left(self._design.seed, rater.name, key) if self._design.mode == "pairs" else 0,
                choice=accepted,
                levels=accepted_levels,
                comment=comment[:COMMENT_LIMIT],
                unsafe=unsafe,
                seconds=None if since is None else round(now - since, 3),
            )
        )

    def overview(self) -> StudyOverview:
        """For the lead: progress, open disagreements, and figures that do not show which run is ahead."""
        votes = self._records.votes()
        counted = study.latest_votes(votes)
        figures = summarise_blind(self._design, self._tasks, votes, self._raters)
        waiting = [key for key in self._disagreements(votes) if (LEAD, key) not in counted]
        return StudyOverview(
            raters=tuple(self._rater_progress(name, counted) for name in self._raters),
            disagreements=len(waiting),
            settled=sum(1 for rater, _ in counted if rater == LEAD),
            planned=tuple(study.describe_plan(self._design, self._tasks, len(self._raters))),
            agreement=figures.agreement,
            left=figures.left,
        )

    def _judged_keys(self, rater: Rater) -> set[str]:
        return {key for name, key in study.latest_votes(self._records.votes()) if name == rater.name}

    def _rater_progress(self, name: str, counted: Mapping[tuple[str, str], Vote]) -> RaterProgress:
        mine = [vote for (rater, _), vote in counted.items() if rater == name]
        times = [vote.seconds for vote in mine if vote.seconds is not None]
        skipped = sum(vote.choice == "skip" for vote in mine)
        return RaterProgress(name, len(mine), len(self._queue(Rater(name))), skipped, median(times) if times else None)

    def _queue(self, rater: Rater) -> list[StudyTask]:
        if rater.lead:
            return [self._by_key[key] for key in self._disagreements(self._records.votes())]
        return study.rater_queue(self._tasks, self._owners, rater.name, self._design.seed)

    def _disagreements(self, votes: Sequence[Vote]) -> list[str]:
        return study.find_disagreements(self._tasks, votes, self._raters)

    def _describe_votes(self, task: StudyTask, votes: Sequence[Vote], left: int) -> list[RaterVote]:
        """The raters' votes as the lead sees the task: a rater's A may be on the other side here."""
        counted = study.latest_votes(votes)
        own = [(name, counted.get((name, task.key))) for name in self._raters]
        return [RaterVote(name, describe_vote(vote, left), vote.comment) for name, vote in own if vote is not None]


def list_judges(records: StudyRecords) -> list[str]:
    """Names of the raters, without the lead."""
    return [rater.name for rater in records.raters() if not rater.lead]


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def describe_vote(vote: Vote, left: int) -> str:
    """A vote in words, with the task's answer number `left` (0 or 1) shown as A."""
    if vote.choice == "rated":
        return ", ".join(f"{name} {level}" for name, level in vote.levels.items())
    if vote.chosen in ("first", "second"):
        return "A" if (vote.chosen == "first") == (left == 0) else "B"
    return {"tie": "a tie", "bad": "both bad", "skip": "skipped"}[vote.choice]


def check_choice(choice: str, design: StudyDesign) -> VoteChoice:
    """:raises VoteRejected: a choice that the pages of this kind of study do not offer"""
    offered = ("rated", "skip") if design.mode == "rubric" else ("left", "right", "tie", "bad", "skip")
    if choice not in offered:
        raise VoteRejected(f"vote {cut_text(choice)!r}, expected one of {', '.join(offered)}")
    return VOTE_CHOICES[VOTE_CHOICES.index(choice)]


def check_levels(levels: Mapping[str, str], design: StudyDesign) -> dict[str, int]:
    """:raises VoteRejected: a criterion without a level, or a level that it does not have"""
    checked = {}
    for criterion in design.criteria:
        level = levels.get(criterion.name, "")
        if not level.isdigit() or not 1 <= int(level) <= len(criterion.levels):
            raise VoteRejected(f"choose one of the {len(criterion.levels)} levels of {criterion.name}")
        checked[criterion.name] = int(level)
    return checked
