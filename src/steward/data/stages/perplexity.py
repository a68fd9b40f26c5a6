"""`perplexity`: how surprising a text is to an n-gram model of yours, as CCNet filters web text.

After Wenzek et al. 2020 (CCNet, LREC, 2020.lrec-1.494), who keep what a model of Wikipedia finds likely. The model is
an ARPA file, which KenLM's `lmplz` and SRILM write; sentences are the lines of a text, words what stands between white
space. A word that the model does not have counts as `<unk>`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from steward.core.errors import InputError
from steward.data.arpa import load_model, measure_perplexity
from steward.data.ledger_entries import drop_rows, make_entries, set_column
from steward.data.stage import Result, get_texts


class PerplexityStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules `high_perplexity`, `low_perplexity` and `no_words`. Adds the column `perplexity`, null without words.

    `lower` makes texts lower case first, for a model that was trained on such.
    """

    adds: ClassVar = ("perplexity",)
    files: ClassVar = ("model",)
    model: str
    max: Annotated[float, msgspec.Meta(gt=0)] | None = None
    min: Annotated[float, msgspec.Meta(gt=0)] | None = None
    lower: bool = False

    def __post_init__(self) -> None:
        """:raises InputError: bounds that no text is within"""
        if self.max is not None and self.min is not None and self.min > self.max:
            raise InputError(f"perplexity: min {self.min:g} is above max {self.max:g}; expected the lower one as min")

    def check(self) -> list[str]:
        """:raises InputError: no such file, or it is no ARPA file"""
        load_model(self.model)
        return []

    def apply(self, batch: pa.RecordBatch) -> Result:
        model = load_model(self.model)
        texts = get_texts(batch).to_pylist()
        values = [measure_perplexity(text.lower() if self.lower else text, model) for text in texts]
        dropped = [rule for index, value in enumerate(values) if (rule := self._judge(index, value))]
        numbers = pa.array([np.nan if value is None else value for value in values], pa.float64(), from_pandas=True)
        tagged = set_column(batch, "perplexity", numbers)
        rows = drop_rows(tagged, {index for index, *_ in dropped})
        return Result(rows, tuple(make_entries(batch, "perplexity", "drop", dropped)))

    def _judge(self, index: int, value: float | None) -> tuple[int, str, float | None, float | None] | None:
        if value is None:
            return (index, "no_words", None, None) if self.max is not None or self.min is not None else None
        if self.max is not None and value > self.max:
            return index, "high_perplexity", value, self.max
        if self.min is not None and value < self.min:
            return index, "low_perplexity", value, self.min
        return None
