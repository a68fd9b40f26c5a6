"""What answers took: seconds and money. The prediction is what was measured, whatever was said, without references.

What came from the cache, or from a server that counts no tokens, is unscored: nobody measured it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from steward.core.errors import InputError
from steward.evaluation.statistics import Array, ratio


class _MeasuredMetric:
    proportion = False
    signature = ""

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """`prediction`: seconds, or None where they were not measured."""
        return _require_number(prediction, "seconds") or ("" if prediction is not None else "the time was not measured")

    def item(self, prediction: Any) -> float:
        return float(prediction)

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        values = np.array([self.item(prediction) for prediction in predictions], dtype=np.float64)
        return np.column_stack([values, np.ones(len(values))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class MeanLatency(_MeasuredMetric):
    """Mean seconds from sending an item's request to the end of its answer; attempts that failed do not count."""

    signature = "latency|unit:s|mean"


class InTime(_MeasuredMetric):
    """The share of items answered within so many seconds."""

    proportion = True

    def __init__(self, seconds: float = 1.0) -> None:
        if not 0 < seconds < math.inf:
            raise InputError(f"in_time: seconds {seconds}, expected a number above 0")
        self._seconds = seconds
        self.signature = f"in_time|seconds:{seconds:g}"

    def item(self, prediction: Any) -> float:
        return float(prediction <= self._seconds)


class MeanCost(_MeasuredMetric):
    """Mean US dollars an item, of its tokens at the prices given, USD per million tokens."""

    def __init__(self, input: float = 0.0, output: float = 0.0) -> None:
        if not (0 <= input < math.inf and 0 <= output < math.inf and input + output > 0):
            raise InputError(f"cost: input {input}, output {output}; expected prices in USD per million tokens")
        self._input, self._output = input, output
        self.signature = f"cost|unit:usd|input:{input:g}|output:{output:g}"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """`prediction`: {"input_tokens", "output_tokens"}."""
        if not isinstance(prediction, dict):
            raise InputError('the prediction is not an object; expected {"input_tokens": …, "output_tokens": …}')
        counts = [prediction.get(name) for name in ("input_tokens", "output_tokens")]
        return "" if None not in (*counts, *(_require_number(n, "a count of tokens") for n in counts)) else _UNCOUNTED

    def item(self, prediction: Any) -> float:
        million = prediction["input_tokens"] * self._input + prediction["output_tokens"] * self._output
        return float(million) / 1e6


_UNCOUNTED = "the server reported no token counts"


def _require_number(value: Any, what: str) -> str:
    """Nothing; None passes too. :raises InputError: no number, or one below 0"""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(f"prediction {value!r}, expected {what}, 0 or more")
    return ""
