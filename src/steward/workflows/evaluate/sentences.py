"""How likely sentences are to a model, for sets that compare them. Only a model that passed the probe is asked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from steward.core.errors import InputError, Unavailable
from steward.core.extend import TokenScorer
from steward.evaluation.bias import ScorableText, SentenceScores
from steward.evaluation.perplexity import split_windows
from steward.workflows.evaluate.perplexity import PerplexityOptions, check_scorer, open_scorer
from steward.workflows.evaluate.target import ModelTarget, Progress


def score_sentences(
    target: ModelTarget, texts: Sequence[ScorableText], *, mean: bool, progress: Progress
) -> SentenceScores:
    """Natural logarithms of the probabilities of texts or, with `mean`, the mean over their tokens.

    A text without an answer has no number.

    :raises InputError: the model cannot be read, its log-probabilities are not those of the text, or it has no token
        that begins a text, without which the first word has no likelihood
    :raises Unavailable: nothing was answered
    """
    return asyncio.run(_score_texts(target, texts, mean, progress))


async def _score_texts(
    target: ModelTarget, texts: Sequence[ScorableText], mean: bool, progress: Progress
) -> SentenceScores:
    options = PerplexityOptions(target.model, backend=target.backend, url=target.url, key=target.key)
    async with open_scorer(options) as scorer:
        await check_scorer(scorer, target.model)
        if scorer.prefix_token is None:
            raise InputError(
                f"{target.model} has no token that begins a text, so first words cannot be scored; score with "
                "another tool and give --scores"
            )
        values, show, errors, todo = dict[str, float](), progress(len(texts)), list[str](), iter(texts)

        async def work() -> None:
            for text in todo:
                try:
                    values[text.id] = await _score_text(scorer, text, mean)
                except Unavailable as error:
                    errors.append(str(error))
                show(len(values), len(errors))

        await asyncio.gather(*(work() for _ in range(min(target.concurrency, len(texts)))))
        if not values:
            raise Unavailable(f"{target.model}: no sentence could be scored; the first error: {errors[0]}")
        return SentenceScores(values, f"{scorer.backend}, {'mean of tokens' if mean else 'sum of tokens'}")


async def _score_text(scorer: TokenScorer, text: ScorableText, mean: bool) -> float:
    """:raises Unavailable: no answer, or a value that is not a log-probability"""
    before = len(await scorer.encode(text.context)) if text.context else 0
    tokens = await scorer.encode(f"{text.context} {text.text}" if text.context else text.text)
    values: list[float] = []
    for continuation in split_windows(tokens, scorer.prefix_token, scorer.window, scorer.window):
        values += await scorer.score(continuation)
    values = values[before:]
    total = math.fsum(values)
    if not values or not math.isfinite(total):
        raise Unavailable(f"{text.id}: {len(values)} tokens of log-probability {total}")
    return total / len(values) if mean else total
