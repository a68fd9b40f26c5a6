"""How well a model predicts held-out text: windows over tokens, and log-likelihoods into perplexities.

Token, word and byte perplexity and bits per byte are ratios of sums over all documents. The windows and the units are
those of lm-evaluation-harness 0.4.13 (`get_rolling_token_windows`, task wikitext version 2): each token is scored
once, the first after a prefix token, words are `re.split(r"\\s+")` and bytes UTF-8 of the text as given, but that
every line end is a line feed. Numbers of different tokenizers compare by bits per byte, not by token.

Does not know how a model is asked; `probe` says whether what answers can be believed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.core.excerpts import cut_digest
from steward.core.extend import Continuation
from steward.evaluation.intervals import finite_or_none, statistic_interval
from steward.evaluation.statistics import SAMPLES, SEED, Array, Interval, bootstrap, ratio
from steward.evaluation.text_files import read_text_file
from steward.evaluation.text_tokens import unify_line_ends

SPLITS: Final = ("blank", "line", "file")
_LOWEST: Final = -1e30  # a log-probability below it is a float's end, not a measurement


class Document(msgspec.Struct, frozen=True):
    """One text, and where it stands."""

    id: str
    text: str


class Likelihood(msgspec.Struct, frozen=True):
    """The log-probability of a document, in nats, and its size in three units. With `error`, why there is none."""

    id: str
    nats: float = 0.0
    tokens: int = 0
    words: int = 0
    bytes: int = 0
    error: str | None = None


class PerplexitySetup(msgspec.Struct, frozen=True, kw_only=True):
    """All that the numbers depend on beside model and text. Two results compare where these are equal."""

    window: int  # tokens that the model sees at most
    stride: int  # tokens scored with each window after the first
    prefix_token: int | None  # what stands before a text's first token; None: the first token is not scored
    split: str
    tokenizer_sha256: str | None  # None where a server does not show its tokenizer
    tokens_sha256: str  # of the token numbers scored: equal for equal tokenisers, whatever file they come from
    text_sha256: str


class Estimate(msgspec.Struct, frozen=True):
    """A value with the ends of its interval."""

    value: float
    low: float | None  # None with fewer than two documents
    high: float | None


class Perplexity(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, with 95 % intervals over documents."""

    model: str
    backend: str
    token_perplexity: Estimate | None
    word_perplexity: Estimate | None
    byte_perplexity: Estimate | None
    bits_per_byte: Estimate | None
    nats: float
    documents: int  # scored
    unscored: int  # without a token
    errored: tuple[str, ...]  # "id: why"
    tokens: int
    words: int
    bytes: int
    setup: PerplexitySetup
    signature: str
    rows: tuple[Likelihood, ...]  # each document, so that another result can be set against it
    against: PerplexityGain | None = None


class PerplexityGain(msgspec.Struct, frozen=True, kw_only=True):
    """Bits per byte saved against another result on the same documents: above 0 is better.

    `ratio`: byte perplexity over the other's. Ends are None with fewer than two documents that both scored.
    """

    model: str
    bits_per_byte: float
    low: float | None
    high: float | None
    ratio: float
    documents: int  # that both scored
    missing: int  # that one of them did not
    signature: str


def read_documents(path: Path, split: str = "blank", field: str = "text") -> list[Document]:
    """Documents of a file: rows of `.jsonl`, by `field`; else texts between blank lines, lines, or the whole.

    :raises InputError: not readable, not UTF-8, no document, or a row without text, by its line
    """
    if split not in SPLITS:
        raise UnknownName("--split", split, SPLITS)
    text = read_text_file(path, "a text file or a .jsonl file")
    if path.suffix == ".jsonl":
        documents = [_parse_row(line, n, path, field) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    elif split == "file":
        documents = [Document("1", text)] if text.strip() else []
    else:
        pieces = re.split(r"\n[ \t\r]*\n\s*", text.strip()) if split == "blank" else text.split("\n")
        documents = [Document(str(n), piece) for n, piece in enumerate((p for p in pieces if p.strip()), 1)]
    if not documents:
        raise InputError(f"{path}: the file contains no text; expected at least one document")
    return documents


def _parse_row(line: str, number: int, path: Path, field: str) -> Document:
    try:
        row = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}:{number}: {error}") from error
    text = row.get(field)
    if not isinstance(text, str):
        shown = f"{field!r} is {type(text).__name__}" if field in row else f"no field {field!r}"
        raise InputError(
            f"{path}:{number}: {shown}, expected text; found {sorted(row)}; choose another field with --field"
        )
    return Document(str(number), str(unify_line_ends(text)))


