"""Ranked lists, by hand and against published examples."""

from __future__ import annotations

import math

import pytest

from steward.core.errors import UnknownName
from steward.evaluation.metrics import make_metric


def value(name: str, ranked: list[str], right: list[object], **options: str) -> float:
    metric = make_metric(name, options)
    return float(metric.table([ranked], [right])[0][0])


def test_average_precision_of_mannings_example() -> None:
    """Relevant at 1, 3 and 5 of 5: (1 + 2/3 + 3/5) / 3, as trec_eval has it; a fourth that is missing counts as 0."""
    ranked = ["a", "x", "b", "y", "c"]
    assert value("map", ranked, ["a", "b", "c"]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert value("map", ranked, ["a", "b", "c", "d"]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)
    assert value("map@2", ranked, ["a", "b", "c"]) == pytest.approx(1 / 2)
    assert value("map", ["x"], ["a"]) == 0


def test_recall_and_precision_at_a_depth() -> None:
    ranked = ["a", "x", "b", "y"]
    assert value("recall@3", ranked, ["a", "b", "c"]) == pytest.approx(2 / 3)
    assert value("precision@3", ranked, ["a", "b", "c"]) == pytest.approx(2 / 3)
    assert value("precision@10", ranked, ["a", "b"]) == pytest.approx(0.2)  # empty places are no hits
    assert value("recall_at", ranked, ["a"]) == 1
    assert make_metric("recall@3").signature == "recall_at@3" and "average" in make_metric("recall").signature


def test_ndcg_with_exponential_gains() -> None:
    """Gains 3, 2 in the wrong order: (3 + 7/log2(3)) / (7 + 3/log2(3)), Burges et al. 2005; linear ones beside."""
    right: list[object] = [{"id": "a", "gain": 3}, {"id": "b", "gain": 2}]
    log = math.log2(3)
    assert value("ndcg@10", ["b", "a"], right, gain="exponential") == pytest.approx((3 + 7 / log) / (7 + 3 / log))
    assert value("ndcg@10", ["b", "a"], right) == pytest.approx((2 + 3 / log) / (3 + 2 / log))
    with pytest.raises(UnknownName):
        make_metric("ndcg", {"gain": "cubic"})
