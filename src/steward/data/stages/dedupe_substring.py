"""`dedupe.substring`: takes out of documents every run of bytes that came before, in any document or in the same.

After Lee et al. 2022 (Deduplicating Training Data Makes Language Models Better, ACL, 2022.acl-long.577), who put equal
runs beside each other by a suffix array; the same runs are found here in bounded memory (`repeated_bytes.py`). The
first copy in the order of the input stays; of all others what is part of a repeated run of `min_bytes` or more goes,
cut to whole characters. Chats and pairs pass unchanged: a sentence that is taken out of a turn leaves no conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.data import decisions as decisions
from steward.data.repeated_bytes import MAX_LEAST, find_repeated_runs
from steward.data.stage import Action, Entry, Result

NAME = "dedupe.substring"


class DedupeSubstring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `repeated_text` (changed, the value is how many bytes went) and `all_repeated` (dropped)."""

    min_bytes: Annotated[int, msgspec.Meta(ge=16, le=MAX_LEAST)] = 200
    max_mb: Annotated[float, msgspec.Meta(gt=0)] | None = None

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row` and `text`; of chats and pairs none."""
        texts = batch["text"] if "text" in batch.schema.names else pa.nulls(len(batch), pa.large_string())
        return pa.RecordBatch.from_arrays([batch["row"], texts], names=["row", "text"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """A line for each run that goes: its first byte as the value, the byte behind it as the threshold.

        :raises InputError: more text than `max_mb`
        """
        rows: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        size = 0
        for batch in surveys:
            rows.append(batch["row"].to_numpy().copy())
            size += pc.sum(pc.binary_length(batch["text"])).as_py() or 0
            if self.max_mb is not None and size > self.max_mb * 1e6:
                raise InputError(
                    f"dedupe.substring: more than {self.max_mb:g} MB of text; raise max_mb, or use dedupe.parts, which "
                    "is faster"
                )
        numbers = np.concatenate(rows)
        repeated = list(find_repeated_runs(lambda: _read_documents(surveys), self.min_bytes))
        runs = np.array(repeated, np.int64).reshape(len(repeated), 3)
        table = decisions.make_decision(
            numbers[runs[:, 0]], action="change", rule="repeated_text", value=runs[:, 1].astype(np.float64)
        )
        ends = pa.array(runs[:, 2].astype(np.float64))
        return table.set_column(table.schema.get_field_index("threshold"), "threshold", ends)

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        removed: dict[int, list[tuple[int, int]]] = {}
        for line in decision.to_pylist():
            removed.setdefault(line["row"], []).append((int(line["value"]), int(line["threshold"])))
        if not removed:
            return Result(batch)
        rows, ids, texts = batch["row"].to_pylist(), batch["id"].to_pylist(), batch["text"].to_pylist()
        entries, keep = [], np.ones(batch.num_rows, bool)
        for index, row in enumerate(rows):
            if row in removed and (runs := _fit_runs(texts[index], removed[row])):
                texts[index] = _cut_out(texts[index], runs)
                keep[index] = bool(texts[index].strip())
                action: Action = "change" if keep[index] else "drop"
                rule = "repeated_text" if keep[index] else "all_repeated"
                gone = float(sum(end - start for start, end in runs))
                entries.append(Entry(row=row, id=ids[index], stage=NAME, action=action, rule=rule, value=gone))
        column = batch.schema.get_field_index("text")
        batch = batch.set_column(column, "text", pa.array(texts, pa.large_string()))
        return Result(batch.filter(pa.array(keep)), tuple(entries))


def _read_documents(surveys: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
    for batch in surveys:
        yield from ((text or "").encode("utf-8", "surrogatepass") for text in batch["text"].to_pylist())


def _fit_runs(text: str, runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs of whole characters; none of a part of one."""
    encoded = text.encode("utf-8", "surrogatepass")
    fitted = (fit_to_characters(encoded, start, end) for start, end in runs)
    return [(start, end) for start, end in fitted if end > start]


def _cut_out(text: str, runs: list[tuple[int, int]]) -> str:
    encoded, at, kept = text.encode("utf-8", "surrogatepass"), 0, []
    for start, end in sorted(runs):
        kept.append(encoded[at:start])
        at = end
    return b"".join((*kept, encoded[at:])).decode("utf-8", "surrogatepass")


def fit_to_characters(text: bytes, start: int, end: int) -> tuple[int, int]:
    """The run without parts of characters at its ends: bytes 0x80 to 0xbf continue one.

    >>> fit_to_characters("aéü".encode(), 2, 4)
    (3, 3)
    """
    while start < end and text[start] & 0xC0 == 0x80:
        start += 1
    while end > start and end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    return start, end
