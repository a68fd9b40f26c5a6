"""Several labels an item, against scikit-learn's definitions by hand."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics import make_metric
from steward.evaluation.metrics.multilabel import read_labels

# hits, predicted, real of a: 1, 2, 1; of b: 1, 1, 2; of c: 0, 1, 0
GIVEN = [["a", "b"], ["a"], ["c"]]
RIGHT = [["a", "b"], ["b"], []]


def value(name: str, **options: str) -> float:
    metric = make_metric(name, options)
    table = metric.table(GIVEN, RIGHT)
    return float(metric.combine(table.sum(0, keepdims=True))[0])


@pytest.mark.parametrize(
    ("average", "f1"),
    [
        ("micro", 2 * 2 / (4 + 3)),
        ("macro", (2 / 3 + 2 / 3 + 0) / 3),
        ("weighted", (1 * 2 / 3 + 2 * 2 / 3 + 0) / 3),
        ("samples", (1 + 0 + 0) / 3),  # nothing against nothing is 0 too, as zero_division says
    ],
)
def test_multilabel_f1_is_scikit_learns(average: str, f1: float) -> None:
    assert value("multilabel_f1", average=average) == pytest.approx(f1)


def test_a_class_that_a_resample_lacks_is_not_averaged_over() -> None:
    """Of the first item alone there are two classes, both right; `c` is in none of its labels."""
    metric = make_metric("multilabel_f1", {"average": "macro"})
    assert float(metric.combine(metric.table(GIVEN, RIGHT)[:1])[0]) == 1.0


def test_multilabel_exact_is_the_accuracy_of_sets() -> None:
    assert value("multilabel_exact") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Spam, Urgent", {"spam", "urgent"}), ("1. spam\n2. urgent", {"spam", "urgent"}), ("* a\n* b.", {"a", "b"}),
        ('["a", "b"]', {"a", "b"}), ("none", set()), ("", set()), ("[]", set()), ("a | b; c", {"a", "b", "c"}),
        ("[a](x), b", {"[a](x)", "b"}),
    ],
)  # fmt: skip
def test_labels_are_read_from_lists_and_json(text: str, labels: set[str]) -> None:
    assert read_labels(text) == labels


def test_what_is_no_list_of_labels_is_refused() -> None:
    with pytest.raises(InputError, match="expected a list of labels"):
        make_metric("multilabel_f1").screen([1], ["a"])
    with pytest.raises(UnknownName):
        make_metric("multilabel_f1", {"average": "binary"})