def split_windows(tokens: Sequence[int], prefix: int | None, window: int, stride: int) -> Iterator[Continuation]:
    """What to ask so that each token is scored once, with at least `window - stride` tokens before it where there are.

    The first window scores up to `window` tokens, each later one the next `stride`; the model is shown no more than
    `window` tokens at a time. With stride = window these are lm-evaluation-harness's rolling windows
    (`get_rolling_token_windows` with `context_len` 1, made disjoint), else those of `context_len` window - stride + 1.
    Without a prefix the first token is context only, as in the transformers documentation.

    >>> [(c.context, c.tokens) for c in split_windows([1, 2, 3, 4, 5], 0, window=2, stride=2)]
    [((0,), (1, 2)), ((2,), (3, 4)), ((3, 4), (5,))]
    """
    all_tokens = tuple(tokens)
    first = 1 if prefix is None else 0  # the first token that is scored
    if len(all_tokens) <= first:
        return
    end = min(window, len(all_tokens) - first) + first
    yield Continuation(all_tokens[:first] if prefix is None else (prefix,), all_tokens[first:end])
    while end < len(all_tokens):
        start, end = end, min(end + stride, len(all_tokens))
        shown = max(0, end - window - 1)  # the last token is scored, not shown
        yield Continuation(all_tokens[shown:start], all_tokens[start:end])


def sum_likelihood(document: Document, log_probabilities: Sequence[float]) -> Likelihood:
    """A document's sum, or, where a value is no log-probability, the error that says which."""
    for index, value in enumerate(log_probabilities):
        if not (_LOWEST < value <= 1e-4):  # NaN too; rounding may end just above 0
            return Likelihood(document.id, error=f"the log-probability of its token {index + 1} is {value:g}")
    return Likelihood(
        document.id,
        math.fsum(log_probabilities),
        len(log_probabilities),
        len(re.split(r"\s+", document.text)),
        len(document.text.encode()),
    )


def summarise_perplexity(
    model: str,
    backend: str,
    found: Sequence[Likelihood],
    setup: PerplexitySetup,
    confidence: float = 0.95,
    samples: int = SAMPLES,
    seed: int = SEED,
) -> Perplexity:
    """Ratios of sums over documents; documents are what the bootstrap draws."""
    scored = [row for row in found if row.tokens]  # none where it failed
    table = np.array([[row.nats, row.tokens, row.words, row.bytes] for row in scored], dtype=np.float64).reshape(
        len(scored), 4
    )
    nats = math.fsum(row.nats for row in scored)
    estimates = [_estimate_ratio(table, nats, column, confidence, samples, seed) for column in (1, 2, 3)]
    token, word, byte = estimates
    return Perplexity(
        model=model,
        backend=backend,
        token_perplexity=_transform_estimate(token, math.exp),
        word_perplexity=_transform_estimate(word, math.exp),
        byte_perplexity=_transform_estimate(byte, math.exp),
        bits_per_byte=_transform_estimate(byte, lambda value: value / math.log(2)),
        nats=nats,
        documents=len(scored),
        unscored=sum(row.error is None and not row.tokens for row in found),
        errored=tuple(f"{row.id}: {row.error}" for row in found if row.error is not None),
        tokens=sum(row.tokens for row in scored),
        words=sum(row.words for row in scored),
        bytes=sum(row.bytes for row in scored),
        setup=setup,
        signature=_make_signature(backend, setup, confidence, samples, seed),
        rows=tuple(found),
    )


