"""Tiny stages for the tests of the engine, through the same table as steward's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from steward.data.stage import Entry, Result, filter_rows, get_texts, rewrite_strings
from steward.data.stage_table import STAGES


class Shout(msgspec.Struct, frozen=True):
    """Upper case."""

    pause_s: float = 0.0  # a batch

    def apply(self, batch: pa.RecordBatch) -> Result:
        time.sleep(self.pause_s)
        entries = [
            Entry(row=row, id=id_, stage="t.shout", action="change", rule="upper")
            for row, id_ in zip(batch["row"].to_pylist(), batch["id"].to_pylist(), strict=True)
        ]
        return Result(rewrite_strings(batch, lambda words: [word.upper() for word in words]), tuple(entries))


class Short(msgspec.Struct, frozen=True):
    """Drops texts of fewer characters; with `mute` it keeps no account."""

    least: int = 10
    mute: bool = False

    def apply(self, batch: pa.RecordBatch) -> Result:
        lengths = pc.utf8_length(get_texts(batch))
        keep = pc.greater_equal(lengths, self.least)
        gone = batch.filter(pc.invert(keep))
        entries = [
            Entry(
                row=row, id=id_, stage="t.short", action="drop", rule="too_short", value=len(word), threshold=self.least
            )
            for row, id_, word in zip(
                gone["row"].to_pylist(), gone["id"].to_pylist(), get_texts(gone).to_pylist(), strict=True
            )
        ]
        return filter_rows(batch, keep, () if self.mute else entries)


class Same(msgspec.Struct, frozen=True):
    """Merges rows of the same text into the first."""

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"row": batch["row"], "id": batch["id"], "text": get_texts(batch)})

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        firsts: dict[str, str] = {}
        found = []
        for survey in surveys:
            found += [
                {"row": item["row"], "id": item["id"], "duplicate_of": firsts[item["text"]]}
                for item in survey.to_pylist()
                if firsts.setdefault(item["text"], item["id"]) != item["id"]
            ]
        return pa.Table.from_pylist(
            found, pa.schema([("row", pa.int64()), ("id", pa.large_string()), ("duplicate_of", pa.large_string())])
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        entries = [Entry(**item, stage="t.same", action="merge", rule="same_text") for item in decision.to_pylist()]
        return filter_rows(batch, pc.invert(pc.is_in(batch["row"], decision["row"].combine_chunks())), entries)


class Finder(msgspec.Struct, frozen=True):
    """Needs a detector."""

    detector: Callable[[str], list[tuple[int, int, str]]] | None = None

    def apply(self, batch: pa.RecordBatch) -> Result:
        return Result(batch)


STAGES.update({f"t.{kind.__name__.lower()}": f"data_stages:{kind.__name__}" for kind in (Shout, Short, Same, Finder)})
