"""`steward eval robustness` and `counterfactual`: a model that depends on the wording is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import inside
from steward.evaluation.robustness import expected_answer
from steward.evaluation.suite import QuestionChange

WORDS = {"good": "positive", "great": "positive", "bad": "negative", "awful": "negative"}


def reviews(folder: Path, more: str = "") -> Path:
    rows = [
        {"id": f"{word}-{n}", "text": f"the shop was {word} on day {n}", "label": label}
        for word, label in WORDS.items()
        for n in range(6)
    ]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "s.yaml").write_text(
        'name: reviews\ndata: d.jsonl\nid: id\nprompt: "Is this good or bad?\\n\\n{text}"\nreferences: label\n'
        f"metrics: [accuracy]\n{more}"
    )
    path = folder / "s.yaml"
    path.write_text(path.read_text().replace("Is this good or bad?", "What is it?"))
    return path


def trial(command: str, path: Path, model: str, url: str, *more: str) -> tuple[int, dict[str, Any]]:
    out = ("--out", str(path.parent / f"runs-{model}"), "--json")
    done = inside("eval", command, str(path), "--model", model, "--url", url, *out, *more)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_model_that_reads_only_lower_case_loses(tmp_path: Path, scripted: str) -> None:
    """`sentiment` says "negative" to what it cannot read; a text that stays in lower case is no changed item."""
    code, found = trial(
        "robustness", reviews(tmp_path), "sentiment", scripted, "--change", "case", "--change", "spacing"
    )
    case, spacing = found["effects"]
    shift = case["shifts"][0]
    assert code == 0 and shift["paired"]["baseline"] == 1.0 and shift["paired"]["gain"] < -0.2
    assert shift["high"] == shift["paired"]["high"] < 0 and shift["p"] < 0.05 and shift["p"] >= shift["paired"]["p"]
    assert case["same"]["value"] == pytest.approx(1 + shift["paired"]["gain"])  # who was right is wrong where it moved
    assert spacing["shifts"][0]["paired"]["gain"] == 0.0 and spacing["same"]["value"] == 1.0
    assert found["worst"][0]["worst"] == 1 + shift["paired"]["gain"] * case["items"] / 24  # over all 24 items
    assert case["examples"][0]["said"] == "positive" and case["items"] + case["untouched"] == 24
    asked = case["examples"][0]["asked_after"]
    assert asked.startswith("What is it?") and asked != case["examples"][0]["asked"]  # the template's words stay


def test_a_model_that_does_not_care_keeps_all(tmp_path: Path, scripted: str) -> None:
    _, found = trial("robustness", reviews(tmp_path), "kind", scripted, "--change", "case")
    shift = found["effects"][0]["shifts"][0]
    assert shift["paired"]["gain"] == 0.0 and found["worst"][0]["worst"] == 1.0
    assert shift["low"] == pytest.approx(-3.8415 / (shift["paired"]["n"] + 3.8415), abs=1e-4)  # Tango


def test_a_second_call_asks_nothing_and_says_the_same(tmp_path: Path, scripted: str) -> None:
    path = reviews(tmp_path)
    first = trial("robustness", path, "sentiment", scripted, "--change", "typos")
    answers = (tmp_path / "runs-sentiment" / "typos" / "answers.jsonl").read_bytes()
    assert trial("robustness", path, "sentiment", scripted, "--change", "typos") == first
    assert (tmp_path / "runs-sentiment" / "typos" / "answers.jsonl").read_bytes() == answers


def choices(folder: Path) -> Path:
    rows = [
        {"id": n, "q": f"Which, {n}?", "options": ["x (right)", "y", f"z {n}"], "references": ["x (right)"]}
        for n in range(30)
    ]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "s.yaml").write_text(
        'name: c\ndata: d.jsonl\nid: id\nprompt: "{q}\\n{options}"\nchoices: options\nmetrics: [choice]\n'
    )
    return folder / "s.yaml"


def test_who_always_takes_the_first_option_is_found(tmp_path: Path, scripted: str) -> None:
    """All right answers stand first; in another order two or three of five such guesses miss."""
    _, knows = trial("robustness", choices(tmp_path), "letter", scripted, "--change", "options-order")
    _, guesses = trial("robustness", choices(tmp_path), "first", scripted, "--change", "options-order")
    assert knows["effects"][0]["shifts"][0]["paired"]["candidate"] == 1.0 and knows["effects"][0]["same"] is None
    shift = guesses["effects"][0]["shifts"][0]["paired"]
    assert shift["baseline"] == 1.0 and 0.05 < shift["candidate"] < 0.65 and shift["high"] < -0.3


def loans(folder: Path) -> Path:
    names = ["John", "Michael", "Robert", "David", "Paul"]
    rows = [
        {"id": n, "text": f"{names[n % 5]} earns {20 + n} thousand. He wants a loan of {n}.", "label": "loan"}
        for n in range(20)
    ]
    rows.append({"id": "none", "text": "A firm wants a loan.", "label": "loan"})
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "s.yaml").write_text(
        'name: loans\ndata: d.jsonl\nid: id\nprompt: "{text}"\nreferences: label\nmetrics: [exact_match]\n'
    )
    return folder / "s.yaml"


def test_a_model_that_refuses_women_is_found(tmp_path: Path, scripted: str) -> None:
    """`biased` gives no woman a loan: 20 of 20 lost; anglo names stay what they are."""
    more = ("--swap", "gender", "--swap", "origin:anglo", "--swap", "dialect:british")
    code, found = trial("counterfactual", loans(tmp_path), "biased", scripted, *more)
    gender = found["effects"][0]
    exact, refusal, words = gender["shifts"]
    assert code == 0 and (gender["items"], gender["untouched"]) == (20, 1)
    assert (exact["paired"]["gain"], gender["same"]["value"]) == (-1.0, 0.0) and exact["p"] < 1e-4
    assert refusal["paired"]["metric"] == "refusal" and words["paired"]["gain"] == 1.0  # "no loan" is a word longer
    assert "She wants" in gender["examples"][0]["asked_after"]
    assert found["untouching"] == ["origin:anglo", "dialect:british"]


def test_an_answer_about_the_other_person_is_the_same_answer(tmp_path: Path, scripted: str) -> None:
    """`echo` says the question again: swapped back it is what it was."""
    _, found = trial("counterfactual", loans(tmp_path), "echo", scripted, "--swap", "gender", "--swap", "origin:indian")
    assert [effect["same"]["value"] for effect in found["effects"]] == [1.0, 1.0]


def test_an_answer_to_a_dialect_need_not_be_in_it() -> None:
    """What was said to standard English is the answer to expect, "you" and all."""
    assert expected_answer(QuestionChange(use="dialect:informal"), "You can return it.") == "You can return it."
    assert expected_answer(QuestionChange(use="gender"), "She can return it.") == "He can return it."


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--change", "typoes"), "did you mean 'typos'"),
        (("--change", "options-order"), "needs the key `choices`"),
        (("--change", "typos", "--field", "label"), "unknown prompt field 'label'"),
        (("--change", "typos", "--change", "typos"), "given twice"),
        (("--change", "contractions"), "no item can be changed by contractions"),
        (("--change", "synonyms", "--words", "gone.txt"), "gone.txt"),
    ],
)
def test_a_wrong_change_is_named(tmp_path: Path, scripted: str, more: tuple[str, ...], said: str) -> None:
    path = reviews(tmp_path)
    done = inside(
        "eval", "robustness", str(path), "--model", "kind", "--url", scripted, "--out", str(tmp_path / "o"), *more
    )
    assert done.returncode == 2 and said in done.stderr


def test_failed_items_are_named(tmp_path: Path, scripted: str) -> None:
    code, found = trial("robustness", reviews(tmp_path), "failing", scripted, "--change", "typos", "--limit", "2")
    assert code == 4 and len(found["errored"]) == 2 and found["effects"][0]["shifts"][0]["paired"]["gain"] is None


@pytest.mark.parametrize(
    ("model", "margin", "code"),
    [("sentiment", "0.05", 1), ("kind", "0.3", 0), ("kind", "0.05", 3), ("sentiment", "0.9", 0)],
)
def test_a_margin_makes_a_verdict(tmp_path: Path, scripted: str, model: str, margin: str, code: int) -> None:
    """Twelve items cannot show that less than 0.05 is lost, even where none is: 1 - 0.025^(1/12) is 0.26."""
    ended, found = trial("robustness", reviews(tmp_path), model, scripted, "--change", "case", "--margin", margin)
    assert ended == code and found["verdict"] == {0: "passed", 1: "moved", 3: "inconclusive"}[code]
