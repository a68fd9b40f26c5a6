"""`outliers`: rows unlike the rest of the corpus, by robust z-scores.

z = 0.6745 (x - median) / MAD (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers; 0.6745 makes the median
absolute deviation a standard deviation for normal data). They flag |z| > 3.5; texts have long tails, so the default
here is 6. What is measured of each row:

length       log of 1 + its characters; both tails
letters, digits, upper, spaces    the share of its characters; both tails
perplexity   log of the perplexity of its character trigrams (in 512 hashed classes, add-one smoothing) under the
             frequencies of the whole corpus, which the decision counts first; the high tail
embedding    distance from the corpus's coordinate-wise median; the high tail. Of the `embedding` column where the rows
             have one, else of the trigram classes, projected to 32 numbers by random signs (Achlioptas 2003)

Where more than half of the rows have the same value the MAD is 0 and tells nothing: that measure is then left out.
Below `least` rows nothing is an outlier. `decide` holds about 300 bytes a row; the counts lie in a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steward.core.errors import InputError, UnknownName
from steward.data import decisions as decisions
from steward.data.row_values import list_value_names
from steward.data.stage import Result, get_texts
from steward.text.hashing import mix_bits

NAME = "outliers"
F64 = NDArray[np.float64]
MEASURES = ("length", "letters", "digits", "upper", "spaces")
_CLASSES, _PROJECTED, _READ, _CHUNK = 512, 32, 8192, 4096


class Outliers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `outlier_length`, `outlier_perplexity` and so on: the measure that is furthest out; `value` is its z."""

    z: Annotated[float, msgspec.Meta(gt=0)] = 6.0
    measures: tuple[str, ...] = (*MEASURES, "perplexity", "embedding")
    embedding: str | None = None  # a column of lists of numbers
    least: Annotated[int, msgspec.Meta(ge=3)] = 30

    def __post_init__(self) -> None:
        """:raises UnknownName: no such measure :raises InputError: none at all"""
        known = (*MEASURES, "perplexity", "embedding")
        if unknown := [name for name in self.measures if name not in known]:
            raise UnknownName("measure", unknown[0], known, "stage outliers, measures")
        if not self.measures:
            raise InputError(f"outliers: measures is empty; expected some of {', '.join(known)}")

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id`, `measures` (5), `trigrams` (of the first 8,192 characters, by class), `vector` (32),
        `size` (of the embedding; 0: there is none).
        """
        measured_texts = [_measure_text(text) for text in get_texts(batch).to_pylist()]
        measures = np.array([values for values, _ in measured_texts], np.float64).reshape(len(batch), len(MEASURES))
        counts = np.array([trigram_counts for _, trigram_counts in measured_texts], np.uint16).reshape(
            len(batch), _CLASSES
        )
        vectors, sizes = self._make_vectors(batch, counts)
        return pa.RecordBatch.from_arrays(
            [
                batch["row"],
                batch["id"],
                pa.FixedSizeListArray.from_arrays(pa.array(measures.ravel()), len(MEASURES)),
                pa.FixedSizeListArray.from_arrays(pa.array(counts.ravel()), _CLASSES),
                pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), _PROJECTED),
                pa.array(sizes, pa.int64()),
            ],
            names=["row", "id", "measures", "trigrams", "vector", "size"],
        )

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        rows, ids, measures, vectors, sizes = [], list[str](), [], [], []
        trigram_totals = np.ones(_CLASSES)  # add one
        with tempfile.TemporaryFile() as file:
            for batch in surveys:
                rows.append(batch["row"].to_numpy().copy())
                ids += batch["id"].to_pylist()
                measures.append(_to_matrix(batch["measures"], len(MEASURES)).copy())
                vectors.append(_to_matrix(batch["vector"], _PROJECTED).copy())
                sizes.append(batch["size"].to_numpy().copy())
                counts = _to_matrix(batch["trigrams"], _CLASSES)
                trigram_totals += counts.sum(axis=0, dtype=np.int64)
                file.write(counts.tobytes())
            unread = self._find_unread(sizes)
            failed = self._fail_rows(rows, ids, unread)
            if len(ids) - len(unread) < self.least:
                return failed
            file.seek(0)
            surprise = -np.log(trigram_totals / trigram_totals.sum())
            perplexities = []
            while block := file.read(2 * _CLASSES * _CHUNK):
                counts = np.frombuffer(block, np.uint16).reshape(-1, _CLASSES)
                perplexities.append(counts @ surprise / np.maximum(counts.sum(axis=1, dtype=np.int64), 1))
        columns = dict(zip(MEASURES, np.concatenate(measures).T, strict=True))
        columns["perplexity"] = np.concatenate(perplexities)
        columns["embedding"] = _measure_distances(np.concatenate(vectors), unread)
        scores = np.stack([robust_z(columns[name]) for name in self.measures])  # (measures, rows)
        for index, name in enumerate(self.measures):
            if name in ("perplexity", "embedding"):
                scores[index] = np.maximum(scores[index], 0)
        scores[:, unread] = 0
        worst = np.abs(scores).argmax(axis=0)
        worst_scores = np.take_along_axis(scores, worst[None], axis=0)[0]
        outliers = np.flatnonzero(np.abs(worst_scores) > self.z)
        dropped = decisions.make_decision(
            np.concatenate(rows)[outliers],
            action="drop",
            rule=[f"outlier_{self.measures[worst[index]]}" for index in outliers],
            ids=[ids[index] for index in outliers],
            value=worst_scores[outliers],
            threshold=self.z,
        )
        return pa.concat_tables([dropped, failed]).sort_by("row") if len(unread) else dropped

    def _find_unread(self, sizes: list[NDArray[np.int64]]) -> NDArray[np.int64]:
        """The places of the rows whose embedding is missing, no list of numbers, or not as long as most.

        :raises InputError: no row has one
        """
        if self.embedding is None or not sizes:
            return np.zeros(0, np.int64)
        every = np.concatenate(sizes)
        counts = np.bincount(every)
        counts[0] = 0
        if not counts.any():
            raise InputError(f"outliers: no row has a list of numbers in column {self.embedding!r}")
        return np.flatnonzero(every != counts.argmax())

    def _fail_rows(self, rows: list[NDArray[np.int64]], ids: list[str], unread: NDArray[np.int64]) -> pa.Table:
        numbers = np.concatenate(rows)[unread] if rows else np.zeros(0, np.int64)
        return decisions.make_decision(
            numbers,
            action="fail",
            rule="no_embedding",
            ids=[ids[place] for place in unread.tolist()],
            value=np.zeros(len(unread)),
            threshold=self.z,
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, NAME)

    def _make_vectors(self, batch: pa.RecordBatch, counts: NDArray[np.uint16]) -> tuple[F64, NDArray[np.int64]]:
        """Each row's vector, projected, and the length that its embedding has."""
        if self.embedding is None:
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            # Hellinger: common trigrams do not drown the others
            return _project(np.asarray(np.sqrt(shares), np.float64)), np.zeros(len(batch), np.int64)
        if self.embedding not in batch.schema.names:
            raise UnknownName("column", self.embedding, list_value_names(batch), "stage outliers, embedding")
        vectors, sizes = read_vectors(batch[self.embedding].to_pylist())
        projected = np.full((len(batch), _PROJECTED), np.nan)
        for size in {*sizes.tolist()} - {0}:
            places = np.flatnonzero(sizes == size)
            projected[places] = _project(np.array([vectors[place] for place in places], np.float64))
        return projected, np.where(np.isfinite(projected).all(axis=1), sizes, 0)


def read_vectors(values: Sequence[object]) -> tuple[list[list[float]], NDArray[np.int64]]:
    """Lists of numbers, or the JSON texts of some, and how long each is; 0 for anything else."""
    vectors = [_decode_vector(value) or [] for value in values]
    return vectors, np.array([len(vector) for vector in vectors], np.int64)


def _decode_vector(value: object) -> list[float] | None:
    """A list of numbers, or the JSON text of one; None for anything else."""
    try:
        numbers = msgspec.json.decode(value) if isinstance(value, str) else value
        return msgspec.convert(numbers, list[float])
    except msgspec.MsgspecError:
        return None


def _measure_distances(points: F64, unread: NDArray[np.int64]) -> F64:
    """Of each point from the coordinate-wise median; of those that could not be read, the median distance."""
    centre = np.median(np.delete(points, unread, axis=0), axis=0)
    distances = np.sqrt(((points - centre) ** 2).sum(axis=1))
    distances[unread] = np.median(np.delete(distances, unread))
    return np.asarray(distances)


def robust_z(values: F64) -> F64:
    """Iglewicz and Hoaglin's modified z-scores; all 0 where more than half of the values are the same.

    >>> robust_z(np.array([1.0, 2.0, 3.0, 4.0, 5.0])).tolist()
    [-1.349, -0.6745, 0.0, 0.6745, 1.349]
    """
    distances = values - np.median(values)
    spread = float(np.median(np.abs(distances)))
    return np.zeros(len(values)) if spread == 0 else np.asarray(0.6745 * distances / spread)


def _measure_text(text: str) -> tuple[list[float], NDArray[np.int64]]:
    """The measures of the whole text, and the counts of its first trigrams by class."""
    size = max(len(text), 1)
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    ascii_letters = ((codes | 32) >= 97) & ((codes | 32) <= 122)
    letters = int(ascii_letters.sum()) + sum(map(str.isalpha, filter(lambda c: c > "\x7f", text)))
    digits = int(((codes >= 48) & (codes <= 57)).sum())
    upper = int(((codes >= 65) & (codes <= 90)).sum())
    spaces = int(((codes == 32) | ((codes >= 9) & (codes <= 13))).sum())
    first = codes[:_READ].astype(np.uint64)
    trigrams = mix_bits((first[:-2] << np.uint64(42)) | (first[1:-1] << np.uint64(21)) | first[2:])
    counts = np.bincount((trigrams & np.uint64(_CLASSES - 1)).astype(np.int64), minlength=_CLASSES)
    return [float(np.log1p(len(text))), letters / size, digits / size, upper / size, spaces / size], counts


def _project(vectors: F64) -> F64:
    """(rows, 32): random signs that are the same in every run."""
    numbers = np.arange(1, vectors.shape[1] * _PROJECTED + 1, dtype=np.uint64)
    signs = np.where(mix_bits(numbers) >> np.uint64(63), 1.0, -1.0).reshape(vectors.shape[1], _PROJECTED)
    return np.asarray(vectors @ signs)


def _to_matrix(column: pa.Array, width: int) -> NDArray[np.generic]:
    return np.asarray(column.flatten().to_numpy().reshape(len(column), width))
