"""Organisations by their legal form and by what is said of them."""

from __future__ import annotations

import pytest

from steward.privacy.organisations import find_organisations
from steward.privacy.scan import split_words


def found(text: str) -> list[tuple[str, float]]:
    return [(text[start:end], score) for start, end, score in find_organisations(text, split_words(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sold by Quill & Sons Ltd today", ["Quill & Sons Ltd"]),
        ("The Quill Inc office", ["Quill Inc"]),
        ("of Zora Inc., Quill Corp. and Kuonila Foods PLC", ["Zora Inc.", "Quill Corp.", "Kuonila Foods PLC"]),
        ("Zora Mining Co.Ltd. and Quill Group plc", ["Zora Mining Co.Ltd.", "Quill Group plc"]),
        ("Zora Holdings Quill Fund", ["Zora Holdings", "Zora Holdings Quill Fund"]),  # the longest is kept in the end
        ("iZora Global ETF", ["iZora Global ETF"]),
        ("Zora S.p.A. di Roma", ["Zora S.p.A."]),
        ("The Company", []),
        ("zora gmbh", []),
        ("Quill Plc", ["Quill Plc"]),
        ("Quill Incx", []),
    ],
)
def test_by_form(text: str, expected: list[str]) -> None:
    assert found(text) == [(name, 0.75) for name in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("she works for Zorawerk now", ["Zorawerk"]),
        ("he is the CEO of Zora Quill and friends", ["Zora Quill"]),
        ("a company called The Zora", ["Zora"]),
        ("Zora Quill is a small design agency", ["Zora Quill"]),
        ("The Zora office is near", ["Zora"]),
        ("Zora's headquarters are near", ["Zora"]),
        ("works for The", []),
        ("it is a small design agency", []),
        ("The office is near", []),
        ("she works for money", []),
    ],
)
def test_by_what_is_said(text: str, expected: list[str]) -> None:
    assert found(text) == [(name, 0.55) for name in expected]


def test_a_name_begins_at_most_200_characters_before_its_form() -> None:
    assert found("Z" + "o" * 29 + " Quill Ltd") == [("Z" + "o" * 29 + " Quill Ltd", 0.75)]
    assert found(" ".join(["Zo"] * 90) + " Ltd") == [(" ".join(["Zo"] * 6) + " Ltd", 0.75)]
