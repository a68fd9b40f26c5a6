"""Scores the choices of a benchmark by their likelihood. Only a model that passed the probe is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

from steward.core.errors import InputError, Unavailable
from steward.core.extend import Continuation, TokenScorer
from steward.evaluation.benchmarks import (
    BenchmarkResult,
    ChoiceQuestion,
    ChoiceRow,
    ScoredChoice,
    add_examples,
    join_text,
    read_benchmark,
    summarise_choices,
)
from steward.workflows.evaluate.perplexity import PerplexityOptions, check_scorer, open_scorer
from steward.workflows.evaluate.target import Progress


def run_benchmark(
    options: PerplexityOptions,
    data: Path,
    *,
    kind: str,
    shots: int,
    shots_data: Path | None,
    seed: int,
    limit: int | None,
    concurrency: int,
    progress: Progress,
) -> BenchmarkResult:
    """`shots_data`: the file that worked examples come from; without it, the benchmark's own other questions.

    :raises InputError: another format, too few questions for the examples, or a model that cannot tell likelihoods
    :raises Unavailable: no question could be scored
    """
    found, questions = read_benchmark(data, kind, limit)
    pool = read_benchmark(shots_data, found)[1] if shots_data is not None else questions
    asked = add_examples(questions, pool, shots, seed)

    async def score() -> BenchmarkResult:
        async with open_scorer(options) as scorer:
            await check_scorer(scorer, options.model)
            prefix = options.choose_prefix(scorer.prefix_token)
            rows = await _score_questions(scorer, asked, prefix, concurrency, progress)
            if all(row.error is not None for row in rows):
                raise Unavailable(f"{options.model}: no question could be scored; the first error: {rows[0].error}")
            return summarise_choices(options.model, found, shots, rows, scorer.backend, seed)

    return asyncio.run(score())


async def _score_questions(
    scorer: TokenScorer,
    questions: Sequence[ChoiceQuestion],
    prefix: int | None,
    concurrency: int,
    progress: Progress,
) -> list[ChoiceRow]:
    """In order."""
    rows: dict[int, ChoiceRow] = {}
    todo, errored, show = iter(range(len(questions))), 0, progress(len(questions))

    async def work() -> None:
        nonlocal errored
        for index in todo:
            rows[index] = await _score_question(scorer, questions[index], prefix)
            errored += rows[index].error is not None
            show(len(rows) - errored, errored)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(questions))):
                group.create_task(work())
    except* InputError as failures:  # a refusal is the same for all questions
        raise failures.exceptions[0] from None
    return [rows[index] for index in range(len(questions))]


async def _score_question(scorer: TokenScorer, question: ChoiceQuestion, prefix: int | None) -> ChoiceRow:
    try:
        sums = [await _score_choice(scorer, choice, prefix) for choice in question.choices]
    except Unavailable as error:
        return ChoiceRow(id=question.id, right=question.right, group=question.group, error=str(error))
    return ChoiceRow(
        id=question.id,
        right=question.right,
        group=question.group,
        log_probabilities=tuple(sums),
        lengths=tuple(len(choice.text) for choice in question.choices),
    )


async def _score_choice(scorer: TokenScorer, choice: ScoredChoice, prefix: int | None) -> float:
    """The sum over the choice's tokens: those of the whole text that its context does not have. A text that is longer
    than the window loses its beginning, as in lm-evaluation-harness.

    :raises Unavailable: no answer, or nothing to score the first token after
    """
    before = await scorer.encode(choice.context) if choice.context else []
    whole = await scorer.encode(join_text(choice.context, choice.text))
    start = min(len(before), len(whole) - 1)
    context = [*([] if prefix is None else [prefix]), *whole[:start]]
    tokens = whole[start:]
    if not context:
        raise Unavailable(
            "the choice follows nothing, and the model has no token that begins a text; see --prefix-token"
        )
    room = max(1, scorer.window - len(tokens))
    values = await scorer.score(Continuation(tuple(context[-room:]), tuple(tokens)))
    total = math.fsum(values)
    if not values or not math.isfinite(total):
        raise Unavailable(f"{len(values)} tokens of log-probability {total}")
    return total
