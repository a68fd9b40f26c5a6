"""Quotations, numbers, disclosures and tools."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.guardrails.sources import DisclosureCheck, GroundingCheck, NumbersCheck, ToolsCheck, read_numbers

SOURCE = ["The annual  fee is 1,250.50 EUR and rises by 3 % in 2026."]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('It says "the annual fee is 1,250.50 eur".', ""),
        ("> The annual fee is 1,250.50 EUR\nso it is", ""),
        ("It costs money.", "no quotation of a source"),
        ('It says "the annual fee is nothing at all".', "a quotation that no source has"),
        ('A "short" one.', "no quotation of a source"),
    ],
)
def test_an_answer_must_quote_a_source(answer: str, reason: str) -> None:
    assert GroundingCheck().judge_answer(SOURCE, [answer]) == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("It is 1250.5 EUR from 2026 on.", ""),
        ("It is 1.250,50 EUR.", ""),
        ("It is 1300 EUR.", "1 numbers that no source has"),
        ("It is 1300 or 1400 EUR.", "2 numbers that no source has"),
        ("There are 4 reasons.", ""),  # below ten
        ("12. is an item\n13. too", ""),
        ("It rises by 10 %.", "1 numbers that no source has"),
    ],
)
def test_numbers_must_stand_in_a_source(answer: str, reason: str) -> None:
    assert NumbersCheck().judge_answer(SOURCE, [answer]) == reason


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1,234,567", [1234567.0]), ("1.234.567", [1234567.0]), ("3,5", [3.5]), ("3,500", [3500.0]), ("-7", [-7.0]),
     ("v1.2.3a", []), ("1'000.5", [1000.5]), ("none", [])],
)  # fmt: skip
def test_numbers_are_read_with_either_mark(text: str, numbers: list[float]) -> None:
    assert read_numbers(text) == numbers


def test_a_disclosure_is_said_once() -> None:
    check = DisclosureCheck("Written by AI.")
    assert check.finish("hello") == "\n\nWritten by AI." and check.finish("hello\n\nWritten by AI.\n") == ""


def test_tools() -> None:
    check = ToolsCheck(["search"])
    assert check.judge_tool("search") == "" and check.judge_tool("pay") == "a tool that is not allowed is called"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1.234,5", [1234.5]), ("1,234.5", [1234.5]), ("12,34", [12.34]), ("0.5", [0.5]), ("1234.567", [1234.567]),
     ("7,", [7.0]), ("1,000,5", [10005.0]), ("50 %", [50.0])],
)  # fmt: skip
def test_the_last_mark_is_the_decimal_one_where_both_are_there(text: str, numbers: list[float]) -> None:
    assert read_numbers(text) == numbers


SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "sum": {"type": "number", "maximum": 100}},
    "required": ["to"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ({"to": "Zora", "sum": 100}, True),
        ({"to": "Zora"}, True),
        ({"to": "Zora", "sum": 100.5}, False),
        ({"sum": 1}, False),
        ({"to": 7}, False),
        ({"to": "Zora", "from": "x"}, False),
        (["Zora"], False),
    ],
)
def test_arguments_fit_what_the_request_declares(arguments: Any, fits: bool) -> None:
    """JSON Schema 2020-12, validation: type, properties, required, maximum, additionalProperties."""
    reason = ToolsCheck((), by_schema=True).judge_call("pay", arguments, {"pay": SCHEMA})
    assert reason == ("" if fits else "a tool is called with arguments that its schema does not allow")


def test_a_call_needs_a_declared_tool_and_json() -> None:
    check = ToolsCheck((), by_schema=True)
    assert check.judge_call("pay", {}, {}) == "a tool is called that the request does not declare with a schema"
    assert check.judge_call("pay", None, {"pay": {}}) == "a tool is called with arguments that are no JSON"
    assert check.judge_tool("pay") == ""
    assert ToolsCheck(("search",), by_schema=True).judge_tool("pay") == "a tool that is not allowed is called"
    assert ToolsCheck(()).judge_tool("pay") == "a tool that is not allowed is called"


@pytest.mark.parametrize("schema", [{"type": "nothing"}, {"$ref": "https://example.com/schema"}, {"$ref": "#/$defs/x"}])
def test_a_schema_that_is_none_is_a_failure_and_nothing_is_fetched(schema: Any) -> None:
    with pytest.raises(InputError, match="no JSON Schema"):
        ToolsCheck((), by_schema=True).judge_call("pay", {}, {"pay": schema})


def test_patterns_are_left_out_and_a_property_of_that_name_is_not() -> None:
    slow = {
        "properties": {"a": {"pattern": "(a+)+$"}, "pattern": {"type": "string"}},
        "patternProperties": {"(a+)+$": {}},
    }
    check = ToolsCheck((), by_schema=True)
    assert check.judge_call("f", {"a": "a" * 64 + "!"}, {"f": slow}) == ""
    assert check.judge_call("f", {"pattern": 7}, {"f": slow}) != ""
