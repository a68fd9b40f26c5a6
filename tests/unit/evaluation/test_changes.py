"""What a change does to a suite: its fields, its options, and nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.changes import _reorder_options, rewrite_suite
from steward.evaluation.choices import extract_letter
from steward.evaluation.suite import QuestionChange, load_suite

SUITE = """name: s
data: d.jsonl
id: id
messages: [{role: system, content: "You know {a}."}, {role: user, content: "{a} and {b}?"}]
metrics: [exact_match]
slices: [a]
"""


def write(folder: Path, rows: list[dict[str, Any]], text: str = SUITE) -> Path:
    (folder / "d.jsonl").write_text("\n".join(json.dumps({"references": ["x"], **row}) for row in rows))
    (folder / "s.yaml").write_text(text)
    return folder / "s.yaml"


def asked(path: Path, change: QuestionChange) -> dict[str, list[str]]:
    return {item.id: [message.content for message in item.messages] for item in rewrite_suite(path, change).items}


ROWS = [{"id": 1, "a": "big dogs", "b": "cats"}, {"id": 2, "a": "birds", "b": "fish", "paraphrases": ["fowl"]}]


@pytest.mark.parametrize(
    ("change", "user"),
    [
        (QuestionChange(append="!"), ["big dogs and cats!?", "birds and fish!?"]),
        (QuestionChange(prepend="my "), ["my big dogs and cats?", "my birds and fish?"]),
        (QuestionChange(append="!", fields=("a",)), ["big dogs! and cats?", "birds! and fish?"]),
        (QuestionChange(replace={"cats": "cows"}), ["big dogs and cows?"]),
        (QuestionChange(use="synonyms"), ["large dogs and cats?"]),
        (QuestionChange(use="paraphrase"), ["fowl and fish?"]),
    ],
)
def test_a_change_touches_fields_and_leaves_out_what_stays(
    tmp_path: Path, change: QuestionChange, user: list[str]
) -> None:
    assert [messages[-1] for messages in asked(write(tmp_path, ROWS), change).values()] == user


def test_ids_slices_and_references_stay(tmp_path: Path) -> None:
    """So that an item can be paired with itself, although the field of its slice is asked in other words."""
    path = write(tmp_path, ROWS)
    before, after = load_suite(path).items[0], rewrite_suite(path, QuestionChange(use="synonyms")).items[0]
    assert (before.id, before.slices, before.references) == (after.id, after.slices, after.references)
    assert before.messages[0] == after.messages[0]  # what the system says is not the user's to change


CHOICES = 'name: c\ndata: d.jsonl\nid: id\nprompt: "{q}\\n{options}"\nchoices: options\nmetrics: [choice]\n'


@pytest.mark.parametrize("right", ["Oslo", "B", ["Oslo"]])
def test_the_right_letter_moves_with_its_option(tmp_path: Path, right: Any) -> None:
    rows = [
        {"id": n, "q": f"Where? {n}", "options": ["Rome", "Oslo", "B-town"], "references": right} for n in range(20)
    ]
    path = write(tmp_path, rows, CHOICES)
    assert load_suite(path).items[0].messages[0].content == "Where? 0\nA. Rome\nB. Oslo\nC. B-town"
    for item in rewrite_suite(path, QuestionChange(use="options-order")).items:
        (letter,) = item.references
        assert f"{letter}. Oslo" in item.messages[0].content and "B. Oslo\nC. B-town" not in item.messages[0].content


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"options": ["a", "b"], "references": ["c"]}, "neither an option nor the letter"),
        ({"options": ["a", "b"], "references": ["C"]}, "neither an option nor the letter"),
        ({"options": "a, b", "references": ["A"]}, "expected a list of 2 to 26"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"item '7'.*{said}"):
        load_suite(write(tmp_path, [{"id": 7, "q": "?", **row}], CHOICES))


def test_paraphrases_that_are_no_texts_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item '3': paraphrases is not a list of texts"):
        rewrite_suite(
            write(tmp_path, [{"id": 3, "a": "x", "b": "y", "paraphrases": "z"}]), QuestionChange(use="paraphrase")
        )


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        (" (C) ", "C"),
        ("B. Oslo", "B"),
        ("Let me think.\nB", "B"),
        ("The answer is B, not A.", "B"),
        ("I would take (D).", "D"),
        ("A. Rome\nB. Oslo", ""),
        ("The answer is a town.", ""),
        ("Oslo", ""),
        ("", ""),
    ],
)
def test_a_letter_is_chosen_or_not(answer: str, letter: str) -> None:
    assert extract_letter(answer) == letter


@pytest.mark.parametrize("wordings", ["z", [1], [" "], ["", "a"]])
def test_every_paraphrase_is_a_text(tmp_path: Path, wordings: object) -> None:
    path = write(tmp_path, [{"id": 3, "a": "x", "b": "y", "paraphrases": wordings}])
    with pytest.raises(InputError, match="paraphrases is not a list of texts"):
        rewrite_suite(path, QuestionChange(use="paraphrase"))


def test_a_change_does_one_thing(tmp_path: Path) -> None:
    path = write(tmp_path, ROWS)
    with pytest.raises(InputError, match="a change has no action"):
        rewrite_suite(path, QuestionChange())
    with pytest.raises(InputError, match=r"a change has \['append', 'prepend'\]"):
        rewrite_suite(path, QuestionChange(append="a", prepend="b"))


def test_one_option_has_no_other_order(tmp_path: Path) -> None:
    text = 'name: s\ndata: d.jsonl\nprompt: "{o}"\nchoices: o\nmetrics: [choice]\n'
    path = write(tmp_path, [{"o": ["x", "y"]}, {"o": ["y", "x"], "references": ["y"]}], text)
    changed = rewrite_suite(path, QuestionChange(use="options-order"))
    assert [item.references for item in changed.items] == [("B",), ("B",)]
    assert [item.messages[0].content for item in changed.items] == ["A. y\nB. x", "A. x\nB. y"]


@pytest.mark.parametrize("options", [["Oslo", "Oslo"], ["Oslo"]])
def test_options_that_are_all_the_same_have_no_other_order(tmp_path: Path, options: list[str]) -> None:
    spec = load_suite(write(tmp_path, [{"id": 7, "q": "?", "options": ["a", "b"], "references": ["A"]}], CHOICES)).spec
    assert _reorder_options({"options": options, "references": ["Oslo"]}, spec, random.Random(1)) is None
    assert _reorder_options({"options": "Oslo", "references": ["Oslo"]}, spec, random.Random(1)) is None


def test_only_the_first_item_is_read_to_check_a_change(tmp_path: Path) -> None:
    """So that a broken item further on is named with the others, not in place of the change."""
    path = write(tmp_path, [{"id": 1, "a": "x", "b": "y"}, {"id": 2, "a": "x"}])
    with pytest.raises(UnknownName, match="prompt field"):
        rewrite_suite(path, QuestionChange(append="!", fields=("c",)))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("use", ["typos", "synonyms", "filler", "paraphrase"])
def test_e11_a_change_is_of_the_item_wherever_its_row_stands(tmp_path: Path, named: bool, use: str) -> None:
    rows: list[dict[str, Any]] = [
        {"a": f"many big dogs number {n}", "b": "quick and large cats", "paraphrases": ["one", "two", "three", "four"]}
        for n in (1, 2, 3, 3, 4, 5, 6)
    ]
    if named:
        rows = [{"id": number, **row} for number, row in enumerate(rows)]
    text = SUITE if named else SUITE.replace("id: id\n", "")
    texts = []
    for name, order in (("one", rows), ("other", rows[::-1])):
        (tmp_path / name).mkdir()
        found = asked(write(tmp_path / name, order, text), QuestionChange(use=use))
        texts.append(sorted(found.values()))
    assert texts[0] == texts[1] and texts[0]
