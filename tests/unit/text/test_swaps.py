"""Swaps change whom a text is about and nothing else, or refuse."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.text.swaps import kinds, swapped


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He lost his keys.", "She lost her keys."),
        ("The keys are his.", "The keys are hers."),
        ("I saw her and her own sister.", "I saw him and his own brother."),
        ("HIS mother told Mr Lee.", "HER father told Ms Lee."),
        ("James’s wife is 30.", "Emily’s husband is 30."),
        ("Keisha is a policewoman.", "Jamal is a policeman."),
        ("The weather is fine.", "The weather is fine."),
    ],
)
def test_gender(text: str, other: str) -> None:
    assert swapped(text, "gender") == other and swapped(other, "gender") == text


def test_what_cannot_be_swapped_back_is_refused() -> None:
    assert swapped("It is hers to give.", "gender") == "It is his to give."
    assert swapped("She said: his.", "gender") == "He said: hers."
    assert swapped("Give hers back", "gender") is None  # "his back" would be read as whose back


def test_names_keep_their_line_and_their_gender() -> None:
    assert swapped("Keisha and James met mary.", "origin:hispanic") == "Maria and Jose met mary."
    assert swapped("Maria met Emily.", "origin:hispanic") == "Maria met Maria."
    assert swapped("Maria met Bob.", "origin:arabic") == "Fatima met Bob."


def test_dialects_are_word_lists() -> None:
    assert swapped("It is not here. You all know.", "dialect:african american english") == "It ain't here. Y'all know."
    assert swapped("My favorite color", "dialect:british") == "My favourite colour"
    assert set(kinds()) >= {"gender", "origin:chinese", "dialect:informal"}
    with pytest.raises(UnknownName, match="did you mean 'gender'"):
        swapped("x", "gendr")
