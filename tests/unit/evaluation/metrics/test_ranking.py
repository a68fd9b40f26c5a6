"""Ranked lists, by hand and against published examples."""

from __future__ import annotations

import math

import pytest

from steward.core.errors import InputError, UnknownName
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


def test_reciprocal_rank_ends_at_its_depth_and_needs_a_gain() -> None:
    """One over the place of the first relevant id (Voorhees 1999); an id of gain 0 is not relevant."""
    ranked = ["x", "a", "b"]
    assert value("mrr", ranked, ["b"]) == pytest.approx(1 / 3) and value("mrr@2", ranked, ["b"]) == 0
    assert value("mrr@3", ranked, ["b"]) == pytest.approx(1 / 3) and value("mrr", ranked, ["a", "b"]) == 0.5
    assert value("mrr", ranked, [{"id": "x", "gain": 0}, "b"]) == pytest.approx(1 / 3)


def test_ids_without_gain_count_for_nothing() -> None:
    right: list[object] = [{"id": "a", "gain": 2}, {"id": "x", "gain": 0}]
    for name, expected in (("map", 0.5), ("recall@2", 1.0), ("precision@2", 0.5), ("recall@1", 0.0)):
        assert value(name, ["x", "a"], right) == expected
    assert value("ndcg@2", ["x", "a"], right) == pytest.approx(1 / math.log2(3))


@pytest.mark.parametrize(
    "wrong", [5, {"gain": 1}, {"id": "a", "gain": -1}, {"id": "a", "gain": True}, {"id": "a", "gain": "1"}]
)
def test_a_reference_is_an_id_or_an_id_with_its_gain(wrong: object) -> None:
    with pytest.raises(InputError, match="expected an id or"):
        make_metric("ndcg").screen(["a"], [wrong])
    with pytest.raises(InputError, match="no reference has a gain above 0"):
        make_metric("ndcg").screen(["a"], [{"id": "a", "gain": 0}])
