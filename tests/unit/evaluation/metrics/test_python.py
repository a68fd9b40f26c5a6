"""What a user's function may return, and what it learns of an item."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.evaluation.metrics import is_graded, make_metric
from steward.evaluation.metrics.python import describe_item, grade_from_python
from steward.evaluation.suite import SuiteItem


@pytest.mark.parametrize(("given", "value"), [(1, 1.0), (0.0, 0.0), (True, 1.0), (False, 0.0), (0.3, 0.3)])
def test_numbers_and_truth_values_are_grades(given: object, value: float) -> None:
    assert grade_from_python(given).value == value


@pytest.mark.parametrize("given", [None, 1.5, -0.1, float("nan"), "yes", [1]])
def test_anything_else_leaves_the_item_unscored(given: object) -> None:
    assert grade_from_python(given).value is None and "returned" in grade_from_python(given).why


def test_a_function_needs_a_file() -> None:
    assert is_graded("python@brevity")
    metric = make_metric("python@brevity", {"function": "m.py:f", "version": "2"})
    assert metric.signature == "python|function:m.py:f|version:2"
    for options in ({}, {"function": "len"}):
        with pytest.raises(InputError, match=r"path/to/file.py:function"):
            make_metric("python", options)


def test_a_function_learns_of_the_item() -> None:
    item = SuiteItem("7", (), ("right",), {"kind": "x"}, "7", ("source",))
    assert describe_item(item, "Q?") == {
        "id": "7", "question": "Q?", "references": ["right"], "contexts": ["source"], "slices": {"kind": "x"}
    }  # fmt: skip
