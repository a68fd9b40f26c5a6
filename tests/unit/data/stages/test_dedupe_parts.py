from typing import Any

import pytest

from corpus_stages import batch, cut, ran
from data_batches import chat
from steward.data.stages.dedupe_parts import DedupeParts, hash_part, split_parts

FOOT = "Sign up for our newsletter and never miss a story again."
ONE, TWO = "The first story is about a bridge over the river.", "The second story is about a tower by the sea."


def texts(stage: Any, *documents: str) -> list[str]:
    whole, _ = ran(stage, [batch(documents)])
    cut_up, _ = ran(stage, cut(batch(documents), 1))
    assert whole["text"] == cut_up["text"]
    return [str(text) for text in whole["text"].to_pylist()]


@pytest.mark.parametrize(("unit", "between"), [("paragraph", "\n\n"), ("line", "\n"), ("sentence", " ")])
def test_a_part_that_came_before_goes(unit: Any, between: str) -> None:
    found = texts(
        DedupeParts(unit=unit), between.join((ONE, FOOT)), between.join((TWO, FOOT.upper().replace(" ", "  ")))
    )
    assert found == [between.join((ONE, FOOT)), TWO]


def test_short_parts_stay_and_a_repetition_within_a_document_goes() -> None:
    assert texts(DedupeParts(min_characters=40), f"Yes.\n\n{ONE}\n\nYes.\n\n{ONE}", "Yes.") == [
        f"Yes.\n\n{ONE}\n\nYes.",
        "Yes.",
    ]
    assert texts(DedupeParts(min_characters=len(ONE)), ONE, f"{ONE}\n\nmore") == [ONE, "more"]
    assert texts(DedupeParts(min_characters=len(ONE) + 1), ONE, f"{ONE}\n\nmore") == [ONE, f"{ONE}\n\nmore"]


def test_the_ledger_says_how_many_parts_went_and_which_document_had_nothing_else() -> None:
    _, entries = ran(DedupeParts(), [batch([f"{ONE}\n\n{FOOT}", f"{ONE}\n\n{FOOT}", f"{TWO}\n\n{ONE}\n\n{FOOT}"])])
    assert [(entry.id, entry.action, entry.rule, entry.value) for entry in entries] == [
        ("r1", "drop", "all_repeated", 2.0), ("r2", "change", "repeated_parts", 2.0)
    ]  # fmt: skip


def test_chats_pass_unchanged() -> None:
    rows = chat(("user", ONE), ("assistant", ONE))
    out, entries = ran(DedupeParts(), [rows])
    assert out.to_pylist() == rows.to_pylist() and entries == []


@pytest.mark.parametrize(
    ("text", "unit", "parts"),
    [
        ("a\n\nb\n \nc", "paragraph", ["a\n\n", "b\n \n", "c"]),
        ("a\nb\n", "line", ["a\n", "b\n"]),
        ("Ab cd. Ef gh? Ij", "sentence", ["Ab cd. ", "Ef gh? ", "Ij"]),
        ("", "paragraph", []),
        ("one", "line", ["one"]),
        ("\n\na", "paragraph", ["\n\n", "a"]),
    ],
)
def test_parts_joined_are_the_text(text: str, unit: Any, parts: list[str]) -> None:
    assert split_parts(text, unit) == parts and "".join(parts) == text


def test_case_and_spacing_make_no_other_part() -> None:
    assert hash_part(" A  b\n") == hash_part("a B") != hash_part("ab")
