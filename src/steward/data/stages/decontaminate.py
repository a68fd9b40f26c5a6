"""`decontaminate`: no row that quotes an evaluation set may be trained on.

A row goes when it shares a run of `ngram` words with an item (13 words: Brown et al. 2020, Language Models are
Few-Shot Learners, appendix C, which also looks for shorter items whole, from 8 words). Words are normalised as for
MinHash: case, punctuation and the values of numbers do not hide a copy. Items of fewer than `shortest` words would
be found by chance and are not looked for; how many is logged.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterator
from functools import lru_cache
from glob import glob
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.data.shingles import U64, hash_ngrams, hash_words
from steward.data.stage import Entry, Result, filter_rows, get_texts

NAME = "decontaminate"
_log = logging.getLogger(__name__)


class Decontaminate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `contaminated`: `value` is the share of the row's runs found in items, `duplicate_of` the item (file:line).

    `against` names files by glob pattern: .jsonl and .json (every string of an item, whatever its field), .csv,
    .parquet, and anything else line by line. A pattern without files is an error: a check against nothing must not
    pass.
    """

    files: ClassVar = ("against",)
    against: tuple[str, ...]
    ngram: Annotated[int, msgspec.Meta(ge=2, le=64)] = 13
    shortest: Annotated[int, msgspec.Meta(ge=1)] = 8

    def apply(self, batch: pa.RecordBatch) -> Result:
        words = hash_words(get_texts(batch).to_pylist())
        matching_runs = np.zeros(len(batch), np.int64)
        item_by_row = np.full(len(batch), -1, np.int64)
        sources, groups = _build_index(self.against, self.ngram, self.shortest)
        for group in groups:
            values, offsets = hash_ngrams(words, group.length)
            at = np.searchsorted(group.runs, values)
            hit = np.flatnonzero(group.runs[np.minimum(at, len(group.runs) - 1)] == values)
            rows = np.searchsorted(offsets, hit, side="right") - 1
            matching_runs += np.bincount(rows, minlength=len(batch))
            touched, first = np.unique(rows, return_index=True)
            new = item_by_row[touched] < 0
            item_by_row[touched[new]] = group.items[at[hit[first[new]]]]
        total = np.maximum(np.diff(hash_ngrams(words, self.ngram).offsets), 1)
        contaminated = np.flatnonzero(item_by_row >= 0).tolist()
        ids, numbers = batch["id"].to_pylist(), batch["row"].to_pylist()
        entries = [
            Entry(
                row=numbers[row],
                id=ids[row],
                stage=NAME,
                action="drop",
                rule="contaminated",
                value=min(float(matching_runs[row] / total[row]), 1.0),
                threshold=0.0,
                duplicate_of=sources[item_by_row[row]],
            )
            for row in contaminated
        ]
        return filter_rows(batch, pa.array(item_by_row < 0), entries)


class _NgramIndex(NamedTuple):
    """Runs of one length, ascending, and of each the first item that has it."""

    length: int
    runs: U64
    items: NDArray[np.int64]


@lru_cache(maxsize=4)
def _build_index(against: tuple[str, ...], ngram: int, shortest: int) -> tuple[list[str], list[_NgramIndex]]:
    """The items' names, and their runs by length; read once a process."""
    items = [pair for pattern in against for path in find_evaluation_files(pattern) for pair in read_items(path)]
    sources = [name for name, _ in items]
    words = hash_words([text for _, text in items])
    lengths = np.diff(words.offsets)
    if skipped := int((lengths < shortest).sum()):
        _log.warning("%d of %d items are shorter than %d words and are not looked for", skipped, len(items), shortest)
    groups = []
    for length in sorted({min(int(size), ngram) for size in lengths if size >= shortest}):
        values, offsets = hash_ngrams(words, length)
        owners = np.repeat(np.arange(len(items)), np.diff(offsets))
        is_in_group = (lengths >= ngram if length == ngram else lengths == length)[owners]
        runs, first = np.unique(values[is_in_group], return_index=True)
        groups.append(_NgramIndex(length, runs, owners[is_in_group][first]))
    return sources, groups


def find_evaluation_files(pattern: str) -> list[str]:
    """:raises InputError: no file matches"""
    files = sorted(name for name in glob(pattern, recursive=True) if Path(name).is_file())
    if not files:
        raise InputError(f"decontaminate: no file matches {pattern!r}; name the sets, or leave the stage out")
    return files


def read_items(path: str) -> Iterator[tuple[str, str]]:
    """(file:line, text) of each item."""
    suffix = Path(path).suffix
    if suffix == ".parquet":
        items: list[Any] = pq.read_table(path).to_pylist()
    elif suffix == ".json":
        items = json.loads(Path(path).read_text(encoding="utf-8"))
    else:
        with open(path, encoding="utf-8", newline="") as file:
            items = list(csv.reader(file)) if suffix == ".csv" else file.read().splitlines()
    for number, item in enumerate(items, 1):
        if suffix == ".jsonl":
            if not item.strip():
                continue
            try:
                item = json.loads(item)
            except ValueError as error:
                raise InputError(f"{path}:{number}: not JSON ({error}); repair the line, it hides an item") from None
        yield f"{path}:{number}", "\n".join(_collect_strings(item))


def _collect_strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict | list):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _collect_strings(part)
