"""A judge, embeddings and scorers at work in runs: what they cannot tell is unscored, and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import inside as run

ANSWERS = {"1": "good one", "2": "bad one", "3": "odd thing", "4": "good but rude", "5": "bad and down"}


def suite(folder: Path, metrics: str) -> Path:
    rows = [{"id": i, "q": text, "references": ["a good abc"]} for i, text in ANSWERS.items()]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "s.yaml").write_text(f'name: s\ndata: d.jsonl\nid: id\nprompt: "{{q}}"\nmetrics: [{metrics}]\n')
    return folder / "s.yaml"


def evaluate(path: Path, url: str, out: str = "out", *more: str) -> tuple[int, dict[str, Any]]:
    done = run(
        "eval", "run", str(path), "--model", "echo", "--url", url, "--out", str(path.parent / out), "--json", *more
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_judge_that_answers_nonsense_leaves_items_unscored_and_named(tmp_path: Path, scripted: str) -> None:
    """Grades 5, 1, none, 5, 1 of 1 to 5: the mean of 1, 0, 1, 0 over four items; "exact_match" stays over five."""
    path = suite(tmp_path, "{name: judge, options: {rubric: be good, model: judge}}, exact_match")
    code, found = evaluate(path, scripted)
    judged, exact = found["scores"]
    assert code == 0 and (judged["value"], judged["n"], judged["unscored"], judged["errored"]) == (0.5, 4, 1, 0)
    assert exact["n"] == 5 and found["unscored"][0].startswith("judge, 3: the judge gave no line")
    assert "I like turtles" in found["unscored"][0]


def test_a_judge_that_is_away_is_asked_again_by_the_next_run(tmp_path: Path, scripted: str) -> None:
    path = suite(tmp_path, f"{{name: judge, options: {{rubric: r, model: gone, url: '{scripted}'}}}}")
    code, found = evaluate(path, scripted)
    assert code == 3 and found["scores"][0]["value"] is None and "HTTP 404" in found["unscored"][0]
    lines = (tmp_path / "out" / "answers.jsonl").read_text().splitlines()
    assert evaluate(path, scripted) == (3, found)
    assert len((tmp_path / "out" / "answers.jsonl").read_text().splitlines()) == 2 * len(lines)


@pytest.mark.parametrize(
    ("scorer", "value", "unscored"),
    [
        ("lexicon", 0.2, 0),
        ("lexicon:list.txt", 0.4, 0),
        ("score.py:short", 0.4, 1),
        ("URL/score", 0.3667, 2),
        ("URL/v1/moderations", 0.3, 1),
    ],
)
def test_toxicity_by_any_scorer(tmp_path: Path, scripted: str, scorer: str, value: float, unscored: int) -> None:
    """The lexicon lists none of "rude"; the service gives .9 and .1, and nothing for "down" and "odd"."""
    (tmp_path / "list.txt").write_text("bad\n")
    (tmp_path / "score.py").write_text(
        "def short(text):\n    if 'odd' in text: raise ValueError(text)\n    return 0.4\n"
    )
    path = suite(tmp_path, f"{{name: toxicity, options: {{scorer: '{scorer.replace('URL', scripted)}'}}}}")
    path.with_name("d.jsonl").write_text(path.with_name("d.jsonl").read_text().replace("good one", "you idiot"))
    _, found = evaluate(path, scripted)
    assert found["scores"][0]["value"] == pytest.approx(value, abs=1e-4)
    assert found["scores"][0]["unscored"] == unscored == len(found["unscored"])


def test_embeddings_and_statements(tmp_path: Path, scripted: str) -> None:
    metrics = "{name: embedding_similarity, options: {model: e}}, {name: groundedness_judge, options: {model: judge}}"
    _, found = evaluate(suite(tmp_path, metrics), scripted)
    similar, grounded = found["scores"]
    assert 0 < similar["value"] < 1 and similar["unscored"] == 2  # "good one" and "odd thing" have no a, b or c
    assert grounded["value"] == 0.4


def test_grades_are_compared_and_gated_like_any_value(tmp_path: Path, scripted: str) -> None:
    """Grades 1, 0, none, 1, 0 against 1, 1, none, 1, 1: two of four up; the one without a grade is no pass."""
    path = suite(tmp_path, "{name: judge, options: {rubric: be good, model: judge}}")
    evaluate(path, scripted, "a")
    path.with_name("d.jsonl").write_text(path.with_name("d.jsonl").read_text().replace('"q": "bad', '"q": "good'))
    evaluate(path, scripted, "b")
    folders = (str(tmp_path / "a"), str(tmp_path / "b"))
    (row,) = json.loads(run("eval", "compare", *folders, "--json").stdout)["wholes"]
    assert (row["baseline"], row["candidate"], row["n"], row["better"]) == (0.5, 1.0, 4, ["2", "5"])
    (tmp_path / "gate.yaml").write_text("metrics: [{name: judge, margin: 0.9}]\n")
    done = run(
        "eval", "gate", "--baseline", folders[0], "--candidate", folders[1], "--policy", str(tmp_path / "gate.yaml")
    )
    assert done.returncode == 3 and "both runs scored 4 of 5 items" in done.stdout


def preference(folder: Path, url: str, judge: str, one: str = "a", other: str = "b") -> tuple[int, dict[str, Any]]:
    (folder / "rubric.txt").write_text("The good one is better.")
    runs, options = (str(folder / one), str(folder / other)), ("--rubric", str(folder / "rubric.txt"), "--url", url)
    done = run("eval", "judge", *runs, "--model", judge, *options, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_two_runs_before_a_judge(tmp_path: Path, scripted: str) -> None:
    """The candidate turns "bad" into "good": two wins; two ties; nothing readable where neither is good."""
    path = suite(tmp_path, "exact_match")
    evaluate(path, scripted, "a")
    evaluate(path, scripted, "same")
    answers = (tmp_path / "same" / "answers.jsonl").read_text()
    (tmp_path / "same" / "answers.jsonl").write_text(answers.replace("bad", "good"))
    code, found = preference(tmp_path, scripted, "judge", "a", "same")
    assert code == 0 and (found["wins"], found["ties"], found["losses"], found["turned"]) == (2, 2, 0, 0)
    assert found["win_rate"] == 0.75 and found["unscored"][0].startswith("3: ")


def test_a_judge_that_follows_the_order_decides_nothing(tmp_path: Path, scripted: str) -> None:
    """Every verdict turns round with the order: five ties, all turned, all for the first, and a win rate of a half."""
    evaluate(suite(tmp_path, "exact_match"), scripted, "a")
    evaluate(suite(tmp_path, "exact_match"), scripted, "b")
    code, found = preference(tmp_path, scripted, "partial")
    assert code == 0 and (found["win_rate"], found["ties"], found["turned"], found["first"]) == (0.5, 5, 5, 5)
    assert preference(tmp_path, scripted, "gone")[0] == 4


def test_a_judge_without_a_rubric_or_a_scorer_that_is_none_is_refused(tmp_path: Path, scripted: str) -> None:
    for metric, said in (
        ("{name: judge, options: {model: m}}", "rubric"),
        ("{name: toxicity, options: {scorer: lexicn}}", "did you mean 'lexicon'"),
    ):
        done = run(
            "eval",
            "run",
            str(suite(tmp_path, metric)),
            "--model",
            "echo",
            "--url",
            scripted,
            "--out",
            str(tmp_path / "o"),
        )
        assert done.returncode == 2 and said in done.stderr
