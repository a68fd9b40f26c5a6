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
`decide` copies both to one temporary file and reads back one band at a time, and of the n-grams only what candidates
need: some 60 bytes and the id of a row are in memory, also of the rows of the index, and for a row with
near-duplicates some 20 bytes a band.

Permutations are a·x + b modulo 2³² with odd a over well-mixed 32-bit hashes x. datatrove's 2⁶¹ - 1 costs a division an
n-gram and permutation; on texts of known similarity the two find the same share (benchmarks/bench_data_minhash.py).
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import xxhash
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.core.files import name_temporary, publish_file
from steward.data import decisions as decisions
from steward.data.row_strings import get_content_texts, get_media_keys
from steward.data.shingles import U64, TextHashes, distinct_hashes, hash_ngrams, hash_words, mix_bits
from steward.data.stage import Result

NAME = "dedupe.minhash"
_WORDS = 3  # counts up when a text is hashed in another way; 2 took the numbers of short texts for one word
_FORMAL = b"0123456789+*/=<>^%|~{}[];\\_$#"
_NUMBERS = re.compile(r"[0-9](?<!\w[0-9])[0-9]*(?:[.,][0-9]+)*(?!\w)")  # a digit first: `re` skips to the next one
Count = Annotated[int, msgspec.Meta(ge=1, le=256)]
U32 = NDArray[np.uint32]
_FOLD = np.uint64(0xD1342543DE82EF95)
_CHARACTERS = 500_000  # looked at together: a whole batch's arrays leave the cache
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
        keys, shingles, counts = (np.concatenate(parts) for parts in zip(*hashed, strict=True))
        columns = [
            batch["row"],
            batch["id"],
            pa.FixedSizeListArray.from_arrays(pa.array(keys.reshape(-1)), self.bands),
            pa.LargeListArray.from_arrays(pa.array(np.append(0, np.cumsum(counts))), pa.array(shingles)),
        ]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "bands", "shingles"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """What is merged into what. :raises InputError: the index was made with other parameters"""
        index = MinhashIndex(Path(self.index), self._index_settings()) if self.index else None
        with tempfile.TemporaryFile() as file:
            corpus = _Corpus(file, self.bands)
            earlier = index.read_earlier(digest := index.digest_surveys(surveys)) if index else ()
            for batch in earlier:
                corpus.add_batch(batch)
            indexed_rows = len(corpus)
            for batch in surveys:
                corpus.add_batch(batch)
            corpus.finish()
            merges = list(self._find_merges(corpus, indexed_rows))
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
    ) -> tuple[U64, U32, NDArray[np.int64]]:
        """Band keys (documents, bands); the distinct n-grams of all documents, one after another; how many each has.

        N-grams of rows with different images or sounds are different ones, whatever the words.
        """
        ngrams = hash_ngrams(hash_words(documents, self._keep_numbers(documents, talk)), self.ngram)
        if any(media):
            salts = np.array([xxhash.xxh3_64_intdigest(key) if key else 0 for key in media], np.uint64)
            ngrams = TextHashes(ngrams.values ^ np.repeat(salts, np.diff(ngrams.offsets)), ngrams.offsets)
        shingles, offsets = distinct_hashes(ngrams)
        keys = _compute_band_keys(_compute_signatures(shingles, offsets, self.bands * self.rows), self.bands)
        return keys, shingles, np.diff(offsets)

    def _keep_numbers(self, documents: Sequence[str], talk: bool) -> bool | NDArray[np.bool_]:
        """Whether numbers and operators count: for all documents, or for each."""
        if self.numbers != "auto" or talk:
            return talk if self.numbers == "auto" else self.numbers == "keep"
        return find_formal(documents)

    def _index_settings(self) -> str:
        return f"ngram {self.ngram}, bands {self.bands}, rows {self.rows}, numbers {self.numbers}, words {_WORDS}"

    def _find_merges(self, corpus: _Corpus, indexed_rows: int) -> Iterator[tuple[int, int, float]]:
        """(index of the row that goes, index of the row that stays, their similarity); the first `held` rows stay."""
        candidates, ends, buckets = corpus.find_shared_buckets()
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


class _Corpus:
    """The surveys, with band keys and n-grams in a file."""

    def __init__(self, file: BinaryIO, bands: int) -> None:
        self._file, self._bands = file, bands
        self._keys: list[tuple[int, int]] = []  # of each batch, where its keys are and how many rows it has
        self._rows, self._ids = [np.empty(0, np.int64)], [pa.array([], pa.large_string())]
        self._places, self._sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]

    def __len__(self) -> int:
        return sum(rows for _, rows in self._keys)

    def add_batch(self, batch: pa.RecordBatch) -> None:
        shingles, at = batch["shingles"], self._file.tell()
        keys = np.ascontiguousarray(batch["bands"].flatten().to_numpy().reshape(-1, self._bands).T)
        self._file.write(keys.tobytes())
        self._file.write(memoryview(shingles.flatten().to_numpy()))
        offsets = shingles.offsets.to_numpy()
        self._keys.append((at, len(batch)))
        self._rows.append(batch["row"].to_numpy().copy())  # copies: a view would keep the whole batch in memory
        self._ids.append(pa.array(batch["id"].to_pylist(), pa.large_string()))
        self._places.append(at + keys.nbytes + 4 * (offsets[:-1] - offsets[0]))
        self._sizes.append(np.diff(offsets))

    def finish(self) -> None:
        """No more rows."""
        self._file.flush()
        self.rows, self.ids = np.concatenate(self._rows), pa.concat_arrays(self._ids)
        self.sizes, self.places = np.concatenate(self._sizes), np.concatenate(self._places)
        self._rows, self._ids, self._places, self._sizes = [], [], [], []

    def find_shared_buckets(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """Rows that share a bucket, ascending, (rows,); and the buckets of each, between two ends of (rows + 1,)."""
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
        return candidates.astype(np.int64), np.append(starts, len(every)), np.concatenate(buckets)[order]

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
        self._file.seek(int(self.places[index]))
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
    """(permutations, texts) smallest permuted n-gram; 0 for a text without any."""
    a, b = _make_permutations(permutations)
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


def _make_permutations(count: int) -> tuple[U32, U32]:
    numbers = mix_bits(np.arange(1, 2 * count + 1, dtype=np.uint64) * _FOLD) >> np.uint64(32)
    return numbers[:count].astype(np.uint32) | np.uint32(1), numbers[count:].astype(np.uint32)


def _compute_band_keys(signatures: U32, bands: int) -> U64:
    """(texts, bands) hash of the rows of each band."""
    grouped = signatures.reshape(bands, len(signatures) // bands, signatures.shape[1])
    keys = np.zeros((bands, signatures.shape[1]), np.uint64)
    for row in range(grouped.shape[1]):
        keys = keys * _FOLD + grouped[:, row]
    return np.ascontiguousarray(mix_bits(keys).T)


def _find_shared(keys: U64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places whose key another place has too, and a number for each key, from 0."""
    order = np.argsort(keys, kind="stable")
    new = np.ones(len(order) + 1, bool)
    new[1:-1] = np.diff(keys[order]) != 0
    shared = ~(new[:-1] & new[1:])
    return order[shared], np.cumsum(new[:-1][shared]) - 1
