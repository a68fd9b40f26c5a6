"""Swaps change whom a text is about and nothing else, or refuse."""

from __future__ import annotations

import pytest

from steward.core.errors import UnknownName
from steward.text.swaps import swap_kinds, swap_text


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
    assert swap_text(text, "gender") == other and swap_text(other, "gender") == text


def test_what_cannot_be_swapped_back_is_refused() -> None:
    assert swap_text("It is hers to give.", "gender") == "It is his to give."
    assert swap_text("She said: his.", "gender") == "He said: hers."
    assert swap_text("Give hers back", "gender") is None  # "his back" would be read as whose back


def test_names_keep_their_line_and_their_gender() -> None:
    assert swap_text("Keisha and James met mary.", "origin:hispanic") == "Maria and Jose met mary."
    assert swap_text("Maria met Emily.", "origin:hispanic") == "Maria met Maria."
    assert swap_text("Maria met Bob.", "origin:arabic") == "Fatima met Bob."


def test_dialects_are_word_lists() -> None:
    assert (
        swap_text("It is not here. You all know.", "dialect:african american english") == "It ain't here. Y'all know."
    )
    assert swap_text("My favorite color", "dialect:british") == "My favourite colour"
    assert set(swap_kinds()) >= {"gender", "origin:chinese", "dialect:informal"}
    with pytest.raises(UnknownName, match="did you mean 'gender'"):
        swap_text("x", "gendr")
