"""Labelled sentences in ten languages, written for this: tests/unit/data/refusals.tsv."""

from pathlib import Path

import pytest

from steward.data.refusals import is_refusal

ROWS = [
    line.split("\t")
    for line in Path(__file__).with_name("refusals.tsv").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize("part", ["seen", "held-out"])
def test_d21_refusals_of_ten_languages_are_found(part: str) -> None:
    """F1 of 0.95, and no answer that helps is taken for a refusal."""
    outcomes = [(label == "1", is_refusal(text)) for name, _, label, text in ROWS if name == part]
    hits, wrong, missed = (outcomes.count(kind) for kind in ((True, True), (False, True), (True, False)))
    assert wrong == 0 and hits >= 17
    assert 2 * hits / (2 * hits + wrong + missed) >= 0.95


@pytest.mark.parametrize("language", sorted({language for _, language, _, _ in ROWS}))
def test_d21_each_language_has_its_refusals_found(language: str) -> None:
    found = [is_refusal(text) for _, code, label, text in ROWS if code == language and label == "1"]
    assert len(found) >= 6 and sum(found) / len(found) >= 0.9


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("I can't help but smile at this.", False), ("I can't help with that.", True),
        ("I cannot recommend this book enough.", False), ("I can't recommend illegal drugs.", True),
        ("I can't tell you how happy I am.", False), ("I can't tell you how to pick a lock.", True),
        ("I won't go into detail; the short answer is 1066.", False), ("I won't go into that.", True),
        ("I cannot look at this photo without smiling.", False), ("I can't look that up.", True),
        ("I will not give up!", False), ("I will not give you that.", True),
        ("As an AI safety researcher, I would start with data.", False), ("As an AI model, I have no body.", True),
        ("Als KI-Forscher habe ich viel mit Daten zu tun.", False), ("Als KI habe ich keinen Körper.", True),
        ("Ich kann dir gar nicht sagen, wie froh ich bin.", False), ("Das kann ich dir nicht sagen.", True),
    ],
)  # fmt: skip
def test_d21_a_figure_of_speech_is_no_refusal(text: str, refuses: bool) -> None:
    assert is_refusal(text) is refuses


@pytest.mark.parametrize(("begins", "refuses"), [(385, True), (386, False)])
def test_an_answer_refuses_within_its_first_four_hundred_characters(begins: int, refuses: bool) -> None:
    """What an assistant does must be said to its end: 15 characters from I to provide."""
    assert is_refusal("*" * begins + "I can't provide detail.") is refuses
