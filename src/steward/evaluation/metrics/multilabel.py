"""Metrics of items with several labels each. A prediction is a list of labels, or a text that lists them; all of an
item's references are its labels, none is a label less.

A text is read as a JSON list where it is one, else cut at commas, semicolons, vertical bars and line ends, without the
marks of lists. Labels are compared without case and end blanks. Averages are scikit-learn's, with zero_division 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.evaluation.statistics import Array, ratio

AVERAGES: Final = ("micro", "macro", "weighted", "samples")
_CUTS: Final = re.compile(r"[,;|\n]")
_MARKS: Final = re.compile(r"^(?:[-*•]|\d+[.)])\s+")


def read_labels(prediction: Any) -> frozenset[str]:
    """
    >>> sorted(read_labels("- Spam\\n- urgent, ")), sorted(read_labels('["a", "B"]')), sorted(read_labels("none"))
    (['spam', 'urgent'], ['a', 'b'], [])

    :raises InputError: neither text nor a list of texts
    """
    if isinstance(prediction, str):
        prediction = _parse_list(prediction)
    if not isinstance(prediction, list) or not all(isinstance(label, str) for label in prediction):
        raise InputError(f"prediction {prediction!r}, expected a list of labels or a text that lists them")
    labels = (_MARKS.sub("", label.strip()).strip().strip(".").casefold() for label in prediction)
    return frozenset(label for label in labels if label and label not in ("none", "[]"))


def _parse_list(text: str) -> list[Any]:
    if text.strip().startswith("["):
        try:
            return msgspec.json.decode(text.strip(), type=list[Any])
        except (msgspec.MsgspecError, RecursionError):
            pass  # a list of Markdown links, say, or brackets without end: read as text
    return _CUTS.split(text)


class _MultiLabelMetric:
    proportion = False
    signature = ""

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        read_labels(prediction)
        read_labels(list(references))
        return ""


class MultiLabelExact(_MultiLabelMetric):
    """The share of items whose labels are exactly the right ones (scikit-learn's accuracy of sets)."""

    proportion = True
    signature = "multilabel_exact|case:lower"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        right = [read_labels(a) == read_labels(list(b)) for a, b in zip(predictions, references, strict=True)]
        return np.column_stack([np.array(right, dtype=np.float64), np.ones(len(right))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class MultiLabelF1(_MultiLabelMetric):
    """F1 of the labels of items that may have several: 2 hits / (predicted + real), averaged over all labels together
    (micro), over classes (macro, weighted by their number) or over items (samples)."""

    def __init__(self, average: str = "micro") -> None:
        if average not in AVERAGES:
            raise UnknownName("average", average, AVERAGES)
        self._average = average
        self.signature = f"multilabel_f1|average:{average}|zero_division:0"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        pairs = [(read_labels(a), read_labels(list(b))) for a, b in zip(predictions, references, strict=True)]
        if self._average == "samples":
            values = [2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0 for a, b in pairs]
            return np.column_stack([np.array(values), np.ones(len(values))])
        labels = sorted({label for pair in pairs for side in pair for label in side}) or [""]
        counts = np.zeros((len(pairs), 3, len(labels)))  # (items, hit / predicted / real, classes)
        for row, (given, right) in enumerate(pairs):
            for place, label in enumerate(labels):
                counts[row, :, place] = (label in given and label in right, label in given, label in right)
        return counts.reshape(len(pairs), 3 * len(labels))

    def combine(self, sums: Array) -> Array:
        if self._average == "samples":
            return ratio(sums)
        hits, predicted, real = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)  # (samples, classes) each
        if self._average == "micro":
            return _divide(2 * hits.sum(1), (predicted + real).sum(1))
        values = _divide(2 * hits, predicted + real)
        weights = real if self._average == "weighted" else ((predicted + real) > 0).astype(np.float64)
        return _divide((values * weights).sum(1), weights.sum(1))


def _divide(part: Array, whole: Array) -> Array:
    quotient: Array = np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
    return quotient
