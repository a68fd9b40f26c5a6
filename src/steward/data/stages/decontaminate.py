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
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.data.shingles import U64, ngrams, words
from steward.data.stage import Entry, Result, kept, texts

NAME = "decontaminate"
_log = logging.getLogger(__name__)


class Decontaminate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `contaminated`: `value` is the share of the row's runs found in items, `duplicate_of` the item (file:line).

    `against` names files by glob pattern: .jsonl and .json (every string of an item, whatever its field), .csv,
    .parquet, and anything else line by line. A pattern without files is an error: a check against nothing must not
    pass.
    """

    against: tuple[str, ...]
    ngram: Annotated[int, msgspec.Meta(ge=2, le=64)] = 13
    shortest: Annotated[int, msgspec.Meta(ge=1)] = 8

    def apply(self, batch: pa.RecordBatch) -> Result:
        found = words(texts(batch).to_pylist())
        runs = np.zeros(len(batch), np.int64)
        item = np.full(len(batch), -1, np.int64)
        sources, groups = _index(self.against, self.ngram, self.shortest)
        for group in groups:
            values, offsets = ngrams(found, group.length)
            at = np.searchsorted(group.runs, values)
            hit = np.flatnonzero(group.runs[np.minimum(at, len(group.runs) - 1)] == values)
            rows = np.searchsorted(offsets, hit, side="right") - 1
            runs += np.bincount(rows, minlength=len(batch))
            touched, first = np.unique(rows, return_index=True)
            new = item[touched] < 0
            item[touched[new]] = group.items[at[hit[first[new]]]]
        total = np.maximum(np.diff(ngrams(found, self.ngram).offsets), 1)
        gone = np.flatnonzero(item >= 0).tolist()
        ids, numbers = batch["id"].to_pylist(), batch["row"].to_pylist()
        entries = [
            Entry(
                row=numbers[row],
                id=ids[row],
                stage=NAME,
                action="drop",
                rule="contaminated",
                value=min(float(runs[row] / total[row]), 1.0),
                threshold=0.0,
                duplicate_of=sources[item[row]],
            )
            for row in gone
        ]
        return kept(batch, pa.array(item < 0), entries)


class _Group(NamedTuple):
    """Runs of one length, ascending, and of each the first item that has it."""

    length: int
    runs: U64
    items: NDArray[np.int64]


@lru_cache(maxsize=4)
def _index(against: tuple[str, ...], ngram: int, shortest: int) -> tuple[list[str], list[_Group]]:
    """The items' names, and their runs by length; read once a process."""
    read = [pair for pattern in against for path in files_of(pattern) for pair in items_of(path)]
    sources = [name for name, _ in read]
    found = words([text for _, text in read])
    lengths = np.diff(found.offsets)
    if skipped := int((lengths < shortest).sum()):
        _log.warning("%d of %d items are shorter than %d words and are not looked for", skipped, len(read), shortest)
    groups = []
    for length in sorted({min(int(size), ngram) for size in lengths if size >= shortest}):
        values, offsets = ngrams(found, length)
        owners = np.repeat(np.arange(len(read)), np.diff(offsets))
        mine = (lengths >= ngram if length == ngram else lengths == length)[owners]
        runs, first = np.unique(values[mine], return_index=True)
        groups.append(_Group(length, runs, owners[mine][first]))
    return sources, groups


def files_of(pattern: str) -> list[str]:
    """:raises InputError: no file matches"""
    files = sorted(name for name in glob(pattern, recursive=True) if Path(name).is_file())
    if not files:
        raise InputError(f"decontaminate: no file matches {pattern!r}; name the sets, or leave the stage out")
    return files


def items_of(path: str) -> Iterator[tuple[str, str]]:
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
        yield f"{path}:{number}", "\n".join(_strings(item))


def _strings(item: Any) -> Iterator[str]:
    if isinstance(item, str):
        yield item
    elif isinstance(item, dict | list):
        for part in item.values() if isinstance(item, dict) else item:
            yield from _strings(part)
