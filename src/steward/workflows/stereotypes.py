"""How likely sentences are to a model, for sets that compare them: asked only of a model that passed the probe."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from steward.core.errors import InputError, Unavailable
from steward.core.extend import TokenScorer
from steward.workflows.evaluate import ModelTarget
from steward.workflows.perplexity import PerplexityOptions, check_scorer, open_scorer

if TYPE_CHECKING:
    from steward.evaluation.bias import ScorableText, SentenceScores


def score_sentences(
    server: ModelTarget,
    texts: Sequence[ScorableText],
    *,
    mean: bool,
    progress: Callable[[int], Callable[[int, int], None]],
) -> SentenceScores:
    """Natural logarithms of whole texts, or with `mean` of their mean token. What was not answered has no number.

    :raises InputError: the model cannot be read, its log-probabilities are not the text's, or it has no token that
        begins a text, without which a first word has no likelihood
    :raises Unavailable: nothing was answered
    """
    from steward.evaluation.bias import SentenceScores

    asked = PerplexityOptions(server.model, backend=server.backend, url=server.url, key=server.key)

    async def go() -> SentenceScores:
        async with open_scorer(asked) as scorer:
            await check_scorer(scorer, server.model)
            if scorer.prefix_token is None:
                raise InputError(
                    f"{server.model} has no token that begins a text, so first words cannot be scored; score "
                    "with another tool and give --scores"
                )
            values, shown, failed = dict[str, float](), progress(len(texts)), list[str]()
            todo = iter(texts)

            async def work() -> None:
                for text in todo:
                    try:
                        values[text.id] = await _score_sentence(scorer, text, mean)
                    except Unavailable as error:
                        failed.append(str(error))
                    shown(len(values), len(failed))

            await asyncio.gather(*(work() for _ in range(min(server.concurrency, len(texts)))))
            if not values:
                raise Unavailable(f"{server.model}: no sentence could be scored; the first error: {failed[0]}")
            return SentenceScores(values, f"{scorer.backend}, {'mean of tokens' if mean else 'sum of tokens'}")

    return asyncio.run(go())


async def _score_sentence(scorer: TokenScorer, text: ScorableText, mean: bool) -> float:
    """:raises Unavailable: no answer, or a value that is no log-probability"""
    from steward.evaluation.perplexity import split_windows

    before = len(await scorer.encode(text.context)) if text.context else 0
    tokens = await scorer.encode(f"{text.context} {text.text}" if text.context else text.text)
    values: list[float] = []
    for asked in split_windows(tokens, scorer.prefix_token, scorer.window, scorer.window):
        values += await scorer.score(asked)
    values = values[before:]
    total = math.fsum(values)
    if not values or not math.isfinite(total):
        raise Unavailable(f"{text.id}: {len(values)} tokens of log-probability {total}")
    return total / len(values) if mean else total
