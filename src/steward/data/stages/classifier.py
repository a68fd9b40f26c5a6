"""`classifier`: scores each row with a classifier that you trained, and drops what scores too low.

`steward data classifier train` makes the file from rows that you labelled. The score is about the labels that it was
trained on, and it knows texts like those.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import pyarrow as pa

from steward.data.classifier import load_classifier
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts


class ClassifierStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `low_score`. Adds the column `classifier_score` (0 to 1); `min_score` 0 drops nothing."""

    adds: ClassVar = ("classifier_score",)
    files: ClassVar = ("file",)
    file: str
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5

    def check(self) -> list[str]:
        """:raises InputError: no such file, or it is no classifier"""
        load_classifier(self.file)
        return []

    def apply(self, batch: pa.RecordBatch) -> Result:
        scores = load_classifier(self.file).score(get_texts(batch).to_pylist())
        dropped = [
            (index, "low_score", score, self.min_score)
            for index, score in enumerate(scores.tolist())
            if score < self.min_score
        ]
        scored = set_column(batch, "classifier_score", pa.array(scores, pa.float64()))
        rows = drop_rows(scored, {index for index, *_ in dropped})
        return Result(rows, tuple(make_entries(batch, "classifier", "drop", dropped)))
