"""What a data set looks like: rows, lengths, languages, duplicates, personal data, balance. Counts only, no text.

Languages are guessed for a sample: 200 characters of 64 rows in each batch, which their numbers decide, so that mostly
the same rows are asked for as they come in and as they go out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from steward.core.extend import TokenCounter
from steward.data.language_detection import guess_language
from steward.data.row_strings import count_media, get_all_texts, make_content_keys
from steward.data.stage import get_texts
from steward.data.stages.tokens import count_row_tokens
from steward.text.hashing import mix_bits

Detector = Callable[[str], list[tuple[int, int, str]]]
LANGUAGE_SAMPLE_ROWS = 64  # rows of a batch whose language is asked for
_LANGUAGE_SAMPLE_CHARACTERS = 200  # of each: what the answer costs grows with them, and a run has thousands of samples
_REMEMBERED_SAMPLES = 8192  # a row that a run keeps is sampled twice, as it comes in and as it goes out
_MAX_LABEL_VALUES = 50  # a column of more different values is no label


class LengthStatistics(msgspec.Struct, frozen=True):
    """Rows by length in characters: bucket b holds 2^(b-1) to 2^b - 1, bucket 0 the empty ones."""

    rows: int = 0
    characters: int = 0
    buckets: dict[int, int] = {}
    languages: dict[str, int] = {}  # of the sample
    media: dict[str, int] = {}  # parts of messages that are no text, by type
    tokens: int = 0  # of the column `tokens`, where the rows have one
    token_buckets: dict[int, int] = {}  # as `buckets`, of tokens

    def merge(self, other: LengthStatistics) -> LengthStatistics:
        return LengthStatistics(
            self.rows + other.rows,
            self.characters + other.characters,
            dict(sorted((Counter(self.buckets) + Counter(other.buckets)).items())),
            dict((Counter(self.languages) + Counter(other.languages)).most_common()),
            dict((Counter(self.media) + Counter(other.media)).most_common()),
            self.tokens + other.tokens,
            dict(sorted((Counter(self.token_buckets) + Counter(other.token_buckets)).items())),
        )


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward data profile` prints."""

    rows: int
    failed: int  # rows that cannot be read
    characters: int
    median_characters: float
    lengths: dict[int, int]
    languages: dict[str, int]
    exact_duplicates: int  # rows whose words, without case and spacing, came before
    personal_data: dict[str, int]  # rows that hold each kind
    media: dict[str, int]  # parts of messages that are no text, which nothing here reads
    tokens: int | None = None  # where a tokenizer is given, as are the next two
    median_tokens: float | None = None
    max_tokens: int | None = None
    columns: dict[str, dict[str, int]]  # label and group columns: rows by value


def measure_lengths(batch: pa.RecordBatch) -> LengthStatistics:
    """Lengths of all rows, in tokens where they have been counted; languages of a sample."""
    values = get_texts(batch)
    lengths = pc.utf8_length(values).to_numpy(zero_copy_only=False).astype(np.int64)
    tokens = _read_tokens(batch)
    sample = np.sort(np.argsort(mix_bits(batch["row"].to_numpy().astype(np.uint64)))[:LANGUAGE_SAMPLE_ROWS])
    languages = Counter(_guess_sample(values[index].as_py()[:_LANGUAGE_SAMPLE_CHARACTERS]) for index in sample.tolist())
    return LengthStatistics(
        len(lengths),
        int(lengths.sum()),
        _count_buckets(lengths),
        dict(languages.most_common()),
        dict(count_media(batch).most_common()),
        int(tokens.sum()),
        _count_buckets(tokens),
    )


@lru_cache(maxsize=_REMEMBERED_SAMPLES)
def _guess_sample(text: str) -> str:
    return guess_language(text)


def _count_buckets(lengths: NDArray[np.int64]) -> dict[int, int]:
    """Rows by length, (rows,)."""
    counts = np.bincount(np.ceil(np.log2(lengths + 1)).astype(np.int64)) if len(lengths) else np.zeros(0, np.int64)
    return {bucket: int(count) for bucket, count in enumerate(counts) if count}


def _read_tokens(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """The column `tokens`, where it holds counts; rows without one are left out."""
    if "tokens" not in batch.schema.names or not pa.types.is_integer(batch.schema.field("tokens").type):
        return np.zeros(0, np.int64)
    counts = batch["tokens"].drop_null().to_numpy(zero_copy_only=False).astype(np.int64)
    return counts if (counts >= 0).all() else np.zeros(0, np.int64)


def profile(
    batches: Iterable[pa.RecordBatch],
    detector: Detector | None = None,
    failed: int = 0,
    counter: TokenCounter | None = None,
) -> Profile:
    """Of a whole data set; keeps 12 bytes a row."""
    lengths = LengthStatistics()
    hashes: list[np.ndarray[Any, Any]] = []
    all_lengths: list[np.ndarray[Any, Any]] = []
    personal: Counter[str] = Counter()
    tokens: list[int] = []
    columns: dict[str, Counter[str] | None] = {}
    for batch in batches:
        lengths = lengths.merge(measure_lengths(batch))
        words = get_texts(batch).to_pylist()
        all_lengths.append(pc.utf8_length(get_texts(batch)).to_numpy(zero_copy_only=False))
        if counter is not None:
            tokens += count_row_tokens(batch, counter)
        hashes.append(np.fromiter(map(hash_content, make_content_keys(batch)), np.uint64, len(words)))
        for text in get_all_texts(batch) if detector else ():
            personal.update({kind for _, _, kind in detector(text)})  # type: ignore[misc]
        for name in batch.schema.names:
            if name not in ("row", "id", "text", "messages", "prompt", "chosen", "rejected", "more"):
                _count_values(columns, name, batch[name])
    different = len(np.unique(np.concatenate(hashes))) if hashes else 0
    return Profile(
        rows=lengths.rows,
        failed=failed,
        characters=lengths.characters,
        median_characters=float(np.median(np.concatenate(all_lengths))) if lengths.rows else 0.0,
        lengths=lengths.buckets,
        languages=lengths.languages,
        exact_duplicates=lengths.rows - different,
        personal_data=dict(personal.most_common()),
        media=lengths.media,
        tokens=sum(tokens) if counter else None,
        median_tokens=float(np.median(tokens)) if tokens else None,
        max_tokens=max(tokens, default=None),
        columns={name: dict(counts.most_common()) for name, counts in columns.items() if counts},
    )


def hash_content(text: str) -> int:
    """The same for texts that differ in case and spacing only (XXH3, 64 bits)."""
    return xxhash.xxh3_64_intdigest(" ".join(text.lower().split()).encode("utf-8", "surrogatepass"))


def _count_values(columns: dict[str, Counter[str] | None], name: str, values: pa.Array) -> None:
    counter = columns.setdefault(name, Counter())
    if counter is None or pa.types.is_floating(values.type):
        columns[name] = None
        return
    for item in pc.value_counts(values).to_pylist():
        counter[str(item["values"])] += item["counts"]
        if len(counter) > _MAX_LABEL_VALUES:
            columns[name] = None
            return
