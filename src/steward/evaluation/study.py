"""Plans a human study: which items, who judges what, on which side each answer stands, and how many are needed.

All of it follows from a seed, so that a study can be checked afterwards. Names of models and runs stay in `Design`;
an answer in which a model says its own name has that name covered.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

import msgspec

from steward.configuration.yaml_lines import read_struct
from steward.core.errors import InputError
from steward.core.study import Criterion, Pairing, StudyDesign, StudyMode, StudyRun, StudyTask, Vote
from steward.evaluation.run import EvalRun, graded_text
from steward.evaluation.suite import SuiteItem
from steward.evaluation.text_files import read_text_file

QUESTION: Final = {"pairs": "Which answer would you rather get?", "rubric": "How good is this answer?"}
TITLE: Final = {"pairs": "Which answers are better?", "rubric": "How good are these answers?"}
COVER: Final = "▇▇▇"
DOUBLY_RATED: Final = 50  # tasks with two raters or more, below which agreement is a guess
_SHORTEST: Final = 3  # letters of a name that can be told from a word


class Rubric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rubric.yaml: criteria with the words that anchor each level."""

    criteria: tuple[Criterion, ...]
    question: str = ""
    guide: str = ""


class GoldCase(msgspec.Struct, frozen=True, kw_only=True):
    """A line of gold.jsonl: a case whose right judgement is known."""

    prompt: str
    better: str = ""
    worse: str = ""
    answer: str = ""
    levels: dict[str, int] = {}


class StudyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever starts a study decides."""

    title: str = ""
    mode: StudyMode = "pairs"
    rubric: Rubric | None = None
    question: str = ""
    items: int | None = None
    overlap: float = 0.3
    seed: int = 12345
    detect: float = 0.6


def read_rubric(path: Path) -> Rubric:
    """:raises InputError: no criteria, or one with fewer than two or more than nine levels"""
    rubric = read_struct(path, Rubric, such_as="criteria")
    names = [criterion.name for criterion in rubric.criteria]
    if not names or len(set(names)) < len(names):
        raise InputError(f"{path}: criteria {names}, expected at least one, with unique names")
    for criterion in rubric.criteria:
        if not 2 <= len(criterion.levels) <= 9:
            raise InputError(f"{path}: {criterion.name} has {len(criterion.levels)} levels, expected 2 to 9")
    return rubric


def read_gold(path: Path, wanted: StudyOptions) -> list[GoldCase]:
    """:raises InputError: by line, what is missing"""
    lines = read_text_file(path, "JSON lines").split("\n")
    cases = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                gold = msgspec.json.decode(line, type=GoldCase)
            except msgspec.MsgspecError as error:
                raise InputError(f"{path}:{number}: {error}") from error
            if problem := _gold_problem(gold, wanted):
                raise InputError(f"{path}:{number}: {problem}")
            cases.append(gold)
    return cases


def _gold_problem(gold: GoldCase, wanted: StudyOptions) -> str:
    if wanted.rubric is None:
        same = gold.better.strip() == gold.worse.strip()
        return 'expected {"prompt", "better", "worse"} with two answers that differ' if same else ""
    levels = {criterion.name: len(criterion.levels) for criterion in wanted.rubric.criteria}
    if not gold.answer or not gold.levels:
        return 'expected {"prompt", "answer", "levels": {criterion: level}}'
    wrong = [name for name, level in gold.levels.items() if not 1 <= level <= levels.get(name, 0)]
    return f"levels.{wrong[0]} is {gold.levels[wrong[0]]}, expected one of {levels}" if wrong else ""


# -- what is judged ------------------------------------------------------------------------------------


def make_tasks(
    runs: Sequence[EvalRun], wanted: StudyOptions, gold: Sequence[GoldCase]
) -> tuple[list[StudyTask], list[Pairing]]:
    """The tasks in an order of the seed's, the shared ones marked, and what each pair of runs has.

    :raises InputError: nothing is left to judge
    """
    chosen = choose_items(runs[0].items, wanted)
    pairs = list(combinations(range(len(runs)), 2)) if wanted.mode == "pairs" else [(n, n) for n in range(len(runs))]
    names = [run.manifest.model for run in runs]
    theirs = [{item.id: item for item in run.items} for run in runs]
    tasks, pairings = [], []
    for first, second in pairs:
        both = (first,) if first == second else (first, second)
        same = failed = 0
        for item in chosen:
            answers = [graded_text(runs[run], item.id) for run in both]
            covered = tuple(cover_names(answer, names, item) for answer in answers if answer is not None)
            if len(covered) < len(both):
                failed += 1
            elif len(both) == 2 and covered[0].strip() == covered[1].strip():
                same += 1
            else:
                tasks.append(_make_task([items[item.id] for items in theirs], covered, both, wanted.seed))
        asked = len(chosen) - same - failed
        pairings.append(Pairing(first=first, second=second, asked=asked, same=same, failed=failed))
    if not tasks:
        raise InputError(
            "nothing to judge: for every chosen item, the runs gave identical answers or at least one has no answer"
        )
    tasks.sort(key=lambda task: _hash(wanted.seed, "order", task.key))
    shared = math.ceil(wanted.overlap * len(tasks))
    tasks = [msgspec.structs.replace(task, shared=number < shared) for number, task in enumerate(tasks)]
    return tasks + [_make_gold_task(one, number, wanted) for number, one in enumerate(gold)], pairings


def choose_items(items: Sequence[SuiteItem], wanted: StudyOptions) -> list[SuiteItem]:
    """As many items as wanted, by the seed; one of each item's repeats."""
    once = {item.id.partition("#")[0]: item for item in reversed(items)}
    order = sorted(once, key=lambda name: _hash(wanted.seed, "item", name))
    return [once[name] for name in order[: wanted.items]]


