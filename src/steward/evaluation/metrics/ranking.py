"""Metrics of ranked lists: a prediction is a list of ids, best first; references are the relevant ones.

A reference is an id, or {"id": …, "gain": …} where some are more relevant than others (NDCG). An id twice in a
prediction is an error: it would be counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.evaluation.statistics import Array, ratio


class _RankingMetric:
    proportion = False
    signature = ""

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        if not isinstance(prediction, list) or not all(isinstance(item, str) for item in prediction):
            raise InputError("the prediction is not a list of ids; expected a list of texts, best first")
        twice = next((item for index, item in enumerate(prediction) if item in prediction[:index]), None)
        if twice is not None:
            raise InputError(f"{twice!r} appears twice in the prediction")
        if not references:
            raise InputError("references is empty, expected at least one relevant id")
        _parse_gains(references)
        return ""

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        raise NotImplementedError

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        pairs = zip(predictions, references, strict=True)
        values = [self.item(prediction, _parse_gains(row)) for prediction, row in pairs]
        return np.column_stack([np.array(values, dtype=np.float64), np.ones(len(values))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)


class Hit(_RankingMetric):
    """The share of items with a relevant id among the first k."""

    proportion = True

    def __init__(self, k: int = 10) -> None:
        self._k = k
        self.signature = f"hit@{k}"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        return float(any(gains.get(item, 0) > 0 for item in ranked[: self._k]))


class Ndcg(_RankingMetric):
    """Normalised discounted cumulative gain: gains as they are (Järvelin and Kekäläinen 2002; scikit-learn's), or 2 to
    their power less one with `gain: exponential` (Burges et al. 2005)."""

    def __init__(self, k: int = 10, gain: str = "linear") -> None:
        if gain not in ("linear", "exponential"):
            raise UnknownName("gain", gain, ("linear", "exponential"))
        self._k, self._exponential = k, gain == "exponential"
        self.signature = f"ndcg@{k}|gain:{gain}|discount:log2"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        if self._exponential:
            gains = {name: 2.0**gain - 1 for name, gain in gains.items()}
        best = _discount_gains(sorted(gains.values(), reverse=True)[: self._k])
        return _discount_gains([gains.get(item, 0.0) for item in ranked[: self._k]]) / best


class ReciprocalRank(_RankingMetric):
    """One over the place of the first relevant id, 0 where there is none."""

    def __init__(self, k: int = 1000) -> None:
        self._k = k
        self.signature = f"mrr@{k}"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        return next((1 / place for place, item in enumerate(ranked[: self._k], 1) if gains.get(item, 0) > 0), 0.0)


class MeanAveragePrecision(_RankingMetric):
    """The mean over relevant ids of the precision at their place, 0 for those not among the first k (trec_eval's map);
    divided by k where more are relevant than the ranking may hold."""

    def __init__(self, k: int = 1000) -> None:
        self._k = k
        self.signature = f"map@{k}|divisor:min(relevant,k)"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        hits, total = 0, 0.0
        for place, item in enumerate(ranked[: self._k], 1):
            if gains.get(item, 0) > 0:
                hits += 1
                total += hits / place
        return total / min(self._k, sum(gain > 0 for gain in gains.values()))


class RecallAt(_RankingMetric):
    """The share of the relevant ids that are among the first k; in a suite `recall@10`."""

    def __init__(self, k: int = 10) -> None:
        self._k = k
        self.signature = f"recall_at@{k}"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        hits = sum(gains.get(item, 0) > 0 for item in ranked[: self._k])
        return hits / sum(gain > 0 for gain in gains.values())


class PrecisionAt(_RankingMetric):
    """The share of the first k places that hold a relevant id; a shorter list has empty places. `precision@10`."""

    def __init__(self, k: int = 10) -> None:
        self._k = k
        self.signature = f"precision_at@{k}"

    def item(self, ranked: list[str], gains: dict[str, float]) -> float:
        return sum(gains.get(item, 0) > 0 for item in ranked[: self._k]) / self._k


def _discount_gains(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(place + 1) for place, gain in enumerate(gains, 1))


def _parse_gains(references: Sequence[Any]) -> dict[str, float]:
    """:raises InputError: a reference of another kind, or no gain above 0"""
    gains: dict[str, float] = {}
    for reference in references:
        entry = {"id": reference, "gain": 1.0} if isinstance(reference, str) else reference
        name, gain = (entry.get("id"), entry.get("gain", 1.0)) if isinstance(entry, dict) else (None, None)
        number = isinstance(gain, int | float) and not isinstance(gain, bool) and math.isfinite(gain) and gain >= 0
        if not isinstance(name, str) or not number:
            raise InputError(f'reference {reference!r}, expected an id or {{"id": …, "gain": 0 or more}}')
        gains[name] = float(gain or 0.0)
    if not any(gains.values()):
        raise InputError("no reference has a gain above 0")
    return gains
