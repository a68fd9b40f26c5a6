"""Looks for a suite's items in training data (extra `data`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from steward.data.shingles import hash_ngrams, hash_words
from steward.data.stages.decontaminate import find_evaluation_files, read_items
from steward.evaluation.overlap import OverlapReport, find_overlap, read_asked_texts
from steward.evaluation.run import read_run
from steward.workflows.evaluate.suites import find_suite

_BATCH: Final = 2000  # training texts at a time


def search_training_data(
    suite: Path | str, train: Sequence[str], run: Path | None, *, ngram: int, shortest: int, limit: int | None
) -> OverlapReport:
    """Which items of a suite appear in training data and, with a run, how its scores differ on them.

    `train`: glob patterns of files, read as the stage `decontaminate` reads them.

    :raises InputError: no suite, no training files, or a run over other items
    """
    texts = read_asked_texts(find_suite(suite), limit)
    return find_overlap(
        texts,
        _read_batches(train),
        lambda batch, n: hash_ngrams(hash_words(batch), n),
        hash_words,
        read_run(run) if run is not None else None,
        ngram,
        shortest,
    )


def _read_batches(patterns: Sequence[str]) -> Iterator[list[str]]:
    texts = (text for pattern in patterns for file in find_evaluation_files(pattern) for _, text in read_items(file))
    while batch := list(islice(texts, _BATCH)):
        yield batch
