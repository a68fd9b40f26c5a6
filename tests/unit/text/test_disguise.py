"""Letters and digits that only look like others, and characters that nobody sees (Unicode, NFKC)."""

from __future__ import annotations

import pytest

from steward.text.disguise import undisguise


@pytest.mark.parametrize("text", ["", "bob@example.com", "müller", "日本語", "é"])
def test_what_is_written_plainly_stays(text: str) -> None:
    assert undisguise(text) is None


@pytest.mark.parametrize(
    ("text", "plain", "origin"),
    [
        ("ｂｏｂ", "bob", [0, 1, 2]),
        ("b\u200bo\u00adb", "bob", [0, 2, 4]),
        ("\u0661\u06f2\u096b", "125", [0, 1, 2]),  # Arabic-Indic, extended and Devanagari digits
        ("x²³", "x23", [0, 1, 2]),
        ("𝐛𝟗", "b9", [0, 1]),
        ("⑩a", "10a", [0, 0, 1]),  # one sign becomes two digits
        ("é１", "é1", [0, 1]),
    ],
)
def test_each_letter_knows_where_it_stood(text: str, plain: str, origin: list[int]) -> None:
    assert undisguise(text) == (plain, origin)


@pytest.mark.parametrize("text", ["", "bob@example.com", "müller", "日本", "😀"])
def test_what_is_written_plainly_stays_too(text: str) -> None:
    assert undisguise(text) is None


@pytest.mark.parametrize(
    ("text", "plain", "origin"),
    [
        ("ｂ1", "b1", [0, 1]),
        ("a\u200bb", "ab", [0, 2]),
        ("⑫x", "12x", [0, 0, 1]),
        ("٤", "4", [0]),
        ("²\u00ad3", "23", [0, 2]),
    ],
)
def test_every_plain_letter_knows_where_it_stood(text: str, plain: str, origin: list[int]) -> None:
    assert undisguise(text) == (plain, origin)
