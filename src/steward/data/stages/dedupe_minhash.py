"""`dedupe.minhash`: of near-duplicates, the first in the input (or the longest) stays.

MinHash (Broder 1997) of word n-grams, cut into bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4):
two texts of Jaccard similarity s become candidates with probability 1 - (1 - s^rows)^bands, .924 at s = .80 and .988 at
.85 for 14 bands of 8. Every candidate is then measured on the full sets of n-grams, so what is merged is as similar as
the ledger says, and that value is in it.

No chains: a row is merged only into a row that stays and that is itself at least `verify` similar to it. Where A is
like B and B like C but A is not like C, A and C stay; connected components, as datatrove and others use, would lose C.
Rows are settled in the order of the keepers, so the answer depends on the rows alone and not on how they were batched.

Memory: `survey` gives every row's band keys and its distinct n-grams (4 bytes each), which the executor keeps on disk.
`decide` holds 8 bytes a band and row, and copies the n-grams to one temporary file, of which it reads back only
what candidates need.

Permutations are a·x + b modulo 2³² with odd a over well-mixed 32-bit hashes x. datatrove's 2⁶¹ - 1 costs a division an
n-gram and permutation; on texts of known similarity the two find the same share (benchmarks/bench_data_minhash.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Annotated, BinaryIO, Literal

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steward.data import decision as decisions
from steward.data.shingles import U64, mixed, ngrams, sets, words
from steward.data.stage import Result, texts

NAME = "dedupe.minhash"
Count = Annotated[int, msgspec.Meta(ge=1, le=256)]
U32 = NDArray[np.uint32]
_FOLD = np.uint64(0xD1342543DE82EF95)
_BLOCK = 1 << 15  # n-grams permuted at once: input and output stay in the second-level cache


class DedupeMinhash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `near_duplicate`: `value` is the measured Jaccard similarity, `threshold` is `verify`."""

    ngram: Count = 5  # words
    bands: Count = 14
    rows: Count = 8
    verify: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    keep: Literal["first", "longest"] = "first"

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id`, `bands` (a key each; zeros for a row without words) and `shingles` (distinct n-grams)."""
        shingles, offsets = sets(ngrams(words(texts(batch).to_pylist()), self.ngram))
        keys = _band_keys(_signatures(shingles, offsets, self.bands * self.rows), self.bands)
        columns = [
            batch["row"],
            batch["id"],
            pa.FixedSizeListArray.from_arrays(pa.array(keys.reshape(-1)), self.bands),
            pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(shingles)),
        ]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "bands", "shingles"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """What is merged into what. Reads the surveys once."""
        with tempfile.TemporaryFile() as file:
            corpus = _Corpus.read(surveys, file, self.bands)
            found = list(self._merged(corpus))
        found.sort()
        index = np.array([gone for gone, _, _ in found], np.int64)
        stays = np.array([stays for _, stays, _ in found], np.int64)
        return decisions.table(
            corpus.rows[index],
            action="merge",
            rule="near_duplicate",
            ids=corpus.ids.take(pa.array(index)).to_pylist(),
            value=np.array([jaccard for _, _, jaccard in found], np.float64),
            threshold=self.verify,
            duplicate_of=corpus.ids.take(pa.array(stays)).to_pylist(),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.removed(batch, decision, NAME)

    def _merged(self, corpus: _Corpus) -> Iterator[tuple[int, int, float]]:
        """(index of the row that goes, index of the row that stays, their similarity)."""
        buckets = _buckets(corpus.keys, corpus.sizes)
        stay: dict[int, list[int]] = {}  # of each bucket, the rows in it that stay
        candidates = np.flatnonzero((buckets >= 0).any(axis=0))
        if self.keep == "longest":
            candidates = candidates[np.argsort(-corpus.sizes[candidates], kind="stable")]
        turn = {index: turn for turn, index in enumerate(candidates.tolist())}
        for index in candidates.tolist():
            mine = [bucket for bucket in buckets[:, index].tolist() if bucket >= 0]
            near = sorted({other for bucket in mine for other in stay.get(bucket, ())}, key=turn.__getitem__)
            best = corpus.first_like(index, near, self.verify)
            if best is not None:
                yield index, *best
                continue
            for bucket in mine:
                stay.setdefault(bucket, []).append(index)


class _Corpus:
    """The surveys, with the n-grams in a file."""

    def __init__(self, rows: NDArray[np.int64], ids: pa.Array, keys: U64, starts: NDArray[np.int64], file: BinaryIO):
        self.rows, self.ids, self.keys, self.starts, self.file = rows, ids, keys, starts, file
        self.sizes = np.diff(starts)

    @classmethod
    def read(cls, surveys: Iterable[pa.RecordBatch], file: BinaryIO, bands: int) -> _Corpus:
        rows, keys, sizes = [np.empty(0, np.int64)], [np.empty((0, bands), np.uint64)], [np.zeros(1, np.int64)]
        ids: list[pa.Array] = [pa.array([], pa.string())]
        for batch in surveys:
            shingles = batch["shingles"]
            rows.append(batch["row"].to_numpy().copy())  # copies: a view would keep the whole batch in memory
            ids.append(pa.array(batch["id"].to_pylist(), pa.string()))
            keys.append(batch["bands"].flatten().to_numpy().reshape(-1, bands).copy())
            sizes.append(np.diff(shingles.offsets.to_numpy()))
            file.write(memoryview(shingles.flatten().to_numpy()))
        file.flush()
        starts = np.cumsum(np.concatenate(sizes))
        return cls(np.concatenate(rows), pa.concat_arrays(ids), np.concatenate(keys), starts, file)

    def first_like(self, index: int, others: list[int], verify: float) -> tuple[int, float] | None:
        """The first of the others whose Jaccard similarity is at least `verify`, and the similarity."""
        mine: U32 | None = None
        size = int(self.sizes[index])
        for other in others:
            its = int(self.sizes[other])
            if min(size, its) < verify * max(size, its):
                continue  # a smaller set shares at most all of itself
            mine = self._shingles(index) if mine is None else mine
            shared = _shared(mine, self._shingles(other))
            jaccard = shared / (size + its - shared)
            if jaccard >= verify:
                return other, jaccard
        return None

    def _shingles(self, index: int) -> U32:
        self.file.seek(4 * int(self.starts[index]))
        return np.frombuffer(self.file.read(4 * int(self.sizes[index])), np.uint32)


def _shared(one: U32, other: U32) -> int:
    """How many the two ascending sets have in common."""
    both = np.concatenate((one, other))
    both.sort(kind="stable")  # stable merges two runs in linear time
    return int(np.count_nonzero(both[1:] == both[:-1]))


def _signatures(shingles: U32, offsets: NDArray[np.int64], permutations: int) -> U32:
    """(permutations, texts) smallest permuted n-gram; 0 for a text without any."""
    a, b = _permutations(permutations)
    filled = np.flatnonzero(np.diff(offsets))
    result = np.zeros((permutations, len(offsets) - 1), np.uint32)
    ends = offsets[filled + 1]
    start = 0
    while start < len(filled):
        low = int(offsets[filled[start]])
        stop = max(int(np.searchsorted(ends, low + _BLOCK, side="right")), start + 1)
        block = shingles[low : int(ends[stop - 1])]
        cuts = offsets[filled[start:stop]] - low
        permuted = np.empty_like(block)
        for k in range(permutations):
            np.multiply(block, a[k], out=permuted)
            np.add(permuted, b[k], out=permuted)
            result[k, filled[start:stop]] = np.minimum.reduceat(permuted, cuts)
        start = stop
    return result


def _permutations(count: int) -> tuple[U32, U32]:
    numbers = mixed(np.arange(1, 2 * count + 1, dtype=np.uint64) * _FOLD) >> np.uint64(32)
    return numbers[:count].astype(np.uint32) | np.uint32(1), numbers[count:].astype(np.uint32)


def _band_keys(signatures: U32, bands: int) -> U64:
    """(texts, bands) hash of the rows of each band."""
    grouped = signatures.reshape(bands, len(signatures) // bands, signatures.shape[1])
    keys = np.zeros((bands, signatures.shape[1]), np.uint64)
    for row in range(grouped.shape[1]):
        keys = keys * _FOLD + grouped[:, row]
    return np.ascontiguousarray(mixed(keys).T)


def _buckets(keys: U64, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(bands, texts) number of the bucket that a text shares with another one in this band, -1 where it is alone."""
    bands = keys.shape[1]
    buckets = np.full((bands, len(keys)), -1, np.int64)
    filled = np.flatnonzero(sizes)
    first = 0
    for band in range(bands):
        column = keys[filled, band]
        order = np.argsort(column, kind="stable")
        new = np.ones(len(order) + 1, bool)
        new[1:-1] = np.diff(column[order]) != 0
        shared = ~(new[:-1] & new[1:])
        buckets[band, filled[order[shared]]] = first + np.cumsum(new[:-1])[shared]
        first += len(order) + 1
    return buckets
