"""`dedupe.parts`: takes out of documents the paragraphs, lines or sentences that came before, in any document.

A part is known by the 64-bit XXH3 hash of its text in lower case with single spaces; parts shorter than
`min_characters` stay, so that headings, braces and short answers do. The first of each stays, in the order of the
input. A document of which nothing is left goes. Chats and pairs pass unchanged: a turn that is taken out leaves no
conversation. Boilerplate that differs by a word is not found: see `dedupe.minhash`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
import numpy as np
import pyarrow as pa
import xxhash

from steward.data import decisions as decisions
from steward.data.stage import Action, Entry, Result
from steward.text.sentences import split_sentences

NAME = "dedupe.parts"
Unit = Literal["paragraph", "line", "sentence"]
_SEPARATORS = {"paragraph": re.compile(r"(?<=\n)[ \t]*\n+"), "line": re.compile(r"\n")}


class DedupeParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `repeated_parts` (changed, the value is how many parts went) and `all_repeated` (dropped)."""

    unit: Unit = "paragraph"
    min_characters: Annotated[int, msgspec.Meta(ge=1)] = 40

    def survey(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """`row`, and of its long parts the hashes and their places among all parts."""
        hashes, places, counts = [], [], []
        for text in _get_documents(batch):
            found = [
                (hash_part(part), at)
                for at, part in enumerate(split_parts(text, self.unit))
                if len(part.strip()) >= self.min_characters
            ]
            hashes += [value for value, _ in found]
            places += [at for _, at in found]
            counts.append(len(found))
        offsets = pa.array(np.append(0, np.cumsum(counts)), pa.int64())
        columns = [
            batch["row"],
            pa.LargeListArray.from_arrays(offsets, pa.array(hashes, pa.uint64())),
            pa.LargeListArray.from_arrays(offsets, pa.array(places, pa.int64())),
        ]
        return pa.RecordBatch.from_arrays(columns, names=["row", "hashes", "places"])

    def decide(self, surveys: Iterable[pa.RecordBatch]) -> pa.Table:
        """A line for each part that goes, its place as the value; 24 bytes a part are held in memory."""
        rows, hashes, places = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for batch in surveys:
            lengths = np.diff(batch["hashes"].offsets.to_numpy())
            rows.append(np.repeat(batch["row"].to_numpy(), lengths))
            hashes.append(batch["hashes"].flatten().to_numpy().copy())
            places.append(batch["places"].flatten().to_numpy().copy())
        every_row, every_hash, every_place = np.concatenate(rows), np.concatenate(hashes), np.concatenate(places)
        order = np.argsort(every_hash, kind="stable")  # the surveys come in the order of the input
        repeated = np.sort(order[1:][np.diff(every_hash[order]) == 0])
        return decisions.make_decision(
            every_row[repeated], action="change", rule="repeated_parts", value=every_place[repeated].astype(np.float64)
        )

    def apply(self, batch: pa.RecordBatch, decision: pa.Table) -> Result:
        removed: dict[int, set[int]] = {}
        for row, place in zip(decision["row"].to_pylist(), decision["value"].to_pylist(), strict=True):
            removed.setdefault(row, set()).add(int(place))
        if not removed:
            return Result(batch)
        rows, ids, texts = batch["row"].to_pylist(), batch["id"].to_pylist(), batch["text"].to_pylist()
        entries, keep = [], np.ones(batch.num_rows, bool)
        for index, row in enumerate(rows):
            if not (gone := removed.get(row)):
                continue
            texts[index] = "".join(
                part for at, part in enumerate(split_parts(texts[index] or "", self.unit)) if at not in gone
            ).strip()
            keep[index] = bool(texts[index])
            action: Action = "change" if texts[index] else "drop"
            rule = "repeated_parts" if texts[index] else "all_repeated"
            entries.append(Entry(row=row, id=ids[index], stage=NAME, action=action, rule=rule, value=float(len(gone))))
        column = batch.schema.get_field_index("text")
        batch = batch.set_column(column, "text", pa.array(texts, pa.large_string()))
        return Result(batch.filter(pa.array(keep)), tuple(entries))


def _get_documents(batch: pa.RecordBatch) -> list[str]:
    """The documents; of chats and pairs nothing."""
    if "text" not in batch.schema.names:
        return [""] * batch.num_rows
    return [text or "" for text in batch["text"].to_pylist()]


def split_parts(text: str, unit: Unit) -> list[str]:
    """The parts in their order, each with what stands between it and the next: joined they are the text.

    >>> split_parts("One.\\n\\nTwo.", "paragraph"), split_parts("One. Two.", "sentence")
    (['One.\\n\\n', 'Two.'], ['One. ', 'Two.'])
    """
    if unit == "sentence":
        starts = _find_sentences(text)
    else:
        starts = [match.end() for match in _SEPARATORS[unit].finditer(text)]
    bounds = [0, *(at for at in starts if 0 < at < len(text)), len(text)]
    return [text[low:high] for low, high in pairwise(bounds) if high > low]


def _find_sentences(text: str) -> list[int]:
    starts, at = [], 0
    for sentence in split_sentences(text):
        found = text.find(sentence, at)
        if found >= 0:
            starts.append(found)
            at = found + len(sentence)
    return starts


def hash_part(part: str) -> int:
    """The same for parts that differ in case and spacing only."""
    return xxhash.xxh3_64_intdigest(" ".join(part.lower().split()).encode("utf-8", "surrogatepass"))
