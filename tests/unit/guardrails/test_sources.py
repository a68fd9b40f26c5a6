"""Quotations, numbers, disclosures and tools."""

from __future__ import annotations

import pytest

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
