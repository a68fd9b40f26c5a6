"""`dedupe.exact`: of rows that say the same, the first in the input stays.

Of chats the roles, the boundaries of messages, tool calls and declared tools count too, of pairs each field. The same
means: equal 128-bit XXH3 hashes of the text in Unicode's composed form (NFC) with every run of white space as
one space. Case and punctuation count; what differs only in those is found by `dedupe.minhash`. A chance collision among
n texts has a probability of about n² / 2¹²⁹: 10⁻²³ for 10⁸ texts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import msgspec
import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from steward.data import decisions as decisions
from steward.data.row_strings import make_content_keys
from steward.data.stage import Result

NAME = "dedupe.exact"
_BLANKS = bytes(ord(" ") if chr(code).isascii() and chr(code).isspace() else code for code in range(256))


class DedupeExact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters. Rule `exact_duplicate`; the entry's `duplicate_of` is the id of the row that stays."""

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id` and the two halves of the hash."""
        digests = b"".join(xxhash.xxh3_128_digest(_canonical_bytes(text)) for text in make_content_keys(batch))
        halves = np.array(memoryview(digests).cast("Q") if digests else [], np.uint64).reshape(len(batch), 2).T
        columns = [batch["row"], batch["id"], *map(pa.array, halves.copy())]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "high", "low"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """Every later row of the same hash is merged into the first; 24 bytes a row are held in memory.

        Reads the surveys twice: the ids only of the rows that go and of those they name.
        """
        columns = [[batch[name].to_numpy().copy() for name in ("row", "high", "low")] for batch in surveys]
        if not columns:
            return decisions.make_decision([], action="merge", rule="exact_duplicate")
        rows, high, low = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        order = np.lexsort((rows, low, high))
        is_first = np.ones(len(order), bool)
        is_first[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
        first_of_each = order[np.flatnonzero(is_first)][
            np.cumsum(is_first) - 1
        ]  # of each row in `order`, the first of its hash
        duplicates = np.flatnonzero(~is_first)
        duplicates = duplicates[np.argsort(rows[order[duplicates]])]
        ids = _read_ids(surveys, np.union1d(order[duplicates], first_of_each[duplicates]))
        return decisions.make_decision(
            rows[order[duplicates]],
            action="merge",
            rule="exact_duplicate",
            ids=[ids[place] for place in order[duplicates].tolist()],
            duplicate_of=[ids[place] for place in first_of_each[duplicates].tolist()],
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.remove_rows(batch, decision, NAME)


def _canonical_bytes(text: str) -> bytes:
    """Composed, every run of white space as one space. Bytes take a third of the time that words take."""
    if not text.isascii():
        return " ".join(unicodedata.normalize("NFC", text).split()).encode("utf-8", "surrogatepass")
    plain = text.encode().translate(_BLANKS)
    while b"  " in plain:
        plain = plain.replace(b"  ", b" ")
    return plain.strip(b" ")


def _read_ids(surveys: Iterable[pa.RecordBatch], places: NDArray[np.int64]) -> dict[int, str]:
    """Of the rows at these places, ascending, in the order of the surveys."""
    ids: dict[int, str] = {}
    first = 0
    for batch in surveys:
        low, high = np.searchsorted(places, [first, first + len(batch)])
        batch_places = places[low:high]
        ids.update(
            zip(batch_places.tolist(), batch["id"].take(pa.array(batch_places - first)).to_pylist(), strict=True)
        )
        first += len(batch)
    return ids