def cover_names(answer: str, names: Iterable[str], item: SuiteItem) -> str:
    """The answer without the names of the models; a name that the question itself holds is left.

    >>> item = SuiteItem("1", (), (), {}, "1")
    >>> cover_names("I am assistant-2, at your service.", ["assistant-2"], item)
    'I am ▇▇▇, at your service.'
    """
    shown = "\n".join([*(message.content for message in item.messages), *map(str, item.references)]).lower()
    for name in names:
        if len(name) >= _SHORTEST and name.lower() not in shown:
            answer = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", COVER, answer, flags=re.I)
    return answer


def _make_task(items: Sequence[SuiteItem], answers: tuple[str, ...], runs: tuple[int, ...], seed: int) -> StudyTask:
    """What was asked is shown as far as all were asked it: a system message of one run's alone would give it away."""
    item = items[0]
    asked = [message for message in item.messages if all(message in other.messages for other in items)]
    return StudyTask(
        key=_hash(seed, "task", item.id, *map(str, runs))[:16],
        item=item.id,
        cluster=item.cluster,
        asked=tuple((message.role, message.content) for message in asked or item.messages[-1:]),
        references=tuple(map(str, item.references)),
        answers=answers,
        runs=runs,
    )


def _make_gold_task(gold: GoldCase, number: int, wanted: StudyOptions) -> StudyTask:
    return StudyTask(
        key=_hash(wanted.seed, "gold", str(number), gold.prompt)[:16],
        item=f"gold {number + 1}",
        cluster=f"gold {number + 1}",
        asked=(("user", gold.prompt),),
        references=(),
        answers=(gold.answer,) if wanted.rubric else (gold.better, gold.worse),
        shared=True,
        gold=True,
        levels=gold.levels,
    )


def make_design(runs: Sequence[tuple[str, EvalRun]], wanted: StudyOptions, pairings: Sequence[Pairing]) -> StudyDesign:
    """What is written down before the first vote."""
    rubric = wanted.rubric
    first = runs[0][1]
    return StudyDesign(
        title=wanted.title or TITLE[wanted.mode],
        mode=wanted.mode,
        question=wanted.question or (rubric.question if rubric else "") or QUESTION[wanted.mode],
        guide=rubric.guide if rubric else "",
        criteria=rubric.criteria if rubric else (),
        runs=tuple(StudyRun(name, hash_answers(folder)) for name, folder in runs),
        data_sha256=first.manifest.data_sha256,
        items=len(choose_items(first.items, wanted)),
        overlap=wanted.overlap,
        seed=wanted.seed,
        detect=wanted.detect,
        pairings=tuple(pairings),
    )


def hash_answers(folder: EvalRun) -> str:
    """Of a run's answers: the same run gives the same."""
    predictions = [(item.id, folder.answers[item.id].prediction) for item in folder.items]
    return hashlib.sha256(msgspec.json.encode(predictions)).hexdigest()


# -- who judges what -----------------------------------------------------------------------------------


def assign_owners(
    tasks: Sequence[StudyTask], raters: Sequence[str], owners: Mapping[str, str], voted: set[str]
) -> dict[str, str]:
    """New owners of tasks that one rater judges: a task of nobody's, or of somebody who has more than a fair share.

    `owners` by task key; `voted`: keys that their owner has judged, which stay. Shares differ by one at most, as far
    as the votes that are there allow.
    """
    single = [task.key for task in tasks if not task.shared]
    held: dict[str, list[str]] = {rater: [] for rater in raters}
    for key in single:
        if key in voted and owners.get(key) in held:
            held[owners[key]].append(key)
    free = []
    for key in [key for key in single if key not in voted]:
        owner = owners.get(key)
        if owner in held and len(held[owner]) < math.ceil(len(single) / len(raters)):
            held[owner].append(key)
        else:
            free.append(key)
    moved = {}
    for key in free:
        least = min(raters, key=lambda rater: (len(held[rater]), raters.index(rater)))
        held[least].append(key)
        moved[key] = least
    return moved


