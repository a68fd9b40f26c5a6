"""Published filters of web text, each under the name of the implementation it equals, and checks for fine-tuning rows.

    gopher@datatrove   repetition, then quality, as datatrove 0.10 decides (Rae et al. 2021, arXiv:2112.11446)
    gopher@paper       the same rules as the paper's appendix A1.1 words them: words are what stands between white space
    c4@datatrove       as datatrove 0.10: 3 words a line, 5 sentences a page (Raffel et al. 2020, JMLR 21/140)
    c4@tfds            as TensorFlow Datasets' c4_utils.py, the reference code: 5 words a line, 3 sentences a page
    fineweb@datatrove  the rules that FineWeb adds (Penedo et al. 2024, arXiv:2406.17557)
    gopher@language    the rules of gopher@datatrove with each language's words, function words and lengths
    sft                structure of chats, pairs and short answers; none of the above, which drop a correct answer of
                       12 words

"Gopher" and "C4" are not one thing: implementations differ in what a word, a line or a duplicate is. A row is dropped
by the first rule that it breaks, under the rule's name in datatrove. C4 also takes lines out of the documents it keeps
(of
documents only: chats and pairs are judged and left as they are).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from steward.core.errors import InputError, UnknownName
from steward.data import c4, chat_checks, fineweb, gopher
from steward.data.gopher_languages import filter_by_language
from steward.data.language_detection import LANGUAGES, guess_language, require_language
from steward.data.stage import Entry, Result, get_texts
from steward.data.violation import Violation

Preset = Literal[
    "gopher@datatrove", "gopher@paper", "c4@datatrove", "c4@tfds", "fineweb@datatrove", "gopher@language", "sft"
]
Judge = Callable[[Sequence[str], dict[str, float]], Sequence[Violation | str]]

_JUDGES: dict[str, Judge] = {
    "gopher@datatrove": gopher.filter_like_datatrove,
    "gopher@paper": gopher.filter_like_paper,
    "c4@datatrove": c4.filter_like_datatrove,
    "c4@tfds": c4.filter_like_tfds,
    "fineweb@datatrove": fineweb.filter_like_datatrove,
}
_LIMITS: dict[str, Mapping[str, float]] = {
    "gopher@datatrove": gopher.LIMITS,
    "gopher@paper": gopher.LIMITS,
    "c4@datatrove": c4.LIMITS,
    "c4@tfds": c4.LIMITS,
    "fineweb@datatrove": fineweb.LIMITS,
    "gopher@language": gopher.LIMITS,
    "sft": chat_checks.LIMITS,
}
_CHARACTERS_AT_ONCE = 500_000  # measured: beyond it the tables of the n-grams leave the processor's cache


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`preset` is one name or several, which are then applied in that order and share their words.

    `limits` replaces thresholds by the names that the ledger shows: {"gopher_short_doc": 30}. The language that
    `gopher@language` takes for a row is that of its column `language`, as the stage of that name adds it, or `language`
    itself (a code) for all rows; else it is guessed. `segmenter` is a `WordSegmenter`, which `steward data` gives.
    """

    preset: Preset | tuple[Preset, ...]
    limits: dict[str, float] = msgspec.field(default_factory=dict)
    language: str | None = None
    segmenter: Any = None  # WordSegmenter | None

    def __post_init__(self) -> None:
        """:raises UnknownName: a limit that no rule of the presets has"""
        presets = (self.preset,) if isinstance(self.preset, str) else self.preset
        rules = {rule for preset in presets for rule in _LIMITS[preset]}
        for rule in self.limits:
            if rule not in rules:
                raise UnknownName("limit", rule, sorted(rules), f"stage quality, preset {', '.join(presets)}")
        if self.language is not None:
            require_language(self.language, "stage quality, language")
            if not self.needs_words:
                raise InputError("stage quality: language is given, which only preset gopher@language takes")

    @property
    def needs_words(self) -> bool:
        """Whether words of languages without spaces may be asked for."""
        return "gopher@language" in ((self.preset,) if isinstance(self.preset, str) else self.preset)

    def _find_languages(self, batch: pa.RecordBatch, texts: Sequence[str]) -> list[str]:
        if self.language is not None:
            return [self.language] * len(texts)
        told = batch["language"].to_pylist() if "language" in batch.schema.names else [None] * len(texts)
        return [
            str(code) if code in LANGUAGES else guess_language(text) for code, text in zip(told, texts, strict=True)
        ]

    def _make_judges(self, batch: pa.RecordBatch, documents: list[str]) -> dict[str, Callable[[list[int]], Any]]:
        """Of each preset, what judges the documents of these indexes."""
        judges: dict[str, Callable[[list[int]], Any]] = {
            name: partial(_judge_documents, judge, documents, self.limits) for name, judge in _JUDGES.items()
        }
        if self.needs_words:
            languages = self._find_languages(batch, documents)
            judges["gopher@language"] = lambda group: filter_by_language(
                [documents[index] for index in group],
                [languages[index] for index in group],
                self.limits,
                self.segmenter,
            )
        return judges

    def apply(self, batch: pa.RecordBatch) -> Result:
        documents: list[str] = get_texts(batch).to_pylist()
        violations: dict[int, Violation] = {}
        changed: dict[int, str] = {}
        judges = self._make_judges(batch, documents)
        for preset in (self.preset,) if isinstance(self.preset, str) else self.preset:
            remaining = [index for index in range(len(documents)) if index not in violations]
            if preset == "sft":
                remaining_set = set(remaining)
                violations |= {
                    index: violation
                    for index, violation in chat_checks.check_rows(batch, self.limits)
                    if index in remaining_set
                }
                continue
            for group in _group_by_size(remaining, documents):
                results = judges[preset](group)
                for index, violation in zip(group, results, strict=True):
                    if isinstance(violation, Violation):
                        violations[index] = violation
                    elif "text" in batch.schema.names and violation != documents[index]:
                        changed[index] = documents[index] = violation
        return _make_result(
            batch, violations, {index: text for index, text in changed.items() if index not in violations}, documents
        )


