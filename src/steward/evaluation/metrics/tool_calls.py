"""Whether a model called the right tools. A prediction is the list of its calls, {"name", "arguments"}, in order.

A reference is an expected call: `name`, and `arguments` that must be equal, or `schema`, a JSON Schema that they must
satisfy, or neither, where any will do. No references: no tool is to be called. Numbers are equal by value, texts
without blanks at their ends; an argument that is expected as null may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steward.core.errors import InputError, UnknownName
from steward.evaluation.metrics.answers import make_validator
from steward.evaluation.statistics import Array, ratio


class ToolCalls:
    """The share of items whose calls are the expected ones, each once: in this order (`order: strict`) or in any. With
    `partial`, the mean F1 of calls instead: 2 hits / (expected + made)."""

    def __init__(self, order: str = "any", partial: bool = False) -> None:
        if order not in ("any", "strict"):
            raise UnknownName("order", order, ("any", "strict"))
        self._strict, self._partial = order == "strict", partial
        self.proportion = not partial
        self.signature = f"tool_calls|order:{order}|{'f1' if partial else 'all'}"

    def screen(self, prediction: Any, references: Sequence[Any]) -> str:
        """Before a run, an empty text stands for an answer without calls."""
        if prediction != "" and not (isinstance(prediction, list) and all(map(_is_call, prediction))):
            raise InputError('the prediction is not a list of calls; expected [{"name": …, "arguments": {…}}]')
        for reference in references:
            if not _is_call(reference) or ("arguments" in reference and "schema" in reference):
                raise InputError(
                    f'reference {reference!r}, expected {{"name": …}} with "arguments" or "schema" or neither'
                )
            if "schema" in reference:
                make_validator(reference["schema"])
        return ""

    def table(self, predictions: Sequence[Any], references: Sequence[Sequence[Any]]) -> Array:
        values = [self._value(calls or [], right) for calls, right in zip(predictions, references, strict=True)]
        return np.column_stack([np.array(values, dtype=np.float64), np.ones(len(values))])

    def combine(self, sums: Array) -> Array:
        return ratio(sums)

    def _value(self, calls: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> float:
        hits = count_in_order(calls, right) if self._strict else count_pairs(calls, right)
        if not self._partial:
            return float(hits == len(calls) == len(right))
        return 2 * hits / (len(calls) + len(right)) if calls or right else 1.0


def _is_call(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("name"), str)


def matches(call: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """
    >>> matches({"name": "f", "arguments": {"n": 2}}, {"name": "f", "arguments": {"n": 2.0, "unit": None}})
    True
    """
    if call["name"] != expected["name"]:
        return False
    arguments = call.get("arguments", {})
    if "schema" in expected:
        return bool(make_validator(expected["schema"]).is_valid(arguments))
    return "arguments" not in expected or _is_equal(arguments, expected["arguments"])


def _is_equal(given: Any, right: Any) -> bool:
    if isinstance(given, Mapping) and isinstance(right, Mapping):
        return all(_is_equal(given.get(name), right.get(name)) for name in {*given, *right})
    if isinstance(given, list) and isinstance(right, list):
        return len(given) == len(right) and all(map(_is_equal, given, right))
    if isinstance(given, str) and isinstance(right, str):
        return given.strip() == right.strip()
    if _is_number(given) and _is_number(right):
        return bool(given == right)
    return type(given) is type(right) and bool(given == right)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def count_pairs(calls: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> int:
    """The most calls that can be paired with expected ones, one to one (augmenting paths, Kuhn 1955)."""
    partner: dict[int, int] = {}

    def pair(place: int, tried: set[int]) -> bool:
        for at, call in enumerate(calls):
            if at not in tried and matches(call, right[place]):
                tried.add(at)
                if at not in partner or pair(partner[at], tried):
                    partner[at] = place
                    return True
        return False

    return sum(pair(place, set()) for place in range(len(right)))


def count_in_order(calls: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]]) -> int:
    """The longest common subsequence."""
    row = [0] * (len(right) + 1)
    for call in calls:
        before = 0
        for place, expected in enumerate(right, 1):
            above = row[place]
            row[place] = before + 1 if matches(call, expected) else max(row[place], row[place - 1])
            before = above
    return row[-1]
