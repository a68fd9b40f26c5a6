"""Who was erased is found again in texts, though only pseudonyms are kept of them."""

from __future__ import annotations

import pytest

from steward.gateway.middleware.identify import pseudonym
from steward.workflows.rights.pseudonym_finder import PseudonymFinder

KEY = b"k" * 32
ANNA = pseudonym(KEY, "p", "Anna Maria B.4")
PEOPLE = PseudonymFinder(frozenset({str(ANNA)}), frozenset({"req_1"}), {"p": KEY, "q": KEY})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("told Anna Maria B.4, who left", True), ("Anna Maria", False), ("anna maria b.4", True),
        ("ANNA MARIA B.4", True), ("aNNA Maria B.4", True), ("anna maria b.5", False),
        ('{"id": "req_1"}', True), ("req_10", False), (f"subject:{ANNA}", True), (str(ANNA), True), ("", False),
    ],
)  # fmt: skip
def test_names_pseudonyms_and_requests_are_found(text: str, found: bool) -> None:
    assert PEOPLE.search(text) is found


@pytest.mark.parametrize(("words", "found"), [(5, True), (8, True), (9, False)])
def test_long_names_are_found_among_other_words(words: int, found: bool) -> None:
    name = " ".join(f"Ana{number}" for number in range(words))
    finder = PseudonymFinder(frozenset({str(pseudonym(KEY, "p", name))}), frozenset(), {"p": KEY})
    assert finder.search(f"we told {name} today") is found


@pytest.mark.parametrize(
    ("carried", "written", "found"),
    [
        ("ab-7", "AB-7", True),
        ("AB-7", "ab-7", True),
        ("Ann Mcgill", "ann MCGILL", True),
        ("Ann McGill", "ann mcgill", False),
    ],
)
def test_names_are_found_in_other_capitals(carried: str, written: str, found: bool) -> None:
    finder = PseudonymFinder(frozenset({str(pseudonym(KEY, "p", carried))}), frozenset(), {"p": KEY})
    assert finder.search(f"told {written}") is found
