"""Which language a text is in: keeps the languages that are asked for and adds the column `language`.

A text with few letters, one of no certain language, and one that is not written in any (`zxx`: tables, code) is
`unknown`. See `language_detection.py` for the labels.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
import pyarrow as pa

from steward.data.language_detection import UNKNOWN, detect_language, require_language
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keep` are codes such as en; none keeps all. `unknown` says what happens to texts of no certain language."""

    adds: ClassVar = ("language",)
    keep: tuple[str, ...] = ()
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.8
    min_letters: Annotated[int, msgspec.Meta(ge=0)] = 15
    unknown: Literal["keep", "drop"] = "keep"

    def __post_init__(self) -> None:
        """:raises InputError: a code that the detector never gives"""
        for code in self.keep:
            require_language(code, "stage language, keep")

    def apply(self, batch: pa.RecordBatch) -> Result:
        languages = [detect_language(text, self.confidence, self.min_letters) for text in get_texts(batch).to_pylist()]
        allowed = {*self.keep, *([UNKNOWN] if self.unknown == "keep" else [])}
        dropped = [index for index, language in enumerate(languages) if self._is_dropped(language, allowed)]
        expected = ",".join(self.keep) or "any"
        rules = [
            (index, "unknown_language" if languages[index] == UNKNOWN else "language", languages[index], expected)
            for index in dropped
        ]
        tagged = set_column(batch, "language", pa.array(languages, pa.string()))
        return Result(drop_rows(tagged, set(dropped)), tuple(make_entries(batch, "language", "drop", rules)))

    def _is_dropped(self, language: str, allowed: set[str]) -> bool:
        return language not in allowed and (bool(self.keep) or language == UNKNOWN)
