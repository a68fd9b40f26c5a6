"""`steward data judge`: a model scores each row, after saying what that will cost.

Scores are kept beside the output as they come, by the question's hash, so that a run that was ended asks only what is
left, and the same text is asked about once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import msgspec
import xxhash

from steward.adapters.judges.post import post_question
from steward.core.errors import InputError, Unavailable
from steward.core.files import replace_file
from steward.core.secret import Secret
from steward.data.config import Source
from steward.data.judgement import make_question, read_score
from steward.data.planner import plan_reading
from steward.data.reader import ReadBatch, read_shard
from steward.data.sinks import restore_rows
from steward.data.stage import get_texts
from steward.evaluation.spend import CHARACTERS_PER_TOKEN, MESSAGE_TOKENS, TokenPrices
from steward.loadtest.config import request_url
from steward.workflows.curate import add_store

COLUMN = "judge_score"
Progress = Callable[[int, int, str], None]


class RowJudgePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, of whom."""

    url: str  # of an OpenAI-compatible server
    model: str
    question: str  # with {{ text }} in it
    key: Secret | None = None
    lowest: float = 0.0
    highest: float = 5.0
    max_tokens: int = 256
    concurrency: int = 8
    timeout_s: float = 60.0
    text: str | None = None  # column that holds the text, where it is not `text`


class JudgeEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What it will take. Output tokens are the most that there can be, input tokens come from characters."""

    rows: int
    asked: int  # different questions that have no score yet
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward data judge` prints. rows = scored + unscored."""

    output: str
    rows: int
    scored: int
    unscored: int  # no answer, or none that holds a score: their score is null
    failed: int  # rows that cannot be read
    asked: int
    mean: float | None


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Said


class _Completion(msgspec.Struct):
    choices: list[_Choice]


def estimate_judging(files: list[str], output: Path, plan: RowJudgePlan, prices: TokenPrices | None) -> JudgeEstimate:
    """:raises InputError: the question has no place for the text"""
    known, waiting, rows = set(_read_scores(output)), set[str](), 0
    characters = 0
    for _, text in _read_texts(files, plan):
        rows += 1
        question = make_question(plan.question, text)
        key = _hash_question(question, plan)
        if key not in known and key not in waiting:
            waiting.add(key)
            characters += len(question)
    asked = len(waiting)
    tokens = characters // CHARACTERS_PER_TOKEN + MESSAGE_TOKENS * asked
    cost = prices.cost_usd(tokens, asked * plan.max_tokens) if prices else None
    return JudgeEstimate(
        rows=rows, asked=asked, input_tokens=tokens, output_tokens=asked * plan.max_tokens, cost_usd=cost
    )


def judge_files(
    files: list[str], output: Path, plan: RowJudgePlan, progress: Progress = lambda done, total, what: None
) -> Judged:
    """Every row with its score in the column `judge_score`, as JSON lines. :raises InputError: that column is there"""
    make_question(plan.question, "")
    output.parent.mkdir(parents=True, exist_ok=True)
    scores = _read_scores(output)
    before = len(scores)
    rows = scored = failed = 0
    total = 0.0
    with (
        ThreadPoolExecutor(plan.concurrency) as pool,
        _score_file(output).open("ab") as kept,
        replace_file(output) as temporary,
        temporary.open("wb") as file,
    ):
        for item in _read_batches(files, plan):
            failed += len(item.failed)
            keys = _score_batch(item, plan, scores, kept, pool)
            for key, row in zip(keys, restore_rows(item.batch.drop_columns(["row"])), strict=True):
                if COLUMN in row:
                    raise InputError(f"the rows have a column {COLUMN} already; rename it first")
                score = scores.get(key)
                rows, scored, total = rows + 1, scored + (score is not None), total + (score or 0.0)
                file.write(msgspec.json.encode({**row, COLUMN: score}) + b"\n")
            progress(rows, rows, "judging")
    return Judged(
        output=str(output), rows=rows, scored=scored, unscored=rows - scored, failed=failed,
        asked=len(scores) - before, mean=total / scored if scored else None,
    )  # fmt: skip


def _score_batch(
    item: ReadBatch, plan: RowJudgePlan, scores: dict[str, float | None], kept: IO[bytes], pool: ThreadPoolExecutor
) -> list[str]:
    """The key of each row of the batch, whose score is then known. What could be scored is kept."""
    questions = [make_question(plan.question, text) for text in get_texts(item.batch).to_pylist()]
    keys = [_hash_question(question, plan) for question in questions]
    waiting = {key: question for key, question in zip(keys, questions, strict=True) if key not in scores}
    for key, score in zip(waiting, pool.map(lambda question: _ask(plan, question), waiting.values()), strict=True):
        scores[key] = score
        if score is not None:  # what has none is asked again in the next run
            kept.write(msgspec.json.encode([key, score]) + b"\n")
            kept.flush()
    return keys


def _ask(plan: RowJudgePlan, question: str) -> float | None:
    """None where there is no answer, or no score in it."""
    body = {
        "model": plan.model, "messages": [{"role": "user", "content": question}], "temperature": 0,
        "max_tokens": plan.max_tokens,
    }  # fmt: skip
    try:
        answer = post_question(
            request_url(plan.url, "chat"), plan.key or "", body, plan.timeout_s, _Completion, "the judge"
        )
    except Unavailable:
        return None
    return read_score(answer.choices[0].message.content or "", plan.lowest, plan.highest) if answer.choices else None


def _hash_question(question: str, plan: RowJudgePlan) -> str:
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode([plan.model, plan.lowest, plan.highest, question]))


def _score_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.scores")


def _read_scores(output: Path) -> dict[str, float | None]:
    """What an earlier run kept; a line that was cut off is asked again."""
    scores: dict[str, float | None] = {}
    path = _score_file(output)
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            key, score = msgspec.json.decode(line, type=tuple[str, float])
        except msgspec.MsgspecError:
            continue
        scores[key] = score
    return scores


def _read_batches(files: list[str], plan: RowJudgePlan) -> Iterator[ReadBatch]:
    source = add_store(Source(path=files, text=plan.text, on_error="skip"))
    read_plan = plan_reading(source)
    for shard in read_plan.shards:
        yield from read_shard(shard, read_plan.shape, source)


def _read_texts(files: list[str], plan: RowJudgePlan) -> Iterator[tuple[int, str]]:
    for item in _read_batches(files, plan):
        yield from zip(item.batch["row"].to_pylist(), get_texts(item.batch).to_pylist(), strict=True)
