"""Calls of tools against expected ones."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics import make_metric
from steward.evaluation.metrics.tool_calls import count_in_order, count_pairs, matches

PARIS = {"name": "weather", "arguments": {"city": "Paris", "days": 2}}
BERN = {"name": "weather", "arguments": {"city": "Bern"}}
MAIL = {"name": "mail", "arguments": {}}


def value(calls: list[Any], right: list[Any], **options: Any) -> float:
    metric = make_metric("tool_calls", options)
    assert metric.screen(calls, right) == ""
    return float(metric.table([calls], [right])[0][0])


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        (PARIS, True), ({"name": "weather"}, True), ({"name": "mail"}, False),
        ({"name": "weather", "arguments": {"city": " Paris ", "days": 2.0}}, True),
        ({"name": "weather", "arguments": {"city": "Paris", "days": 2, "unit": None}}, True),
        ({"name": "weather", "arguments": {"city": "Paris"}}, False),
        ({"name": "weather", "arguments": {"city": "Paris", "days": "2"}}, False),
        ({"name": "weather", "arguments": {"city": "Paris", "days": True}}, False),
        ({"name": "weather", "schema": {"required": ["city"], "properties": {"days": {"minimum": 1}}}}, True),
        ({"name": "weather", "schema": {"properties": {"days": {"minimum": 3}}}}, False),
    ],
)  # fmt: skip
def test_tool_calls_match_by_name_arguments_or_schema(expected: dict[str, Any], holds: bool) -> None:
    assert matches(PARIS, expected) == holds


def test_tool_calls_in_any_order_or_in_this_one() -> None:
    assert value([BERN, PARIS], [PARIS, BERN]) == 1 and value([BERN, PARIS], [PARIS, BERN], order="strict") == 0
    assert value([PARIS, BERN], [PARIS, BERN], order="strict") == 1
    assert value([PARIS], [PARIS, BERN]) == 0 and value([PARIS, PARIS], [PARIS]) == 0
    assert value([], []) == 1 and value([MAIL], []) == 0  # no tool was to be called


def test_tool_calls_partly_right_are_an_f1() -> None:
    assert value([PARIS, MAIL], [PARIS, BERN], partial=True) == pytest.approx(2 * 1 / 4)
    assert value([], [], partial=True) == 1 and value([BERN, PARIS], [PARIS, BERN], order="strict", partial=True) == 0.5


def test_a_general_expectation_leaves_its_call_to_one_that_needs_it() -> None:
    """Any weather could be Paris, but only Paris will do for the other: 2 pairs, as an augmenting path finds."""
    assert count_pairs([PARIS, BERN], [{"name": "weather"}, PARIS]) == 2
    assert count_in_order([PARIS, MAIL, BERN], [PARIS, BERN]) == 2


@pytest.mark.parametrize(
    ("reference", "said"),
    [("weather", "expected"), ({"arguments": {}}, "expected"), ({**PARIS, "schema": {}}, "or neither"),
     ({"name": "f", "schema": {"type": "text"}}, "not a JSON Schema")],
)  # fmt: skip
def test_expectations_of_another_kind_are_refused_before_anything_is_asked(reference: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_metric("tool_calls").screen("", [reference])
    with pytest.raises(InputError, match="list of calls"):
        make_metric("tool_calls").screen("weather()", [PARIS])
    with pytest.raises(UnknownName):
        make_metric("tool_calls", {"order": "random"})


def test_arguments_that_are_no_json_match_nothing() -> None:
    assert value([{"name": "weather", "arguments": "{city"}], [PARIS]) == 0


@pytest.mark.parametrize(
    ("given", "right", "equal"),
    [(True, False, False), (True, True, True), (True, 1, False), (0, False, False), (1, 1.0, True), ("1", 1, False),
     (" a ", "a", True), (None, None, True), ([1, 2], [1, 2.0], True), ([1], [1, 2], False), ([], None, False),
     ({"a": None}, {}, True), ({"a": [True]}, {"a": [1]}, False)],
)  # fmt: skip
def test_arguments_are_equal_as_json_values_are(given: Any, right: Any, equal: bool) -> None:
    assert matches({"name": "f", "arguments": {"x": given}}, {"name": "f", "arguments": {"x": right}}) == equal
