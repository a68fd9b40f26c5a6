"""`dedupe.semantic`: of rows that mean nearly the same, the first stays, by embeddings that you bring.

After SemDeDup (Abbas et al. 2023, arXiv:2303.09540): rows are put into clusters by k-means, and compared within each by
cosine similarity. Each row is compared in its two nearest clusters, which misses fewer pairs at a cluster's edge. Up to
`_EXACT` rows all pairs are compared. A row goes only into one that stays and that it is itself so similar to.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.data import decisions as decisions
from steward.data.row_values import list_value_names
from steward.data.stage import Result
from steward.data.stages.outliers import read_vectors

NAME = "dedupe.semantic"
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
_EXACT = 8_192
_IN_CLUSTER = 1_024  # rows, about
_ROUNDS = 8
_BLOCK = 1_024


class DedupeSemantic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `same_meaning` (merged, the value is the cosine similarity) and `no_embedding` (failed).

    `embedding` is a column of lists of numbers, all as long.
    """

    embedding: str
    similarity: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id` and the `vector`, of length 1; null where it is no list of numbers, or of length 0."""
        if self.embedding not in batch.schema.names:
            raise UnknownName("column", self.embedding, list_value_names(batch), "stage dedupe.semantic, embedding")
        vectors, _ = read_vectors(batch[self.embedding].to_pylist())
        columns = [batch["row"], batch["id"], pa.array([_normalise(one) for one in vectors], pa.list_(pa.float32()))]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "vector"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """The vectors are in a temporary file; memory holds two clusters, the pairs found and the ids.

        :raises InputError: no row has an embedding
        """
        size = _find_size(surveys)
        rows, ids, failed, count = list[int](), list[str](), list[tuple[int, str]](), 0
        with tempfile.TemporaryFile() as file:
            for batch in surveys:
                for row, name, vector in zip(
                    *(batch[part].to_pylist() for part in ("row", "id", "vector")), strict=True
                ):
                    if vector is None or len(vector) != size:
                        failed.append((row, name))
                        continue
                    rows.append(row)
                    ids.append(name)
                    file.write(np.asarray(vector, np.float32).tobytes())
                    count += 1
            if count == 0:
                if failed:
                    raise InputError(f"dedupe.semantic: no row has a list of numbers in column {self.embedding!r}")
                return decisions.make_decision([], action="merge", rule="same_meaning")
            file.flush()
            vectors = np.memmap(file, np.float32, "r", shape=(count, size))
            merged = choose_first(find_pairs(vectors, self.similarity))
        gone = sorted(merged)
        decision = decisions.make_decision(
            [rows[place] for place in gone], action="merge", rule="same_meaning", ids=[ids[place] for place in gone],
            value=np.array([merged[place][1] for place in gone], np.float64), threshold=self.similarity,
            duplicate_of=[ids[merged[place][0]] for place in gone],
        )  # fmt: skip
        unread = decisions.make_decision(
            [row for row, _ in failed], action="fail", rule="no_embedding", ids=[name for _, name in failed],
            value=np.zeros(len(failed)), threshold=self.similarity,
        )  # fmt: skip
        return pa.concat_tables([decision, unread]).sort_by("row")

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, NAME)


def _normalise(vector: list[float]) -> NDArray[np.float64] | None:
    values = np.asarray(vector, np.float64)
    length = float(np.sqrt((values**2).sum()))
    return values / length if len(values) and np.isfinite(length) and length > 0 else None


def _find_size(surveys: Iterable[pa.RecordBatch]) -> int:
    """The length that most vectors have; 0 where there is none."""
    lengths: dict[int, int] = {}
    for batch in surveys:
        for vector in batch["vector"].to_pylist():
            if vector is not None:
                lengths[len(vector)] = lengths.get(len(vector), 0) + 1
    return max(lengths, key=lambda length: lengths[length], default=0)


def find_pairs(vectors: F32, similarity: float) -> dict[tuple[int, int], float]:
    """Pairs of places, the earlier first, whose cosine similarity is so high."""
    pairs: dict[tuple[int, int], float] = {}
    for members in _make_clusters(vectors):
        own = np.asarray(vectors[members])
        for start in range(0, len(members), _BLOCK):
            values = own[start : start + _BLOCK] @ own.T
            first, second = np.nonzero(values >= np.float32(similarity) - np.float32(1e-6))
            for left, right in zip((first + start).tolist(), second.tolist(), strict=True):
                if left < right:
                    value = min(float(values[left - start, right]), 1.0)
                    pairs[int(members[left]), int(members[right])] = value
    return pairs


def choose_first(pairs: dict[tuple[int, int], float]) -> dict[int, tuple[int, float]]:
    """Of each place that goes, the first place that stays and that it is similar to, and how similar.

    >>> choose_first({(0, 1): 0.97, (1, 2): 0.96})
    {1: (0, 0.97)}
    """
    gone: dict[int, tuple[int, float]] = {}
    for (first, second), value in sorted(pairs.items(), key=lambda pair: (pair[0][1], pair[0][0])):
        if first not in gone and second not in gone:
            gone[second] = (first, value)
    return gone


def _make_clusters(vectors: F32) -> Iterator[I64]:
    """The places of each cluster, ascending. Centres begin with rows at even steps: the same in every run."""
    count = len(vectors)
    if count <= _EXACT:
        yield np.arange(count)
        return
    clusters = max(2, count // _IN_CLUSTER)
    centres = np.asarray(vectors[np.linspace(0, count - 1, clusters).astype(np.int64)])
    sample = np.asarray(vectors[np.linspace(0, count - 1, min(count, 64 * clusters)).astype(np.int64)])
    for _ in range(_ROUNDS):
        nearest = (sample @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        lengths = np.sqrt((sums**2).sum(axis=1, keepdims=True))
        centres = np.divide(sums, lengths, out=centres.copy(), where=lengths > 0)
    two = np.empty((count, 2), np.int32)
    for start in range(0, count, _BLOCK):
        values = np.asarray(vectors[start : start + _BLOCK]) @ centres.T
        two[start : start + _BLOCK] = np.argpartition(-values, 1, axis=1)[:, :2]
    for cluster in range(clusters):
        members = np.flatnonzero((two == cluster).any(axis=1))
        if len(members) > 1:
            yield members
