"""A human study's records: what is asked of whom, and what was said.

`Shown` is all that a rater's browser ever gets: it has no field in which a model, a run or an item could be named.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from steward.core.errors import InputError

StudyMode = Literal["pairs", "rubric"]
VoteChoice = Literal["left", "right", "tie", "bad", "skip", "rated"]  # "rated": the levels say the rest
VOTE_CHOICES: tuple[VoteChoice, ...] = ("left", "right", "tie", "bad", "skip", "rated")


class VoteRejected(InputError):
    """A vote that its page did not offer. The message may be shown to the rater: it names no file and no run."""


class Criterion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question of a rubric; `levels` describe its answers from the worst (1) to the best."""

    name: str
    ask: str
    levels: tuple[str, ...]


class StudyRun(msgspec.Struct, frozen=True):
    """A run that takes part. Never leaves the study file for a browser."""

    name: str  # "assistant (runs/a)"
    answers_sha256: str


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a pair of runs has in the study, and which were left out."""

    first: int  # of Design.runs
    second: int
    asked: int
    same: int  # both answers alike: nothing to choose, so not shown
    failed: int  # one of the runs has no answer


class StudyDesign(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided before the first vote."""

    format: int = 1
    title: str
    mode: StudyMode
    question: str
    guide: str
    criteria: tuple[Criterion, ...] = ()
    runs: tuple[StudyRun, ...]
    data_sha256: str
    items: int  # chosen from the runs
    overlap: float  # share of the tasks that every rater gets
    seed: int
    detect: float  # the win rate that the study is meant to tell from a half
    pairings: tuple[Pairing, ...] = ()


class StudyTask(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to judge: two answers, or one. Gold has no runs; its better answer is the first."""

    key: str  # in the address of its page; says nothing
    item: str
    cluster: str
    asked: tuple[tuple[str, str], ...]  # role, words
    references: tuple[str, ...]
    answers: tuple[str, ...]
    runs: tuple[int, ...] = ()
    shared: bool = False  # every rater gets it
    gold: bool = False
    levels: dict[str, int] = {}  # gold of a rubric


class Rater(msgspec.Struct, frozen=True):
    """Somebody with an invite. The lead sees progress and settles disagreements."""

    name: str
    lead: bool = False


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """What one rater said of one task, in the order of votes. The last of a rater and task counts."""

    at: float  # seconds since 1970
    rater: str
    task: str  # its key
    left: int  # which of the task's answers stood left
    choice: VoteChoice = msgspec.field(name="pressed")
    levels: dict[str, int] = {}
    comment: str = ""
    unsafe: bool = False
    seconds: float | None = None  # from showing to voting; None where the server restarted between

    @property
    def chosen(self) -> str:
        """ "first" or "second" of the task's answers, "tie" or "bad"; "" where none was chosen."""
        if self.choice in ("left", "right"):
            return "first" if (self.left == 0) == (self.choice == "left") else "second"
        return self.choice if self.choice in ("tie", "bad") else ""


class RaterVote(msgspec.Struct, frozen=True):
    """Another rater's vote, as the lead sees it when settling a disagreement."""

    rater: str
    words: str
    comment: str


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """One task as its page shows it."""

    key: str
    asked: tuple[tuple[str, str], ...]
    references: tuple[str, ...]
    answers: tuple[str, ...]  # left, right; or one
    done: int
    total: int
    before: str | None  # key of the task voted on before, to go back to
    choice: str = ""  # what this rater said of it already
    levels: dict[str, int] = {}
    comment: str = ""
    unsafe: bool = False
    votes: tuple[RaterVote, ...] = ()


class StudyGuide(msgspec.Struct, frozen=True, kw_only=True):
    """What every page of the study says."""

    title: str
    mode: StudyMode
    question: str
    guide: str
    criteria: tuple[Criterion, ...]


HURRIED_S: Final = 1.0  # three of the fastest reactions to one word (0.3 s); nobody reads two answers in it


class RaterProgress(msgspec.Struct, frozen=True):
    """How far a rater is."""

    name: str
    done: int
    total: int
    skipped: int
    median_s: float | None

    @property
    def hurried(self) -> bool:
        """Whether half of the votes came sooner than a task can be read."""
        return is_hurried(self.median_s)


def is_hurried(median_s: float | None) -> bool:
    """
    >>> is_hurried(0.3), is_hurried(1.0), is_hurried(None)
    (True, False, False)
    """
    return median_s is not None and median_s < HURRIED_S


class StudyOverview(msgspec.Struct, frozen=True, kw_only=True):
    """For the lead while the study runs: how far it is, how far raters agree, whether the side matters."""

    raters: tuple[RaterProgress, ...]
    disagreements: int  # waiting to be settled
    settled: int
    planned: tuple[str, ...]
    agreement: tuple[tuple[str, str], ...]  # name, "0.71 [0.55, 0.84]"
    left: str  # share of left among decided votes, with its interval
