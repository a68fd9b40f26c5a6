"""`dedupe.exact`: of rows that say the same, the first in the input stays.

The same means: equal 128-bit XXH3 hashes of the text in Unicode's composed form (NFC) with every run of white space as
one space. Case and punctuation count; what differs only in those is found by `dedupe.minhash`. A chance collision among
n texts has a probability of about n² / 2¹²⁹: 10⁻²³ for 10⁸ texts.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from steward.data import decision as decisions
from steward.data.stage import Result, texts

NAME = "dedupe.exact"


class DedupeExact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters. Rule `exact_duplicate`; the entry's `duplicate_of` is the id of the row that stays."""

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, `id` and the two halves of the hash."""
        composed = pc.utf8_normalize(texts(batch), "NFC").to_pylist()
        digests = b"".join(xxhash.xxh3_128_digest(" ".join(text.split()).encode()) for text in composed)
        halves = np.array(memoryview(digests).cast("Q") if digests else [], np.uint64).reshape(-1, 2).T
        columns = [batch["row"], batch["id"], *map(pa.array, halves.copy())]
        return pa.RecordBatch.from_arrays(columns, names=["row", "id", "high", "low"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """Every later row of the same hash is merged into the first; 24 bytes a row and the ids are held in memory."""
        batches = list(surveys)
        if not batches:
            return decisions.table([], action="merge", rule="exact_duplicate")
        seen = pa.Table.from_batches(batches)
        rows, high, low = (seen[name].to_numpy() for name in ("row", "high", "low"))
        order = np.lexsort((rows, low, high))
        new = np.ones(len(order), bool)
        new[1:] = (np.diff(high[order]) != 0) | (np.diff(low[order]) != 0)
        stays = order[np.flatnonzero(new)][np.cumsum(new) - 1]  # of each row in `order`, the first of its hash
        gone = np.flatnonzero(~new)
        gone = gone[np.argsort(rows[order[gone]])]
        ids = seen["id"]
        return decisions.table(
            rows[order[gone]],
            action="merge",
            rule="exact_duplicate",
            ids=ids.take(pa.array(order[gone])).to_pylist(),
            duplicate_of=ids.take(pa.array(stays[gone])).to_pylist(),
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        return decisions.removed(batch, decision, NAME)
