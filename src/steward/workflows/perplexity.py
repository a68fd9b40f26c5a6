"""Perplexity's composition root: a model opened, believed after its probe, and asked every window of a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.extend import TokenScorer
from steward.core.secret import Secret
from steward.workflows.evaluate import require_extra
from steward.workflows.models import backend_of, check_backend, embedded_threads, model_file, scratch

if TYPE_CHECKING:
    from steward.evaluation.perplexity import Document, Likelihood, Perplexity


class PerplexityOptions:
    """What the command line says of the model and of the windows, beside the text."""

    def __init__(
        self,
        model: str,
        *,
        backend: str = "auto",
        url: str | None = None,
        key: Secret | None = None,
        tokenizer: Path | None = None,
        window: int | None = None,
        stride: int | None = None,
        prefix_token: str | None = None,
    ) -> None:
        """`prefix_token`: a number or "none"; else the model's own.

        :raises InputError: a back end or a prefix of another kind
        """
        check_backend(backend)
        if prefix_token not in (None, "none") and not str(prefix_token).isdecimal():
            raise InputError(f"--prefix-token {prefix_token!r}: expected the number of a token, or none")
        self.model, self.backend, self.url, self.key = model, backend, url, key
        self.tokenizer, self.window, self.stride, self.prefix = tokenizer, window, stride, prefix_token


def measure_perplexity(
    asked: PerplexityOptions,
    file: Path,
    *,
    split: str,
    field: str,
    concurrency: int,
    progress: Callable[[int], Callable[[int, int], None]],
    against: Path | None = None,
) -> Perplexity:
    """`against`: another result, to be paired with document by document.

    :raises InputError: the text or the model cannot be read, or the model's log-probabilities are not the text's
    :raises Unavailable: no document could be scored
    """
    require_extra()
    from steward.evaluation.perplexity import compare_perplexity, read_documents, read_perplexity

    old = read_perplexity(against) if against is not None else None
    documents = read_documents(file, split, field)
    name = "rows" if file.suffix == ".jsonl" else split

    async def go() -> Perplexity:
        async with open_scorer(asked) as scorer:
            await check_scorer(scorer, asked.model)
            return await measure_documents(asked, scorer, documents, name, concurrency, progress(len(documents)))

    found = asyncio.run(go())
    return found if old is None else msgspec.structs.replace(found, against=compare_perplexity(found, old))


async def measure_documents(
    asked: PerplexityOptions,
    scorer: TokenScorer,
    documents: Sequence[Document],
    split: str,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Perplexity:
    """:raises Unavailable: no document could be scored"""
    from steward.evaluation.perplexity import (
        PerplexitySetup,
        hash_texts,
        hash_tokens,
        split_windows,
        sum_likelihood,
        summarise_perplexity,
    )

    window, prefix = scorer.window, _choose_prefix(asked.prefix, scorer)
    stride = asked.stride or window
    if stride > window:
        raise InputError(f"--stride {stride} is larger than the window of {window}; some tokens would not be scored")
    tokens = [await scorer.encode(document.text) for document in documents]
    found: dict[int, Likelihood] = {}
    todo, errored = iter(range(len(documents))), 0

    async def work() -> None:
        nonlocal errored
        for index in todo:
            found[index] = await one(documents[index], tokens[index])
            errored += found[index].error is not None
            progress(len(found) - errored, errored)

    async def one(document: Document, given: list[int]) -> Likelihood:
        from steward.evaluation.perplexity import Likelihood

        values: list[float] = []
        try:
            for asking in split_windows(given, prefix, window, stride):
                values += await scorer.score(asking)
        except Unavailable as failure:
            return Likelihood(document.id, error=str(failure))
        return sum_likelihood(document, values)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(documents))):
                group.create_task(work())
    except* InputError as failures:  # a refusal is one for all
        raise failures.exceptions[0] from None
    rows = [found[index] for index in range(len(documents))]
    if all(row.error is not None for row in rows):
        raise Unavailable(f"{asked.model}: no document could be scored; the first error: {rows[0].error}")
    setup = PerplexitySetup(
        window=window,
        stride=stride,
        prefix_token=prefix,
        split=split,
        tokenizer_sha256=scorer.tokenizer_sha256,
        tokens_sha256=hash_tokens(tokens),
        text_sha256=hash_texts(documents),
    )
    return summarise_perplexity(asked.model, scorer.backend, rows, setup)


async def check_scorer(scorer: TokenScorer, model: str) -> None:
    """:raises InputError: its log-probabilities are not those of the text it is given, and why"""
    from steward.evaluation.probe import TEXTS, KnownAnswer, find_contradiction

    for text in TEXTS:
        context = tuple(await scorer.encode(text))
        if len(context) < 2:
            raise InputError(f"{model}: {len(context)} tokens for {text!r}; log-likelihood metrics need a tokenizer")
        known = KnownAnswer(context, await scorer.likeliest(context), context[0])
        why = find_contradiction(known, [await scorer.score(question) for question in known.questions()])
        if why:
            raise InputError(
                f"perplexity of {model} is refused: the model failed a test with a known answer ({why}), so its "
                "numbers would not be the log-probabilities of the text; use --backend embedded or transformers, or "
                "another server"
            )


@asynccontextmanager
async def open_scorer(asked: PerplexityOptions) -> AsyncIterator[TokenScorer]:
    """The scorer that the model's name, or `backend`, asks for."""
    kind = backend_of(asked.model, asked.backend, asked.url)
    if kind == "url":
        from steward.adapters.engines.echo import open_echo
        from steward.adapters.engines.http import HttpEngine

        prefix = None if asked.prefix in (None, "none") else int(asked.prefix)
        engine = HttpEngine(asked.url or "", asked.key)
        try:
            yield await open_echo(engine, asked.model, asked.tokenizer, prefix, asked.window)
        finally:
            await engine.close()
    elif kind == "embedded":
        from steward.adapters.engines.embedded import EmbeddedScorer

        with scratch() as folder:
            embedded = EmbeddedScorer(model_file(asked.model), folder, embedded_threads(), asked.window)
            try:
                yield embedded
            finally:
                await embedded.close()
    else:
        from steward.adapters.engines.checkpoint import Checkpoint

        yield Checkpoint(model_file(asked.model), asked.window)


def _choose_prefix(given: str | None, scorer: TokenScorer) -> int | None:
    if given is None:
        return scorer.prefix_token
    return None if given == "none" else int(given)