def compare_perplexity(
    new: Perplexity, old: Perplexity, confidence: float = 0.95, samples: int = SAMPLES, seed: int = SEED
) -> PerplexityGain:
    """Paired, document by document: each sample of the bootstrap draws the same documents of both.

    :raises InputError: the results are over different texts, or no document was scored by both
    """
    if new.setup.text_sha256 != old.setup.text_sha256:
        raise InputError(
            f"the results are over different texts (text_sha256 {cut_digest(old.setup.text_sha256)} and "
            f"{cut_digest(new.setup.text_sha256)}); measure both on the same file with the same --split"
        )
    before = {row.id: row for row in old.rows if row.tokens}
    pairs = [(before[row.id], row) for row in new.rows if row.tokens and row.id in before]
    if not pairs:
        raise InputError("no document was scored in both results; measure both again")
    bits = [[(one.nats - other.nats) / -math.log(2), other.bytes] for one, other in pairs]
    table = np.array(bits, dtype=np.float64)
    saved = float(table[:, 0].sum() / table[:, 1].sum())
    interval = statistic_interval(saved, bootstrap(table, ratio, samples=samples, seed=seed), len(pairs), confidence)
    return PerplexityGain(
        model=old.model,
        bits_per_byte=saved,
        low=finite_or_none(interval.low),
        high=finite_or_none(interval.high),
        ratio=2**-saved,
        documents=len(pairs),
        missing=len(new.rows) - len(pairs),
        signature=f"bits_per_byte|paired|ci:{confidence}|bootstrap:documents|samples:{samples}|seed:{seed}",
    )


def read_perplexity(path: Path) -> Perplexity:
    """What `steward eval perplexity --json` wrote. :raises InputError: nothing of that kind"""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Perplexity)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; expected the output of `steward eval perplexity --json`"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}; expected the output of `steward eval perplexity --json`") from error


def _estimate_ratio(
    table: Array, nats: float, column: int, confidence: float, samples: int, seed: int
) -> tuple[Interval, bool] | None:
    """Nats a unit, above 0, and whether it has an interval."""
    if len(table) == 0:
        return None
    pair = table[:, [0, column]]
    drawn = bootstrap(pair, lambda sums: -sums[:, 0] / sums[:, 1], samples=samples, seed=seed)
    interval = statistic_interval(-nats / float(pair[:, 1].sum()), drawn, len(table), confidence)
    return interval, not math.isnan(interval.low)


def _transform_estimate(given: tuple[Interval, bool] | None, rising: Callable[[float], float]) -> Estimate | None:
    """Through a rising function, which keeps an interval's ends its ends. None where no number is that large: Chinese
    text is one word.
    """
    if given is None:
        return None
    interval, bounded = given
    value, low, high = (_apply_or_none(rising, each) for each in (interval.value, interval.low, interval.high))
    return None if value is None else Estimate(value, low if bounded else None, high if bounded else None)


def _apply_or_none(rising: Callable[[float], float], value: float) -> float | None:
    try:
        return rising(value)
    except OverflowError:
        return None


def _make_signature(backend: str, setup: PerplexitySetup, confidence: float, samples: int, seed: int) -> str:
    kind = "rolling" if setup.stride == setup.window else "strided"
    tokenizer = cut_digest(setup.tokenizer_sha256 or "unknown")
    return (
        f"perplexity|{kind}|window:{setup.window}|stride:{setup.stride}|prefix:{setup.prefix_token}"
        f"|documents:{setup.split}|tokenizer:{tokenizer}|backend:{backend}|ci:{confidence}"
        f"|bootstrap:documents|samples:{samples}|seed:{seed}"
    )


def hash_texts(documents: Sequence[Document]) -> str:
    return hashlib.sha256(json.dumps([document.text for document in documents]).encode()).hexdigest()


def hash_tokens(tokens: Sequence[Sequence[int]]) -> str:
    """Of the numbers of all documents' tokens, so that two readings of one tokenizer can be seen to agree."""
    return hashlib.sha256(json.dumps([list(each) for each in tokens]).encode()).hexdigest()
