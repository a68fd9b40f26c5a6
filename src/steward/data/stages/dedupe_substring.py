"""`dedupe.substring`: takes out of documents every run of bytes that came before, in any document or in the same.

After Lee et al. 2022 (Deduplicating Training Data Makes Language Models Better, ACL, 2022.acl-long.577): a suffix array
over all documents puts equal runs beside each other. The first copy in the order of the input stays; of all others
what is part of a repeated run of `min_bytes` or more goes, cut to whole characters. Chats and pairs pass unchanged: a
sentence that is taken out of a turn leaves no conversation.

The array is libdivsufsort's (pydivsufsort, extra `substring`), with Kasai's common prefixes. Both are in memory: about
14 bytes for each byte of text, so that a corpus of more than `max_mb` is refused before they are made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.data import decisions as decisions
from steward.data.stage import Action, Entry, Result

NAME = "dedupe.substring"
_BETWEEN = b"\xff"  # a byte that UTF-8 never has
I64 = NDArray[np.int64]


class DedupeSubstring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `repeated_text` (changed, the value is how many bytes went) and `all_repeated` (dropped)."""

    min_bytes: Annotated[int, msgspec.Meta(ge=16)] = 200
    max_mb: Annotated[float, msgspec.Meta(gt=0, le=2000)] = 500

    def check(self) -> list[str]:
        """:raises InputError: the library is not installed"""
        _load_library()
        return []

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row` and `text`; of chats and pairs none."""
        texts = batch["text"] if "text" in batch.schema.names else pa.nulls(len(batch), pa.large_string())
        return pa.RecordBatch.from_arrays([batch["row"], texts], names=["row", "text"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """A line for each run that goes: its first byte as the value, the byte behind it as the threshold.

        :raises InputError: more text than `max_mb`
        """
        rows, pieces, size = list[int](), list[bytes](), 0
        for batch in surveys:
            for row, text in zip(batch["row"].to_pylist(), batch["text"].to_pylist(), strict=True):
                encoded = (text or "").encode("utf-8", "surrogatepass")
                size += len(encoded)
                if size > self.max_mb * 1e6:
                    raise InputError(
                        f"dedupe.substring: more than {self.max_mb:g} MB of text, which would take about "
                        f"{self.max_mb * 14 / 1000:.1f} GB of memory; raise max_mb, or use dedupe.parts"
                    )
                rows.append(row)
                pieces.append(encoded)
        found = [(rows[document], start, end) for document, start, end in find_repeated_runs(pieces, self.min_bytes)]
        starts, ends = (np.array([run[place] for run in found], np.float64) for place in (1, 2))
        table = decisions.make_decision([run[0] for run in found], action="change", rule="repeated_text", value=starts)
        return table.set_column(table.schema.get_field_index("threshold"), "threshold", pa.array(ends))

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        removed: dict[int, list[tuple[int, int]]] = {}
        for line in decision.to_pylist():
            removed.setdefault(line["row"], []).append((int(line["value"]), int(line["threshold"])))
        if not removed:
            return Result(batch)
        rows, ids, texts = batch["row"].to_pylist(), batch["id"].to_pylist(), batch["text"].to_pylist()
        entries, keep = [], np.ones(batch.num_rows, bool)
        for index, row in enumerate(rows):
            if runs := removed.get(row):
                texts[index] = _cut_out(texts[index], runs)
                keep[index] = bool(texts[index].strip())
                action: Action = "change" if keep[index] else "drop"
                rule = "repeated_text" if keep[index] else "all_repeated"
                gone = float(sum(end - start for start, end in runs))
                entries.append(Entry(row=row, id=ids[index], stage=NAME, action=action, rule=rule, value=gone))
        column = batch.schema.get_field_index("text")
        batch = batch.set_column(column, "text", pa.array(texts, pa.large_string()))
        return Result(batch.filter(pa.array(keep)), tuple(entries))


def _cut_out(text: str, runs: list[tuple[int, int]]) -> str:
    encoded, at, kept = text.encode("utf-8", "surrogatepass"), 0, []
    for start, end in sorted(runs):
        kept.append(encoded[at:start])
        at = end
    return b"".join((*kept, encoded[at:])).decode("utf-8", "surrogatepass")


def find_repeated_runs(documents: list[bytes], least: int) -> list[tuple[int, int, int]]:
    """(document, first byte, byte behind the last) of what stood before, in the order of the documents."""
    text = np.frombuffer(bytearray(_BETWEEN.join(documents)), np.uint8)
    lengths = np.array([len(document) for document in documents], np.int64)
    begins = np.concatenate(([0], np.cumsum(lengths + 1)))[:-1]
    if not len(text):
        return []
    later, first = _find_copies(text, begins + lengths, least)
    gone = _cover(later, least, len(text)) & ~_cover(first, least, len(text))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], gone, [False])).astype(np.int8)))
    runs = []
    for start, end in edges.reshape(-1, 2).tolist():
        start, end = _fit_to_characters(text, start, end)
        if end > start:
            document = int(np.searchsorted(begins, start, side="right")) - 1
            runs.append((document, start - int(begins[document]), end - int(begins[document])))
    return runs


def _find_copies(text: NDArray[np.uint8], ends: I64, least: int) -> tuple[I64, I64]:
    """Where a run of `least` bytes begins that stood before, and where those begin that are the first of several."""
    library = _load_library()
    suffixes = library.divsufsort(text)
    is_like_next = library.kasai(text, suffixes) >= least
    in_group = is_like_next.copy()
    in_group[1:] |= is_like_next[:-1]
    places = np.flatnonzero(in_group)
    groups = np.cumsum(np.concatenate(([True], ~is_like_next[:-1])))[places]
    starts = suffixes[places].astype(np.int64)
    within = ends[np.searchsorted(ends, starts)] - starts >= least  # not across the end of its document
    starts, groups = starts[within], groups[within]
    if not len(starts):
        return starts, starts
    order = np.lexsort((starts, groups))
    starts, groups = starts[order], groups[order]
    is_first = np.concatenate(([True], groups[1:] != groups[:-1]))
    return starts[~is_first], starts[is_first]


def _cover(starts: I64, length: int, size: int) -> NDArray[np.bool_]:
    """Which bytes are within `length` of a start."""
    changes = np.zeros(size + 1, np.int32)
    np.add.at(changes, starts, 1)
    np.add.at(changes, starts + length, -1)
    return np.cumsum(changes[:-1]) > 0


def _fit_to_characters(text: NDArray[np.uint8], start: int, end: int) -> tuple[int, int]:
    """The run without parts of characters at its ends: bytes 0x80 to 0xbf continue one."""
    while start < end and text[start] & 0xC0 == 0x80:
        start += 1
    while end > start and end < len(text) and text[end] & 0xC0 == 0x80:
        end -= 1
    return start, end


def _load_library() -> Any:
    try:
        import pydivsufsort
    except ModuleNotFoundError as error:
        raise InputError(f"dedupe.substring needs pydivsufsort; {install_command('substring')}") from error
    return pydivsufsort
