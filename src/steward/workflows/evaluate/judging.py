"""Lets a judge compare the answers of two runs, each pair in both orders."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from steward.adapters.engines.http import HttpEngine
from steward.core.errors import InputError, Unavailable
from steward.evaluation.compare import require_matching_runs
from steward.evaluation.judge import (
    AnsweredPair,
    JudgeComparison,
    JudgedItem,
    list_answered_pairs,
    make_comparison_calls,
    read_verdicts,
    summarise_verdicts,
)
from steward.evaluation.metrics.graded import parse_temperature
from steward.evaluation.run import send_cached
from steward.workflows.evaluate.comparison import read_pair
from steward.workflows.evaluate.target import ModelTarget, Progress


class JudgeSetup(msgspec.Struct, frozen=True):
    """The judge, what it judges by, and the temperature, None to leave it to the server."""

    target: ModelTarget
    rubric: str
    temperature: float | None


def judge_folders(
    baseline: Path, candidate: Path, target: ModelTarget, rubric: Path, *, temperature: str, progress: Progress
) -> JudgeComparison:
    """`temperature`: a number, or "" to leave it to the server.

    :raises InputError: not run folders, runs over different data, no rubric
    """
    before, after = read_pair(baseline, candidate)
    require_matching_runs(before, after)
    wording = read_text(rubric, "a text that describes what makes an answer better")
    setup = JudgeSetup(target, wording, parse_temperature(temperature))
    judged = asyncio.run(_judge_pairs(list_answered_pairs(before, after), setup, progress))
    return summarise_verdicts(before, after, judged, target.model, wording)


async def _judge_pairs(pairs: list[AnsweredPair], setup: JudgeSetup, progress: Progress) -> dict[str, JudgedItem]:
    """Judged items by id, `concurrency` at a time."""
    judged: dict[str, JudgedItem] = {}
    engine, show = HttpEngine(setup.target.url or "", setup.target.key), progress(len(pairs))
    todo, failed = iter(pairs), 0

    async def work() -> None:
        nonlocal failed
        for pair in todo:
            judged[pair.id] = item = await _judge_pair(pair, engine, setup)
            failed += item.unreached
            show(len(judged) - failed, failed)

    try:
        await asyncio.gather(*(work() for _ in range(setup.target.concurrency)))
    finally:
        await engine.close()
    return judged


async def _judge_pair(pair: AnsweredPair, engine: HttpEngine, setup: JudgeSetup) -> JudgedItem:
    target = setup.target
    calls = make_comparison_calls(
        target.model, setup.rubric, pair.question, pair.baseline, pair.candidate, setup.temperature
    )
    try:
        replies = [await send_cached(engine, call, target.cache, target.url or "") for call in calls]
    except Unavailable as error:
        return JudgedItem(id=pair.id, why=f"judge: {error}", unreached=True)
    return read_verdicts(pair.id, replies)


def read_text(path: Path, expected: str) -> str:
    """:raises InputError: no such file, or an empty one"""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}; expected {expected}") from error
    if not text.strip():
        raise InputError(f"{path}: empty; expected {expected}")
    return text
