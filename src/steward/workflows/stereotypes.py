"""How likely sentences are to a model, for sets that compare them: asked only of a model that passed the probe."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from steward.core.errors import InputError, Unavailable
from steward.core.extend import TokenScorer
from steward.workflows.evaluate import Server
from steward.workflows.perplexity import Asked, opened, probe

if TYPE_CHECKING:
    from steward.evaluation.bias import Scores, Text


def likelihoods(
    server: Server, texts: Sequence[Text], *, mean: bool, progress: Callable[[int], Callable[[int, int], None]]
) -> Scores:
    """Natural logarithms of whole texts, or with `mean` of their mean token. What was not answered has no number.

    :raises InputError: the model cannot be read, its log-probabilities are not the text's, or it has no token that
        begins a text, without which a first word has no likelihood
    :raises Unavailable: nothing was answered
    """
    from steward.evaluation.bias import Scores

    asked = Asked(server.model, backend=server.backend, url=server.url, key=server.key)

    async def go() -> Scores:
        async with opened(asked) as scorer:
            await probe(scorer, server.model)
            if scorer.prefix_token is None:
                raise InputError(f"{server.model} names no token that begins a text; score with another tool: --scores")
            values, shown, failed = dict[str, float](), progress(len(texts)), list[str]()
            todo = iter(texts)

            async def work() -> None:
                for text in todo:
                    try:
                        values[text.id] = await _nats(scorer, text, mean)
                    except Unavailable as error:
                        failed.append(str(error))
                    shown(len(values), len(failed))

            await asyncio.gather(*(work() for _ in range(min(server.concurrency, len(texts)))))
            if not values:
                raise Unavailable(f"{server.model}: no sentence was scored; the first: {failed[0]}")
            return Scores(values, f"{scorer.backend}, {'mean of tokens' if mean else 'sum of tokens'}")

    return asyncio.run(go())


async def _nats(scorer: TokenScorer, text: Text, mean: bool) -> float:
    """:raises Unavailable: no answer, or a value that is no log-probability"""
    from steward.evaluation.perplexity import windows

    before = len(await scorer.encode(text.context)) if text.context else 0
    tokens = await scorer.encode(f"{text.context} {text.text}" if text.context else text.text)
    values: list[float] = []
    for asked in windows(tokens, scorer.prefix_token, scorer.window, scorer.window):
        values += await scorer.score(asked)
    values = values[before:]
    total = math.fsum(values)
    if not values or not math.isfinite(total):
        raise Unavailable(f"{text.id}: {len(values)} tokens of log-probability {total}")
    return total / len(values) if mean else total
