"""Tokens of scripts with and without spaces; one kind of line end."""

from __future__ import annotations

from pathlib import Path

from steward.evaluation.perplexity import read_documents
from steward.evaluation.score import read_references
from steward.evaluation.text_tokens import compose, is_latin, tokenise_pair, unify_line_ends


def test_e07_scripts_without_spaces_are_cut_into_characters() -> None:
    assert tokenise_pair("我爱AI", "I am") == (["我", "爱", "a", "i"], ["i", "a", "m"])
    assert tokenise_pair("привет, мир", "мир") == (["привет", ",", "мир"], ["мир"])
    assert tokenise_pair("ก่อน", "ก")[0][0] == "ก่"


def test_e07_signs_belong_to_their_letter() -> None:
    """Hindi for day and gift, Thai gi and gu, a Hebrew word with points: Unicode Standard Annex 29, rule WB4."""
    assert tokenise_pair("दिन", "दान", marks=False) == (["दिन"], ["दान"])
    assert tokenise_pair("กี", "กู", marks=False) == (["กี"], ["กู"])
    assert tokenise_pair("שָׁלוֹם", "a")[0] == ["שָׁלוֹם"]
    for selector in "\U000e0100\U000e01ef":  # the first and the last form of an ideograph, Unicode 15, section 23.4
        assert tokenise_pair(f"葛{selector}", "a", marks=False)[0] == [f"葛{selector}"]


def test_e07_latin_letters_may_have_accents() -> None:
    assert is_latin("Straße café… 42 € ±1") and is_latin("") and not is_latin("привет") and not is_latin("天气2024")


def test_e07_composed_and_decomposed_are_one() -> None:
    assert compose("cafe\u0301") == "café" and tokenise_pair("cafe\u0301", "café") == (["café"], ["café"])


def test_e08_line_ends_are_one_thing(tmp_path: Path) -> None:
    assert unify_line_ends({"a": ["x\r\ny", 1], "b": "z\rw"}) == {"a": ["x\ny", 1], "b": "z\nw"}
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n\r\nthree\r\n")
    assert [document.text for document in read_documents(tmp_path / "a.txt")] == ["one\ntwo", "three"]
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "one\\r\\ntwo"}\r\n')
    assert read_documents(tmp_path / "b.jsonl")[0].text == "one\ntwo"
    (tmp_path / "r.jsonl").write_text('{"id": 1, "references": ["a\\r\\nb"]}\n')
    assert read_references(tmp_path / "r.jsonl") == {"1": ["a\nb"]}
