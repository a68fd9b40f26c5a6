"""`dedupe.minhash`: of near-duplicates, the longest stays, or the first in the input.

MinHash (Broder 1997) of word n-grams, cut into bands (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4):
two texts of Jaccard similarity s become candidates with probability 1 - (1 - s^rows)^bands, .924 at s = .80 and .988 at
.85 for 14 bands of 8. Every candidate is then measured on the full sets of n-grams, so what is merged is as similar as
the ledger says, and that value is in it.

No chains: a row is merged only into a row that stays and that is itself at least `verify` similar to it. Where A is
like B and B like C but A is not like C, A and C stay; connected components, as datatrove and others use, would lose C.
Rows are settled in the order of the keepers, so the answer depends on the rows alone and not on how they were batched.

With `index`, a folder, the rows that stay are kept there, and near-duplicates of what earlier runs kept go as well. A
row of the index always stays: it has been used. Each run adds one file, numbered and named by the digest of its own
surveys, and looks only at files of lower numbers: run again, whether killed or elsewhere, it gives the same answer and
does not meet itself.

Memory: `survey` gives every row's band keys and its distinct n-grams (4 bytes each), which the executor keeps on disk.
`decide` copies the keys and the n-grams of candidates to one temporary file and reads back one band at a time, and the
n-grams that are compared: some 60 bytes and the id of a row are in memory, also of the rows of the index, and for a row
with near-duplicates some 20 bytes a band.

A signature has a bucket of hashes for each place, and a permutation only where that bucket is empty, so that a long
text costs no more than sorting its n-grams. Permutations are a·x + b modulo 2³² with odd a over well-mixed 32-bit
hashes x. datatrove's 2⁶¹ - 1 for every place costs a division an n-gram and permutation; on texts of known similarity
the two find the same share (benchmarks/bench_data_minhash.py).
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import xxhash
from numpy.typing import NDArray

from steward.core.errors import Contradiction, InputError
from steward.core.files import name_temporary, publish_file
from steward.data import decisions as decisions
from steward.data.row_strings import get_content_texts, get_media_keys
from steward.data.shingles import TextHashes, distinct_hashes, hash_ngrams, hash_words
from steward.data.stage import Result
from steward.text.hashing import HASH_FOLD, U64, mix_bits

NAME = "dedupe.minhash"
_WORDS = 4  # counts up when hashes or signatures are others; 3 had permutations for every place, not buckets first
_FORMAL = b"0123456789+*/=<>^%|~{}[];\\_$#"
_NUMBERS = re.compile(r"[0-9](?<!\w[0-9])[0-9]*(?:[.,][0-9]+)*(?!\w)")  # a digit first: `re` skips to the next one
Count = Annotated[int, msgspec.Meta(ge=1, le=256)]
U32 = NDArray[np.uint32]
_CHARACTERS = 250_000  # looked at together: a whole batch's arrays leave the cache
_BLOCK = 1 << 15  # n-grams permuted at once: input and output stay in the second-level cache


class DedupeMinhash(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `near_duplicate`: `value` is the measured Jaccard similarity, `threshold` is `verify`.

    `recall` chooses `bands` and `rows` for pairs as similar as `verify`. `numbers`: `keep` lets numbers and operators
    count, `fold` makes every number the same, as datatrove does; `auto` keeps them in chats, pairs, maths and code.
    """

    folders: ClassVar = ("index",)
    ngram: Count = 5  # words
    bands: Count = 14
    rows: Count = 8
    verify: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    keep: Literal["longest", "first"] = "longest"
    recall: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    index: str | None = None
    numbers: Literal["auto", "keep", "fold"] = "auto"

    def __post_init__(self) -> None:
        if self.recall is None:
            return
        if (self.bands, self.rows) not in ((14, 8), chosen := choose_bands_and_rows(self.recall, self.verify)):
            raise InputError(
                f"recall: {self.recall:g} chooses {chosen[0]} bands and {chosen[1]} rows, but {self.bands} and "
                f"{self.rows} are given; name the one or the other"
            )
        msgspec.structs.force_setattr(self, "bands", chosen[0])
        msgspec.structs.force_setattr(self, "rows", chosen[1])

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id`, `bands` (a key each; zeros for a row without words) and `shingles` (distinct n-grams)."""
        media = iter(get_media_keys(batch))
        hashed = [
            self._hash_documents(group, is_talk(batch), list(islice(media, len(group))))
            for group in _group_by_size(get_content_texts(batch))
        ]
        shingles, counts = (np.concatenate(parts) for parts in zip(*hashed, strict=True))
        offsets = np.append(0, np.cumsum(counts))
        keys = _compute_band_keys(_compute_signatures(shingles, offsets, self.bands * self.rows), self.bands)
        columns = [
            batch["row"],
            batch["id"],
            pa.FixedSizeListArray.from_arrays(pa.array(keys.ravel()), self.bands),
            pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(shingles)),
        ]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "bands", "shingles"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """What is merged into what. :raises InputError: the index was made with other parameters"""
        index = MinhashIndex(Path(self.index), self._index_settings()) if self.index else None
        with tempfile.TemporaryFile() as file:
            corpus = _Corpus(file, self.bands)
            digest = index.digest_surveys(surveys) if index else ""
            for batch in index.read_earlier(digest) if index else ():
                corpus.add_batch(batch)
            indexed_rows = len(corpus)
            for batch in surveys:
                corpus.add_batch(batch)
            corpus.finish()
            shared = corpus.find_shared_buckets()
            corpus.keep_shingles(chain(index.read_earlier(digest) if index else (), surveys), shared.rows)
            merges = list(self._find_merges(corpus, shared, indexed_rows))
        merges.sort()
        removed = np.array([removed for removed, _, _ in merges], np.int64)
        keepers = np.array([keepers for _, keepers, _ in merges], np.int64)
        if index:
            index.add_run(digest, surveys, removed - indexed_rows)
        return decisions.make_decision(
            corpus.rows[removed],
            action="merge",
            rule="near_duplicate",
            ids=corpus.ids.take(pa.array(removed)).to_pylist(),
            value=np.array([jaccard for _, _, jaccard in merges], np.float64),
            threshold=self.verify,
            duplicate_of=corpus.ids.take(pa.array(keepers)).to_pylist(),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, NAME)

    def _hash_documents(
        self, documents: Sequence[str], talk: bool, media: Sequence[str]
    ) -> tuple[U32, NDArray[np.int64]]:
        """The distinct n-grams of all documents, one after another, ascending in each; and how many each has.

        N-grams of rows with different images or sounds are different ones, whatever the words.
        """
        ngrams = hash_ngrams(hash_words(documents, self._keep_numbers(documents, talk)), self.ngram)
        if any(media):
            salts = np.array([xxhash.xxh3_64_intdigest(key) if key else 0 for key in media], np.uint64)
            ngrams = TextHashes(ngrams.values ^ np.repeat(salts, np.diff(ngrams.offsets)), ngrams.offsets)
        shingles, offsets = distinct_hashes(ngrams)
        return shingles, np.diff(offsets)

    def _keep_numbers(self, documents: Sequence[str], talk: bool) -> bool | NDArray[np.bool_]:
        """Whether numbers and operators count: for all documents, or for each."""
        if self.numbers != "auto" or talk:
            return talk if self.numbers == "auto" else self.numbers == "keep"
        return find_formal(documents)

    def _index_settings(self) -> str:
        return f"ngram {self.ngram}, bands {self.bands}, rows {self.rows}, numbers {self.numbers}, words {_WORDS}"

    def _find_merges(
        self, corpus: _Corpus, shared: _SharedBuckets, indexed_rows: int
    ) -> Iterator[tuple[int, int, float]]:
        """(index of the row that goes, index of the row that stays, their similarity); the first rows, of the index,
        stay.
        """
        candidates, ends, buckets = shared
        order = np.arange(len(candidates))
        if self.keep == "longest":
            later = candidates >= indexed_rows
            order = np.lexsort((candidates, np.where(later, -corpus.sizes[candidates], 0), later))
        turn = np.zeros(len(corpus), np.int32)
        turn[candidates[order]] = np.arange(len(candidates))
        first_keeper = np.full(
            int(buckets.max(initial=-1)) + 1, -1, np.int32
        )  # of each bucket, the first row that stays
        further_keepers: dict[int, list[int]] = {}  # and the few more
        for place, index in zip(order.tolist(), candidates[order].tolist(), strict=True):
            row_buckets = buckets[ends[place] : ends[place + 1]]
            bucket_keepers = first_keeper[row_buckets]
            is_taken = bucket_keepers >= 0
            if index >= indexed_rows and is_taken.any():
                nearby = set(bucket_keepers[is_taken].tolist())
                nearby.update(
                    row for bucket in row_buckets[is_taken].tolist() for row in further_keepers.get(bucket, ())
                )
                match = corpus.find_similar(index, sorted(nearby, key=turn.__getitem__), self.verify)
                if match is not None:
                    yield index, *match
                    continue
            first_keeper[row_buckets[~is_taken]] = index
            for bucket in row_buckets[is_taken].tolist():
                further_keepers.setdefault(bucket, []).append(index)


def is_talk(batch: pa.RecordBatch) -> bool:
    """Whether the rows are chats or preference pairs."""
    return "text" not in batch.schema.names


def find_formal(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which texts are maths or code, (texts,): of the first 512 characters, 10 % of those that are not blank are digits
    or signs of ASCII; or a shorter text in which every tenth word is a number, of two at least.

    >>> find_formal(["What is 12 plus 7?", "In 2019 the committee met twice to talk about the plan."]).tolist()
    [True, False]
    >>> find_formal(["What is 12 plus 7? Answer with a number and explain how you found it."]).tolist()
    [True]
    """
    heads = [text[:512] for text in texts]
    ends = np.cumsum([0, *map(len, heads)])
    latin = "".join(heads).encode("latin-1", "replace")  # one byte a character
    points = np.frombuffer(latin.translate(_points_of_bytes()), np.int8)
    sums = np.append(np.int32(0), np.cumsum(points, dtype=np.int32))  # of int64 it takes ten times as long
    is_formal: NDArray[np.bool_] = (np.diff(sums[ends]) >= 0) & (np.diff(ends) > 0)
    for index in np.flatnonzero(~is_formal & (np.diff(ends) < 512)).tolist():
        is_formal[index] = _has_many_numbers(texts[index])
    return is_formal


def _has_many_numbers(text: str) -> bool:
    numbers = len(_NUMBERS.findall(text))
    return numbers > 1 and 10 * numbers >= len(text.split())


@cache
def _points_of_bytes() -> bytes:
    """Of each byte, so that those of a text with a tenth of formal ones add up to 0: 9, -1 (255), and 0 of a blank."""
    return bytes(9 if code in _FORMAL else 0 if code in b" \t\r\n" else 255 for code in range(256))


def choose_bands_and_rows(recall: float, similarity: float, permutations: int = 128) -> tuple[int, int]:
    """The most rows a band, so the fewest false candidates, with which pairs of that similarity become candidates with
    probability `recall` or more, from at most so many permutations (datatrove and FineWeb take 112).

    >>> choose_bands_and_rows(0.92, 0.8), choose_bands_and_rows(0.99, 0.8)
    ((14, 8), (16, 6))
    """
    for rows in range(32, 1, -1):
        agree = similarity**rows
        bands = 1 if agree == 1 else math.ceil(math.log1p(-recall) / math.log1p(-agree))
        if bands * rows <= permutations:
            return bands, rows
    agree = min(similarity, 1 - 1e-9)
    return min(256, math.ceil(math.log1p(-recall) / math.log1p(-agree))), 1


class MinhashIndex:
    """What earlier runs kept, in a folder: one Arrow file a run, `00001-DIGEST.arrow`, the columns of the surveys."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder, self._settings = folder, settings  # what decides the hashes: only the same can be compared

    def digest_surveys(self, surveys: Iterable[pa.RecordBatch]) -> str:
        """The same for the same rows, however they are cut into batches."""
        ids, bands = xxhash.xxh3_64(), xxhash.xxh3_64()
        for batch in surveys:
            ids.update("\0".join(["", *batch["id"].to_pylist()]).encode())
            bands.update(batch["bands"].flatten().to_numpy().tobytes())
        return f"{ids.intdigest() ^ bands.intdigest():016x}"

    def read_earlier(self, digest: str) -> Iterator[pa.RecordBatch]:
        """What runs before the one of this digest kept. :raises InputError: made with other parameters"""
        for path in self._list_files():
            if path.stem.endswith(digest):
                return
            try:
                reader = pa.ipc.open_file(pa.OSFile(str(path)))
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"index: {path} cannot be read ({error}); restore it, or name another index") from None
            parameters = (reader.schema.metadata or {}).get(b"minhash", b"?").decode()
            if parameters != self._settings:
                version = "" if "words" in parameters else " by an earlier version of steward"
                raise InputError(
                    f"index: {path} was made with {parameters}{version}, this stage has {self._settings}; name another "
                    "index, and run the earlier data into it once more"
                )
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)

    def add_run(self, digest: str, surveys: Iterable[pa.RecordBatch], removed: NDArray[np.int64]) -> None:
        """Add the rows that stay and have words; nothing where the run has its file already. `removed`: (rows,)."""
        files = self._list_files()
        if any(path.stem.endswith(digest) for path in files):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        last = int(files[-1].name.split("-")[0]) if files else 0
        path = self.folder / f"{last + 1:05d}-{digest}.arrow"
        temporary = name_temporary(path)
        first = 0
        writer: Any = None
        for batch in surveys:
            is_kept = pc.list_value_length(batch["shingles"]).to_numpy() > 0
            batch_removed = removed[np.searchsorted(removed, first) : np.searchsorted(removed, first + len(batch))]
            is_kept[batch_removed - first] = False
            first += len(batch)
            schema = batch.schema.with_metadata({"minhash": self._settings})
            writer = writer or pa.ipc.new_file(str(temporary), schema)
            writer.write_batch(batch.filter(pa.array(is_kept)).replace_schema_metadata(schema.metadata))
        if writer is not None:
            writer.close()
            publish_file(temporary, path)

    def _list_files(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*-*.arrow"))


class _SharedBuckets(NamedTuple):
    """Rows that share a bucket of a band with another row."""

    rows: NDArray[np.int64]  # ascending, (rows,)
    ends: NDArray[np.int64]  # (rows + 1,)
    buckets: NDArray[np.int32]  # of row i those between ends i and i + 1


class _Corpus:
    """The surveys, with band keys, and the n-grams of rows that need comparing, in a file."""

    def __init__(self, file: BinaryIO, bands: int) -> None:
        self._file, self._bands = file, bands
        self._keys: list[tuple[int, int]] = []  # of each batch, where its keys are and how many rows it has
        self._rows, self._ids = [np.empty(0, np.int64)], [pa.array([], pa.large_string())]
        self._sizes = [np.empty(0, np.int64)]

    def __len__(self) -> int:
        return sum(rows for _, rows in self._keys)

    def add_batch(self, batch: pa.RecordBatch) -> None:
        keys = np.ascontiguousarray(batch["bands"].flatten().to_numpy().reshape(len(batch), self._bands).T)
        self._keys.append((self._file.tell(), len(batch)))
        self._file.write(keys.data)
        self._rows.append(batch["row"].to_numpy().copy())  # copies: a view would keep the whole batch in memory
        self._ids.append(pa.array(batch["id"].to_pylist(), pa.large_string()))
        self._sizes.append(np.diff(batch["shingles"].offsets.to_numpy()))

    def finish(self) -> None:
        """No more rows."""
        self._file.flush()
        self.rows, self.ids = np.concatenate(self._rows), pa.concat_arrays(self._ids)
        self.sizes = np.concatenate(self._sizes)
        self._rows, self._ids, self._sizes = [], [], []

    def keep_shingles(self, batches: Iterable[pa.RecordBatch], rows: NDArray[np.int64]) -> None:
        """Of the same batches once more, keep the n-grams of some rows: their indexes, ascending, (rows,).

        :raises Contradiction: they are not the same, as of an iterator that was read to its end
        """
        self._places = np.zeros(len(self), np.int64)
        first = 0
        at = self._file.seek(0, os.SEEK_END)
        for batch in batches:
            shingles = batch["shingles"]
            values, offsets = shingles.flatten().to_numpy(), shingles.offsets.to_numpy()
            start, stop = np.searchsorted(rows, [first, first + len(batch)])
            for row in rows[start:stop].tolist():
                low, high = offsets[row - first : row - first + 2] - offsets[0]
                self._places[row] = at
                at += self._file.write(values[low:high].data)
            first += len(batch)
        if first != len(self):
            raise Contradiction(
                f"the surveys gave {len(self):,} rows when they were first read and {first:,} the second time; give "
                "what can be read more than once, such as a list, and no iterator"
            )
        self._file.flush()

    def find_shared_buckets(self) -> _SharedBuckets:
        filled = np.flatnonzero(self.sizes).astype(np.int32)
        rows, buckets, count = [np.empty(0, np.int32)], [np.empty(0, np.int32)], 0
        for band in range(self._bands):
            places, numbers = _find_shared(self._read_band(band)[filled])
            rows.append(filled[places])
            buckets.append((count + numbers).astype(np.int32))
            count += int(numbers.max(initial=-1)) + 1
        every = np.concatenate(rows)
        order = np.argsort(every, kind="stable")
        candidates, starts = np.unique(every[order], return_index=True)
        return _SharedBuckets(
            candidates.astype(np.int64), np.append(starts, len(every)), np.concatenate(buckets)[order]
        )

    def _read_band(self, band: int) -> U64:
        keys = np.empty(len(self), np.uint64)
        first = 0
        for at, rows in self._keys:
            self._file.seek(at + 8 * band * rows)
            keys[first : first + rows] = np.frombuffer(self._file.read(8 * rows), np.uint64)
            first += rows
        return keys

    def find_similar(self, index: int, others: list[int], verify: float) -> tuple[int, float] | None:
        """The first of the others whose Jaccard similarity is at least `verify`, and the similarity."""
        own_shingles: U32 | None = None
        size = int(self.sizes[index])
        for other in others:
            other_size = int(self.sizes[other])
            if min(size, other_size) < verify * max(size, other_size):
                continue  # a smaller set shares at most all of itself
            own_shingles = self._read_shingles(index) if own_shingles is None else own_shingles
            shared = _count_common(own_shingles, self._read_shingles(other))
            jaccard = shared / (size + other_size - shared)
            if jaccard >= verify:
                return other, jaccard
        return None

    def _read_shingles(self, index: int) -> U32:
        self._file.seek(int(self._places[index]))
        return np.frombuffer(self._file.read(4 * int(self.sizes[index])), np.uint32)


def _count_common(first: U32, second: U32) -> int:
    """How many the two ascending sets have in common."""
    merged = np.concatenate((first, second))
    merged.sort(kind="stable")  # stable merges two runs in linear time
    return int(np.count_nonzero(merged[1:] == merged[:-1]))


def _group_by_size(documents: Sequence[str]) -> Iterator[list[str]]:
    """Of about `_CHARACTERS` each; of no documents, one without any."""
    group, size = list[str](), 0
    for document in documents:
        group.append(document)
        size += len(document)
        if size >= _CHARACTERS:
            yield group
            group, size = [], 0
    if group or not documents:
        yield group


def _compute_signatures(shingles: U32, offsets: NDArray[np.int64], permutations: int) -> U32:
    """(texts, permutations); 0 for a text without any n-gram. Ascending n-grams of each text.

    Fast similarity sketching (Dahlgaard, Knudsen and Thorup 2017, arXiv 1704.04370) with one round of buckets: the
    range of hashes is cut into as many buckets as there are permutations, and the smallest n-gram of each counts. A
    bucket that has none gets the smallest n-gram under a permutation of its own. So two texts agree in each place with
    the probability of their Jaccard similarity, as with permutations for all, which a long text needs none of.
    """
    counts = np.diff(offsets)
    buckets = np.multiply(shingles, permutations, dtype=np.uint64)
    buckets >>= np.uint64(32)
    is_first = np.ones(len(shingles), bool)  # in its bucket
    np.not_equal(buckets[1:], buckets[:-1], out=is_first[1:])
    is_first[offsets[:-1][counts > 0]] = True
    firsts = np.flatnonzero(is_first)
    texts = np.repeat(np.arange(len(counts)), np.diff(np.searchsorted(firsts, offsets)))
    places = texts * permutations + buckets[firsts].astype(np.int64)
    result = np.zeros((len(counts), permutations), np.uint32)
    is_empty = np.ones(result.shape, bool)
    result.ravel()[places] = shingles[firsts]
    is_empty.ravel()[places] = False
    sparse = np.flatnonzero(is_empty.any(axis=1) & (counts > 0))
    if len(sparse):
        of_sparse = np.zeros(len(counts), bool)
        of_sparse[sparse] = True
        cuts = np.cumsum(np.append(0, counts[sparse]))
        permuted = _permute(shingles[np.repeat(of_sparse, counts)], cuts, permutations)
        result[sparse] = np.where(is_empty[sparse], permuted.T, result[sparse])
    return result


def _permute(shingles: U32, cuts: NDArray[np.int64], permutations: int) -> U32:
    """(permutations, texts) smallest permuted n-gram. No text is without any."""
    a, b = _make_permutations(permutations)
    result = np.empty((permutations, len(cuts) - 1), np.uint32)
    start = 0
    while start < len(cuts) - 1:
        stop = max(int(np.searchsorted(cuts, cuts[start] + _BLOCK, side="right")) - 1, start + 1)
        block = shingles[cuts[start] : cuts[stop]]
        permuted = np.empty_like(block)
        for k in range(permutations):
            np.multiply(block, a[k], out=permuted)
            np.add(permuted, b[k], out=permuted)
            result[k, start:stop] = np.minimum.reduceat(permuted, cuts[start:stop] - cuts[start])
        start = stop
    return result


def _make_permutations(count: int) -> tuple[U32, U32]:
    numbers = mix_bits(np.arange(1, 2 * count + 1, dtype=np.uint64) * HASH_FOLD) >> np.uint64(32)
    return numbers[:count].astype(np.uint32) | np.uint32(1), numbers[count:].astype(np.uint32)


def _compute_band_keys(signatures: U32, bands: int) -> U64:
    """(texts, bands) hash of the rows of each band. `signatures`: (texts, permutations)"""
    grouped = signatures.reshape(len(signatures), bands, signatures.shape[1] // bands)
    keys = np.zeros(grouped.shape[:2], np.uint64)
    for row in range(grouped.shape[2]):
        keys = keys * HASH_FOLD + grouped[:, :, row]
    return mix_bits(keys)


def _find_shared(keys: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places whose key another place has too, and a number for each key, from 0."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(order) + 1, bool)
    new[1:-1] = np.diff(keys[order]) != 0
    shared = ~(new[:-1] & new[1:])
    return order[shared], np.cumsum(new[:-1][shared]) - 1
