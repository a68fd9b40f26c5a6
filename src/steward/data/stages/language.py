"""Which language a text is in, by py3langid (Lui and Baldwin 2012, ACL demo; 97 languages, model in the package).

A text with few letters, or one whose best language is not sure enough, is `unknown`: short texts are where detectors
guess. The column `language` is added for the stages and the report that follow. The probability is the model's own; it
is too sure of long texts.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import msgspec
import pyarrow as pa

from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts

UNKNOWN = "unknown"
_MAX_CHARACTERS = 4_000  # characters; the decision does not change beyond


class Language(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`keep` are ISO 639-1 codes; none keeps all. `unknown` says what happens to texts of no certain language."""

    keep: tuple[str, ...] = ()
    confidence: float = 0.8
    min_letters: int = 15
    unknown: Literal["keep", "drop"] = "keep"

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


def detect_language(text: str, confidence: float = 0.8, min_letters: int = 15) -> str:
    """An ISO 639-1 code, or `unknown`.

    >>> detect_language("The weather was fine, so we walked along the river to the old mill."), detect_language("ok")
    ('en', 'unknown')
    """
    head = text[:_MAX_CHARACTERS]
    if sum(map(str.isalpha, head)) < min_letters:
        return UNKNOWN
    language, probability = _load_identifier().classify(head)
    return str(language) if probability >= confidence else UNKNOWN


@lru_cache(maxsize=1)
def _load_identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
