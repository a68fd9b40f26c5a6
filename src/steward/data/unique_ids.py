"""Refuses ids that came before: an id that names two rows explains neither. The run does this before any stage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from steward.core.errors import InputError
from steward.data.read_plan import Shard, row_location
from steward.data.stage import Entry, Result, filter_rows


class UniqueIdCheck(msgspec.Struct, frozen=True):
    """Refuses ids that came before: an id that names two rows explains neither. Of the run itself, before any stage."""

    on_error: str
    shards: tuple[Shard, ...] = ()

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.select(["row", "id"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """Compares 8-byte hashes first, and the ids themselves, on a second reading, only where those agree."""
        hashes = [_hash_ids(survey["id"]) for survey in surveys]
        all_hashes = np.sort(np.concatenate([np.zeros(0, np.uint64), *hashes]))
        repeated = np.unique(all_hashes[1:][all_hashes[1:] == all_hashes[:-1]])
        suspects: list[tuple[str, int]] = []
        for survey, survey_hashes in zip(surveys, hashes, strict=True) if len(repeated) else ():
            matching = survey.filter(pa.array(np.isin(survey_hashes, repeated)))
            suspects += zip(matching["id"].to_pylist(), matching["row"].to_pylist(), strict=True)
        first_rows: dict[str, int] = {}
        duplicates = [
            (row, name, first_rows[name]) for name, row in suspects if first_rows.setdefault(name, row) != row
        ]
        if duplicates and self.on_error == "fail":
            row, _, first = duplicates[0]
            location, first_location = (row_location(number, self.shards) for number in (row, first))
            raise InputError(
                f"{location}: field 'id': the same as {first_location} "
                f"({len(duplicates):,} such rows); expected one id a row; name another column as input.id, or set "
                "input.on_error: skip"
            )
        return pa.table(
            {
                "row": pa.array([row for row, _, _ in duplicates], pa.int64()),
                "rule": ["duplicate_id" for _ in duplicates],
                "where": [row_location(row, self.shards) for row, _, _ in duplicates],
                "value": [row_location(first, self.shards) for _, _, first in duplicates],
            }
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        entries = [
            Entry(
                row=item["row"], id=item["where"], stage="ids", action="fail", rule=item["rule"],
                value=f"the id of {item['value']}", threshold="one row an id", where=f"{item['where']} id",
            )
            for item in decision.to_pylist()
        ]  # fmt: skip
        return filter_rows(batch, pc.invert(pc.is_in(batch["row"], decision["row"].combine_chunks())), entries)


def _hash_ids(ids: pa.Array) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.fromiter((xxhash.xxh3_64_intdigest(text.encode()) for text in ids.to_pylist()), np.uint64, len(ids))
