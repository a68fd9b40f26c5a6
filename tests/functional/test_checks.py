"""`steward eval checks` and `overlap`, end to end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import inside
from steward.core.errors import InputError
from steward.evaluation.checks import check_answers, decide_verdict
from steward.evaluation.suite import BehaviorCheck, load_suite

CHECKS = """
checks:
  - {name: praise, kind: MFT, where: {kind: plain}, at_least: 0.9}
  - {name: case does not matter, kind: INV, change: {use: case}}
  - name: a complaint is no praise
    kind: DIR
    change: {append: " It was awful, bad and poor."}
    expect: not higher
    labels: [negative, positive]
"""


def suite(folder: Path, more: str = CHECKS) -> Path:
    rows = [
        {"id": n, "text": f"It is {word} on day {n}.", "label": "positive", "kind": "plain"}
        for n, word in enumerate(["good", "great"] * 8)
    ]
    rows += [
        {"id": f"n{n}", "text": f"It is not bad, number {n}.", "label": "positive", "kind": "negated"} for n in range(4)
    ]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text = 'name: s\ndata: d.jsonl\nid: id\nprompt: "{text}"\nreferences: label\nmetrics: [accuracy]\nslices: [kind]\n'
    (folder / "s.yaml").write_text(text + more)
    return folder / "s.yaml"


def checks(path: Path, model: str, url: str, *more: str) -> tuple[int, dict[str, Any]]:
    out = ("--out", str(path.parent / "out"), "--url", url, "--json")
    done = inside("eval", "checks", str(path), "--model", model, *out, *more)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_each_kind_of_check(tmp_path: Path, scripted: str) -> None:
    """`sentiment` knows the plain ones, is lost in upper case, and is moved down by a complaint, never up."""
    code, found = checks(suite(tmp_path), "sentiment", scripted)
    plain, case, complaint = found["checks"]
    assert code == 1 and found["verdict"] == "failed"
    assert (plain["verdict"], plain["n"], plain["share"], plain["low"]) == (
        "passed",
        16,
        1.0,
        pytest.approx(0.7941, abs=1e-4),
    )
    assert case["verdict"] == "failed" and case["failed"] and case["examples"][0]["said"] == "positive"
    assert (complaint["verdict"], complaint["n"], complaint["failed"]) == ("passed", 20, [])


def test_a_suite_that_passes_and_one_whose_answers_hold_no_label(tmp_path: Path, scripted: str) -> None:
    assert checks(suite(tmp_path), "kind", scripted)[0] == 0
    (tmp_path / "other").mkdir()
    only = CHECKS[: CHECKS.index("  - {name: praise")] + CHECKS[CHECKS.index("  - name: a complaint") :]
    code, found = checks(suite(tmp_path / "other", only), "first", scripted)
    assert code == 3 and found["checks"][0]["verdict"] == "inconclusive"
    assert found["checks"][0]["unscored"][0] == "0: one of the answers contains no label"


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ((9, 1, 0, 0.9), "passed"),
        ((8, 2, 0, 0.9), "failed"),
        ((8, 1, 1, 0.9), "inconclusive"),
        ((7, 2, 1, 0.9), "failed"),
        ((0, 0, 0, 1.0), "inconclusive"),
        ((9, 0, 1, 0.9), "passed"),
    ],
)
def test_items_without_a_value_never_turn_a_verdict_silently(counts: tuple[int, int, int, float], verdict: str) -> None:
    assert decide_verdict(*counts) == verdict


@pytest.mark.parametrize(
    ("expect", "before", "after", "held"),
    [
        ("higher", "about 3 days", "5 days", True),
        ("lower", "3", "3", False),
        ("not lower", "3", "3", True),
        ("different", "yes", "Yes!", False),
        ("lower", "3", "soon", None),
    ],
)
def test_directions_of_numbers(expect: Any, before: str, after: str, held: bool | None) -> None:
    assert check_answers(BehaviorCheck(name="c", kind="DIR", expect=expect), before, after) is held


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("{name: c, kind: INV}", r"INV takes \['change'\], found \[\]"),
        ("{name: c, kind: MFT, expect: lower}", "MFT takes"),
        ("{name: c, kind: MFT, where: {colour: red}}", "unknown slice of the suite 'colour'"),
        ("{name: c, kind: MFT, metric: bleu}", "unknown metric of the suite 'bleu'"),
        ("{name: c, kind: MFT, at_least: 90}", "expected 0 to 1"),
    ],
)
def test_a_wrong_check_is_named(tmp_path: Path, check: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_suite(suite(tmp_path, f"checks: [{check}]\n"))


TEXT = "the harbour master closes the northern gate at seven in the evening on every day of winter"


def own(number: int) -> str:
    """Seventeen words that no other item has."""
    return " ".join(word + chr(97 + number) * 2 for word in TEXT.split())


def test_overlap_and_the_gap_it_makes(tmp_path: Path, scripted: str) -> None:
    """Items 0 and 1 stand in the training data, one in capitals, the other cut to 13 words: their runs 5 of 5 and 1."""
    rows = [{"id": n, "q": own(n), "references": [own(n) if n < 4 else "x"]} for n in range(8)]
    rows.append({"id": 8, "q": "Too short.", "references": ["x"]})
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "s.yaml").write_text('name: o\ndata: d.jsonl\nid: id\nprompt: "Say: {q}"\nmetrics: [contains]\n')
    words = " ".join(own(1).split()[:13])
    (tmp_path / "train.txt").write_text(f"Some words.\n{own(0).upper()}!\nOr {words} and so on\n")
    inside(
        "eval", "run", str(tmp_path / "s.yaml"), "--model", "echo", "--url", scripted, "--out", str(tmp_path / "run")
    )
    suite_and_data = (str(tmp_path / "s.yaml"), "--train", str(tmp_path / "*.txt"))
    done = inside("eval", "overlap", *suite_and_data, "--run", str(tmp_path / "run"), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and {one["id"]: one["share"] for one in found["overlapping"]} == {"0": 1.0, "1": 0.2}
    assert (found["share"], found["too_short"], found["items"]) == (0.25, 1, 9)
    gap = found["gaps"][0]
    assert (gap["overlapping"], gap["clean"]) == (1.0, pytest.approx(2 / 7)) and gap["low"] < gap["gap"] < gap["high"]


def test_no_overlap_is_exit_0_and_nothing_to_look_for_is_3(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text(json.dumps({"q": own(0), "references": ["x"]}))
    (tmp_path / "s.yaml").write_text('name: o\ndata: d.jsonl\nprompt: "{q}"\nmetrics: [contains]\n')
    (tmp_path / "train.txt").write_text(own(5))
    train = ("--train", str(tmp_path / "train.txt"))
    assert inside("eval", "overlap", str(tmp_path / "s.yaml"), *train).returncode == 0
    assert inside("eval", "overlap", str(tmp_path / "s.yaml"), *train, "--shortest", "40").returncode == 3
    done = inside("eval", "overlap", str(tmp_path / "s.yaml"), "--train", "gone*.txt")
    assert done.returncode == 2 and "no file matches 'gone*.txt'" in done.stderr
