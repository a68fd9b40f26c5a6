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