def rater_queue(tasks: Sequence[StudyTask], owners: Mapping[str, str], rater: str, seed: int) -> list[StudyTask]:
    """A rater's tasks in an order of their own, gold among the others."""
    mine = [task for task in tasks if task.shared or owners.get(task.key) == rater]
    return sorted(mine, key=lambda task: _hash(seed, "queue", rater, task.key))


def choose_left(seed: int, rater: str, key: str) -> int:
    """Which of a task's answers stands left for this rater."""
    return int(_hash(seed, "side", rater, key)[:8], 16) % 2


def latest_votes(votes: Iterable[Vote]) -> dict[tuple[str, str], Vote]:
    """The vote that counts, by rater and task."""
    return {(vote.rater, vote.task): vote for vote in votes}


def vote_verdict(task: StudyTask, vote: Vote) -> Any:
    """What two raters can agree on: the choice, or the levels; None where the task was skipped."""
    if vote.choice == "skip":
        return None
    return vote.chosen if len(task.answers) == 2 else tuple(sorted(vote.levels.items()))


def find_disagreements(tasks: Sequence[StudyTask], votes: Iterable[Vote], raters: Sequence[str]) -> list[str]:
    """Keys of shared tasks that all raters have judged, and not alike."""
    counted = latest_votes(votes)
    keys = []
    for task in tasks:
        if task.shared and not task.gold:
            cast = [counted.get((rater, task.key)) for rater in raters]
            judged = [vote_verdict(task, vote) for vote in cast if vote is not None]
            if len(judged) == len(raters) and len(set(judged) - {None}) > 1:
                keys.append(task.key)
    return keys


def _hash(seed: int, *parts: str) -> str:
    return hashlib.sha256("\x1f".join((str(seed), *parts)).encode()).hexdigest()


# -- how many are needed -------------------------------------------------------------------------------


def comparisons_needed(rate: float, confidence: float = 0.95, power: float = 0.8) -> int:
    """Untied comparisons that tell a win rate from a half, two-sided (Fleiss, Levin and Paik 2003, section 2.4).

    >>> comparisons_needed(0.6), comparisons_needed(0.55)
    (194, 783)
    """
    normal = NormalDist()
    alone, chance = normal.inv_cdf(0.5 + confidence / 2) * 0.5, normal.inv_cdf(power) * math.sqrt(rate * (1 - rate))
    return math.ceil(((alone + chance) / (rate - 0.5)) ** 2)


def detectable_rate(n: int, confidence: float = 0.95, power: float = 0.8) -> float:
    """The smallest win rate above a half that `n` untied comparisons find with that power; 1 where none is.

    >>> round(detectable_rate(194), 2)
    0.6
    """
    low, high = 0.5, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if comparisons_needed(middle, confidence, power) > n else (low, middle)
    return high


def describe_plan(design: StudyDesign, tasks: Sequence[StudyTask], raters: int) -> list[str]:
    """The plan in words, without names of runs; for whoever starts, and for the lead."""
    judged = [task for task in tasks if not task.gold]
    shared = sum(task.shared for task in judged)
    gold = len(tasks) - len(judged)
    each = shared + gold + math.ceil((len(judged) - shared) / max(1, raters))
    lines = [
        f"{design.items} items, {len(judged)} tasks ({shared} of them judged by every rater) and {gold} gold tasks; "
        f"about {each} tasks for each of {raters} raters"
    ]
    if design.mode == "pairs":
        n = min(pairing.asked for pairing in design.pairings)
        need = comparisons_needed(design.detect)
        lines.append(
            f"detecting a win rate of {design.detect:g} (against 0.5, two-sided 5 %, power 80 %) takes {need} "
            "comparisons "
            f"without a tie; the plan has {n} per pair of runs, enough to detect {detectable_rate(n):.2f}"
        )
        lines += [
            f"not shown: {pairing.same} items with identical answers, {pairing.failed} with a missing answer"
            for pairing in design.pairings
            if pairing.same or pairing.failed
        ]
    if raters > 1 and shared < DOUBLY_RATED:
        lines.append(
            f"measuring agreement needs at least {DOUBLY_RATED} tasks that several raters judge; the plan has {shared}"
        )
    lines.append(
        "stop only when the queues are empty: stopping early on a favourable result finds differences that do not exist"
    )
    return lines