def _judge_documents(
    judge: Judge, documents: Sequence[str], limits: dict[str, float], group: list[int]
) -> Sequence[Violation | str]:
    return judge([documents[index] for index in group], limits)


def _group_by_size(indexes: Sequence[int], documents: Sequence[str]) -> list[list[int]]:
    groups: list[list[int]] = [[]]
    size = 0
    for index in indexes:
        if size > _CHARACTERS_AT_ONCE:
            groups.append([])
            size = 0
        groups[-1].append(index)
        size += len(documents[index])
    return groups


def _make_result(
    batch: pa.RecordBatch, violations: dict[int, Violation], changed: dict[int, str], documents: list[str]
) -> Result:
    rows, ids = batch["row"].to_pylist(), batch["id"].to_pylist()
    entries = []
    for index in sorted({*violations, *changed}):
        identity = {"row": rows[index], "id": ids[index], "stage": "quality"}
        if violation := violations.get(index):
            entries.append(
                Entry(
                    **identity,
                    action="drop",
                    rule=violation.rule,
                    value=_to_ledger_value(violation.value),
                    threshold=_to_ledger_value(violation.threshold),
                )
            )
        else:
            entries.append(Entry(**identity, action="change", rule="c4_lines", value=float(len(documents[index]))))
    if changed:
        column = batch.schema.get_field_index("text")
        batch = batch.set_column(column, "text", pa.array(documents, pa.large_string()))
    keep = np.ones(batch.num_rows, bool)
    keep[list(violations)] = False
    return Result(batch.filter(pa.array(keep)), tuple(entries))


def _to_ledger_value(value: float | str) -> float | str:
    """Counts are floats in the ledger, as shares are."""
    return value if isinstance(value, str) else float(value)
