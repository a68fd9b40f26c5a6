"""`classifier`: scores each row with a classifier of yours, and drops what scores too low.

Of three kinds, told by the end of the file's name: `.npz`, which `steward data classifier train` makes from rows that
you labelled; fastText's `.bin` and `.ftz`; and ONNX (`adapters/text_models.py`). The score is about the labels that it
was trained on, and it knows texts like those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from steward.core.errors import InputError
from steward.data.classifier import load_classifier
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts


class ClassifierStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rule `low_score`. Adds the column `classifier_score` (0 to 1); `min_score` 0 drops nothing.

    `label`: whose probability is the score, of fastText a label such as `hq`, of ONNX the number of an output.
    `tokenizer`: the tokenizer.json of an ONNX model that takes tokens. `scorer` is a `TextClassifier`, which
    `steward data` gives the stage for files that are not our own.
    """

    adds: ClassVar = ("classifier_score",)
    files: ClassVar = ("file", "tokenizer")
    file: str
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    label: str | None = None
    tokenizer: str | None = None
    scorer: Any = None  # TextClassifier | None

    def __post_init__(self) -> None:
        """:raises InputError: a kind of file that is not known, or one that the parameters do not go with"""
        if self.is_own:
            if self.label or self.tokenizer:
                raise InputError("classifier: label and tokenizer are of fastText and ONNX files; leave them out")
        elif not self.file.endswith((".bin", ".ftz", ".onnx")):
            raise InputError(f"classifier: {self.file} has an unknown ending; expected .npz, .bin, .ftz or .onnx")
        elif not self.label:
            raise InputError(
                "classifier: no label; expected the label whose probability is the score: of fastText a name such as "
                "hq, of ONNX the number of an output"
            )

    @property
    def is_own(self) -> bool:
        """Whether `steward data classifier train` made the file."""
        return self.file.endswith(".npz")

    def check(self) -> list[str]:
        """:raises InputError: no such file, or it is no classifier"""
        self._score(["text"])
        return []

    def _score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        if self.is_own:
            return load_classifier(self.file).score(texts)
        if self.scorer is None:
            raise InputError("classifier: run it with `steward data run`, or pass scorer=… in Python")
        return np.asarray(self.scorer.score(texts), np.float64)

    def apply(self, batch: pa.RecordBatch) -> Result:
        scores = self._score(get_texts(batch).to_pylist())
        dropped = [
            (index, "low_score", score, self.min_score)
            for index, score in enumerate(scores.tolist())
            if score < self.min_score
        ]
        scored = set_column(batch, "classifier_score", pa.array(scores, pa.float64()))
        rows = drop_rows(scored, {index for index, *_ in dropped})
        return Result(rows, tuple(make_entries(batch, "classifier", "drop", dropped)))
