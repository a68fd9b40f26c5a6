"""Personal data: masked, tagged, or reason to drop the row. What counts as such is for the detector to say.

The detector is handed over by whoever composes the pipeline; this module knows none, and refuses to run without: a
pipeline that names `pii` must not pass personal data because nobody looked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import ClassVar, Literal

import msgspec
import pyarrow as pa

from steward.core.errors import InputError
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.row_strings import get_all_texts, rewrite_all_texts
from steward.data.stage import Result

Change = Callable[[str, str], str]  # what stands where a value stood, by its kind and itself
Detector = Callable[[str], list[tuple[int, int, str]]]  # start, end and kind of each find, in any order


class Pii(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tag` adds a column `pii` with the kinds that a row has.

    Every text of the row is read: content, tool calls, reasoning and the other columns; not its id, and not the
    columns that `skip` names. `profile` and `entities` say what is looked for, as for `steward privacy scan`. With
    `mode: mask`, `action` says what stands where a value stood: `label` its kind, `mask` asterisks, but for the last
    four digits of long numbers, `redact` a note, `generalise` the year of a date, `90+`, three digits of a postal code.
    `detectors` names a steward.yaml whose `privacy.detectors` look for more. Not read, as they are no texts: numbers,
    bytes, and the names of columns.
    """

    files: ClassVar = ("detectors", "detector_files")
    mode: Literal["mask", "drop", "tag"] = "mask"
    skip: tuple[str, ...] = ()
    profile: str = "default"
    entities: tuple[str, ...] = ()
    action: Literal["label", "mask", "redact", "generalise"] = "label"
    detectors: str = ""
    detector_files: tuple[str, ...] = ()  # the functions that `detectors` names
    detector: Detector | None = None
    change: Change | None = None

    @property
    def adds(self) -> tuple[str, ...]:
        """The columns that this stage adds."""
        return ("pii",) if self.mode == "tag" else ()

    def apply(self, batch: pa.RecordBatch) -> Result:
        """:raises InputError: without a detector."""
        if self.detector is None:
            raise InputError(
                "stage pii: no detector of personal data was handed over; run the pipeline through `steward data run`, "
                "or pass Pii(detector=...)"
            )
        detect = cache(self.detector)  # most rows are one text, which is then read once
        kinds = [Counter(kind for _, _, kind in detect(text)) for text in get_all_texts(batch, self.skip)]
        rules = [(index, kind, float(n), 0.0) for index, row in enumerate(kinds) for kind, n in sorted(row.items())]
        if self.mode == "drop":
            first = {rule[0]: rule for rule in reversed(rules)}
            dropped = tuple(make_entries(batch, "pii", "drop", [first[index] for index in sorted(first)]))
            return Result(drop_rows(batch, set(first)), dropped)
        if self.mode == "tag":
            after = set_column(batch, "pii", pa.array([",".join(sorted(row)) for row in kinds], pa.string()))
        else:
            after = rewrite_all_texts(
                batch, lambda strings: [mask_finds(string, detect, self.change) for string in strings], self.skip
            )
        return Result(after, tuple(make_entries(batch, "pii", "change", rules)))


def mask_finds(text: str, detect: Detector, change: Change | None = None) -> str:
    """Each find replaced by its kind, or what `change` makes of it; of finds that overlap the first, then the longest.

    >>> mask_finds("Call Bo.", lambda text: [(5, 7, "person")])
    'Call [PERSON].'
    """
    parts, at = [], 0
    for start, end, kind in sorted(detect(text), key=lambda find: (find[0], -find[1])):
        if start >= at:
            parts += [text[at:start], f"[{kind.upper()}]" if change is None else change(kind, text[start:end])]
        at = max(at, end)  # the rest of an overlapping find is personal data too
    return "".join((*parts, text[at:]))
