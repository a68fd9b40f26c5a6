"""Opens a model, tests that its log-probabilities can be believed, and asks it every window of a text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from steward.adapters.engines.echo import open_echo
from steward.adapters.engines.http import HttpEngine
from steward.core.errors import InputError, Unavailable
from steward.core.extend import TokenScorer
from steward.core.secret import Secret
from steward.evaluation.perplexity import (
    Document,
    Likelihood,
    Perplexity,
    PerplexitySetup,
    compare_perplexity,
    hash_texts,
    hash_tokens,
    read_documents,
    read_perplexity,
    split_windows,
    sum_likelihood,
    summarise_perplexity,
)
from steward.evaluation.probe import TEXTS, KnownAnswer, find_contradiction
from steward.workflows.evaluate.target import Progress
from steward.workflows.models import backend_of, check_backend, embedded_threads, make_scratch_folder, model_file


class PerplexityOptions(msgspec.Struct, frozen=True):
    """The model to ask and how its windows are cut. `prefix_token`: a number or "none"; None: the model's own.

    :raises InputError: an unknown back end, or a prefix that is neither
    """

    model: str
    backend: str = "auto"
    url: str | None = None
    key: Secret | None = None
    tokenizer: Path | None = None
    window: int | None = None
    stride: int | None = None
    prefix_token: str | None = None

    def __post_init__(self) -> None:
        check_backend(self.backend)
        if self.prefix_token not in (None, "none") and not str(self.prefix_token).isdecimal():
            raise InputError(f"--prefix-token {self.prefix_token!r}: expected the number of a token, or none")

    def choose_prefix(self, default: int | None) -> int | None:
        """The token before a text's first one; None: the first token is not scored."""
        if self.prefix_token is None:
            return default
        return None if self.prefix_token == "none" else int(self.prefix_token)


def measure_perplexity(
    options: PerplexityOptions,
    file: Path,
    *,
    split: str,
    field: str,
    concurrency: int,
    progress: Progress,
    against: Path | None = None,
) -> Perplexity:
    """`against`: an earlier result, to be compared with document by document.

    :raises InputError: the text or the model cannot be read, or its log-probabilities are not those of the text
    :raises Unavailable: no document could be scored
    """
    old = read_perplexity(against) if against is not None else None
    documents = read_documents(file, split, field)
    unit = "rows" if file.suffix == ".jsonl" else split

    async def measure() -> Perplexity:
        async with open_scorer(options) as scorer:
            await check_scorer(scorer, options.model)
            return await measure_documents(options, scorer, documents, unit, concurrency, progress(len(documents)))

    new = asyncio.run(measure())
    return new if old is None else msgspec.structs.replace(new, against=compare_perplexity(new, old))


async def measure_documents(
    options: PerplexityOptions,
    scorer: TokenScorer,
    documents: Sequence[Document],
    split: str,
    concurrency: int,
    progress: Callable[[int, int], None],
) -> Perplexity:
    """:raises InputError: a stride larger than the window
    :raises Unavailable: no document could be scored
    """
    window, prefix = scorer.window, options.choose_prefix(scorer.prefix_token)
    stride = options.stride or window
    if stride > window:
        raise InputError(f"--stride {stride} is larger than the window of {window}; some tokens would not be scored")
    tokens = [await scorer.encode(document.text) for document in documents]
    rows = await _score_documents(scorer, documents, tokens, (prefix, window, stride), concurrency, progress)
    if all(row.error is not None for row in rows):
        raise Unavailable(f"{options.model}: no document could be scored; the first error: {rows[0].error}")
    setup = PerplexitySetup(
        window=window,
        stride=stride,
        prefix_token=prefix,
        split=split,
        tokenizer_sha256=scorer.tokenizer_sha256,
        tokens_sha256=hash_tokens(tokens),
        text_sha256=hash_texts(documents),
    )
    return summarise_perplexity(options.model, scorer.backend, rows, setup)


async def _score_documents(
    scorer: TokenScorer,
    documents: Sequence[Document],
    tokens: Sequence[list[int]],
    cut: tuple[int | None, int, int],
    concurrency: int,
    progress: Callable[[int, int], None],
) -> list[Likelihood]:
    """One row per document, in order. `cut`: prefix, window and stride."""
    rows: dict[int, Likelihood] = {}
    todo, errored = iter(range(len(documents))), 0

    async def work() -> None:
        nonlocal errored
        for index in todo:
            rows[index] = await _score_document(scorer, documents[index], tokens[index], cut)
            errored += rows[index].error is not None
            progress(len(rows) - errored, errored)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(documents))):
                group.create_task(work())
    except* InputError as failures:  # a refusal is the same for all documents
        raise failures.exceptions[0] from None
    return [rows[index] for index in range(len(documents))]


async def _score_document(
    scorer: TokenScorer, document: Document, tokens: list[int], cut: tuple[int | None, int, int]
) -> Likelihood:
    values: list[float] = []
    try:
        for continuation in split_windows(tokens, *cut):
            values += await scorer.score(continuation)
    except Unavailable as error:
        return Likelihood(document.id, error=str(error))
    return sum_likelihood(document, values)


async def check_scorer(scorer: TokenScorer, model: str) -> None:
    """:raises InputError: its log-probabilities are not those of the text it is given, and why"""
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
async def open_scorer(options: PerplexityOptions) -> AsyncIterator[TokenScorer]:
    """The scorer that the model's name, or `backend`, asks for."""
    kind = backend_of(options.model, options.backend, options.url)
    if kind == "url":
        engine = HttpEngine(options.url or "", options.key)
        try:
            prefix = options.choose_prefix(None)
            yield await open_echo(engine, options.model, options.tokenizer, prefix, options.window)
        finally:
            await engine.close()
    elif kind == "embedded":
        from steward.adapters.engines.embedded import EmbeddedScorer  # loads llama.cpp

        with make_scratch_folder() as folder:
            embedded = EmbeddedScorer(model_file(options.model), folder, embedded_threads(), options.window)
            try:
                yield embedded
            finally:
                await embedded.close()
    else:
        from steward.adapters.engines.checkpoint import CheckpointModel  # loads torch

        yield CheckpointModel(model_file(options.model), options.window)
