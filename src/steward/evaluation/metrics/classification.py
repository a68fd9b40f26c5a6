"""Metrics of labels. A prediction is one label, and so is the first reference, compared without case or end blanks.

Averages are scikit-learn's: macro is the mean of the classes' values (not F of mean precision and recall), over the
classes that stand in references or predictions; a class without any prediction has precision 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics import require_text, require_texts
from steward.evaluation.statistics import Array, ratio

_AVERAGES: Final = ("macro", "micro", "weighted", "binary")


class _LabelMetric:
    proportion = False
    signature = ""

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        require_text(prediction, "prediction")
        require_texts(references)
        if len(references) != 1:
            raise InputError(f"references has {len(references)} labels, expected one")
        return ""


class Accuracy(_LabelMetric):
    """The share of items whose label is right."""

    proportion = True
    signature = "accuracy|case:lower|strip:yes"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        right = [
            _normalise_label(predicted) == _normalise_label(row[0])
            for predicted, row in zip(predictions, references, strict=True)
        ]
        return np.column_stack([np.array(right, dtype=np.float64), np.ones(len(right))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class _AveragedMetric(_LabelMetric):
    """True positives, predicted and real ones of each class, averaged in one of three ways, or of the class `positive`
    alone (average: binary)."""

    name = ""

    def __init__(self, average: str = "macro", positive: str = "") -> None:
        if average not in _AVERAGES:
            raise UnknownName("average", average, _AVERAGES)
        if (average == "binary") != bool(positive):
            raise InputError(
                f"{self.name}: average {average!r}, positive {positive!r}; binary needs the positive label"
            )
        self._average, self._positive = average, _normalise_label(positive)
        of = f"|positive:{self._positive}" if positive else ""
        self.signature = f"{self.name}|average:{average}{of}|zero_division:0"

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        pairs = [
            (_normalise_label(predicted), _normalise_label(row[0]))
            for predicted, row in zip(predictions, references, strict=True)
        ]
        if self._average == "binary":
            found = [(label == self._positive, right == self._positive) for label, right in pairs]
            rows = [[label and right, label, right] for label, right in found]
            return np.array(rows, dtype=np.float64)  # (items, hit / predicted / real) of one class
        labels = {label: number for number, label in enumerate(sorted({label for pair in pairs for label in pair}))}
        counts = np.zeros((len(pairs), 3, len(labels)))  # (items, hit / predicted / real, classes)
        for row, (predicted, right) in enumerate(pairs):
            counts[row, 0, labels[predicted]] = predicted == right
            counts[row, 1, labels[predicted]] = 1
            counts[row, 2, labels[right]] = 1
        return counts.reshape(len(pairs), -1)

    def combine(self, sums: Array) -> Array:
        hits, predicted, real = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)  # (samples, classes) each
        if self._average in ("micro", "binary"):
            return self.value(hits.sum(1), predicted.sum(1), real.sum(1))
        values = self.value(hits, predicted, real)
        weights = real if self._average == "weighted" else ((predicted + real) > 0).astype(np.float64)
        averages: Array = (values * weights).sum(1) / weights.sum(1)
        return averages

    def value(self, hits: Array, predicted: Array, real: Array) -> Array:
        raise NotImplementedError


class LabelPrecision(_AveragedMetric):
    """Of what was predicted, the share that is right."""

    name = "precision"

    def value(self, hits: Array, predicted: Array, real: Array) -> Array:
        return _divide_or_zero(hits, predicted)


class LabelRecall(_AveragedMetric):
    """Of what is there, the share that was found."""

    name = "recall"

    def value(self, hits: Array, predicted: Array, real: Array) -> Array:
        return _divide_or_zero(hits, real)


class LabelF1(_AveragedMetric):
    """Harmonic mean of precision and recall."""

    name = "f1"

    def value(self, hits: Array, predicted: Array, real: Array) -> Array:
        return _divide_or_zero(2 * hits, predicted + real)


class CalibrationError(_LabelMetric):
    """Expected calibration error (Guo et al. 2017, equation 3): mean distance of confidence from accuracy, by bins.

    A prediction is {"label": text, "confidence": 0 to 1}; one without a confidence is unscored.
    """

    def __init__(self, bins: int = 15) -> None:
        self._bins = bins
        self.signature = f"ece|bins:{bins}|width:equal|norm:l1"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        if not isinstance(prediction, dict):
            raise InputError('the prediction is not an object; expected {"label": …, "confidence": …}')
        super().screen(prediction.get("label"), references)
        confidence = prediction.get("confidence")
        if confidence is None:
            return "no confidence"
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
            raise InputError(f"confidence {confidence!r}, expected 0 to 1")
        return ""

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        counts = np.zeros((len(predictions), 2, self._bins))  # (items, confidence - right / items, bins)
        for row, (predicted, right) in enumerate(zip(predictions, references, strict=True)):
            confidence = float(predicted["confidence"])
            place = max(0, int(np.ceil(confidence * self._bins)) - 1)  # (low, high], as Guo et al.
            counts[row, 0, place] = confidence - (_normalise_label(predicted["label"]) == _normalise_label(right[0]))
            counts[row, 1, place] = 1
        return counts.reshape(len(predictions), -1)

    def combine(self, sums: Array) -> Array:
        both = sums.reshape(len(sums), 2, -1)
        errors: Array = np.abs(both[:, 0]).sum(1) / both[:, 1].sum(1)
        return errors


def _normalise_label(text: str) -> str:
    return text.strip().casefold()


def _divide_or_zero(part: Array, whole: Array) -> Array:
    quotients: Array = np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
    return quotients
