"""Every suite in examples/ runs as its README says, and finds what its baseline is known for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT, Deployment, inside, served
from steward.evaluation.suite import load_suite

EXAMPLES = ROOT / "examples" / "evaluation"


@pytest.fixture(scope="module")
def baselines() -> Iterator[str]:
    yield from served("examples/evaluation/baselines.py", "--port", "0")


def evaluate(suite: str, model: str, out: Path, *more: str) -> tuple[dict[str, float], dict[str, Any]]:
    done = inside("eval", "run", str(EXAMPLES / suite), "--model", model, "--out", str(out), "--json", *more)
    assert done.returncode == 0, done.stderr + done.stdout
    found = json.loads(done.stdout)
    return {score["metric"]: score["value"] for score in found["scores"]}, found


def test_sentiment_counted_by_words_fails_where_words_are_turned(baselines: str, tmp_path: Path) -> None:
    values, found = evaluate("sentiment/suite.yaml", "words", tmp_path, "--url", baselines)
    kinds = {row["name"]: row["score"]["value"] for row in found["slices"] if row["score"]["metric"] == "accuracy"}
    assert kinds["plain"] == 1.0 and kinds["negated"] < 0.5 and kinds["mixed"] < 0.5
    assert values["accuracy"] == pytest.approx((25 * 1 + 8 * kinds["negated"] + 7 * kinds["mixed"]) / 40)


def test_sentiments_checks_pass(baselines: str, tmp_path: Path) -> None:
    suite = str(EXAMPLES / "sentiment" / "suite.yaml")
    done = inside("eval", "checks", suite, "--model", "words", "--url", baselines, "--out", str(tmp_path))
    assert done.returncode == 0 and done.stdout.count("passed") == 3, done.stdout


def test_questions_answered_by_whole_sentences_hold_the_answer_and_more(baselines: str, tmp_path: Path) -> None:
    values, _ = evaluate("questions/suite.yaml", "overlap", tmp_path, "--url", baselines)
    assert values["contains"] == 0.75 and values["squad_em"] == 0.0 and 0.2 < values["squad_f1"] < 0.4


def test_translation_word_by_word_fails_where_the_order_differs(baselines: str, tmp_path: Path) -> None:
    _, found = evaluate("translation/suite.yaml", "dictionary", tmp_path, "--url", baselines)
    bleu = {row["name"]: row["score"]["value"] for row in found["slices"] if row["score"]["metric"] == "bleu"}
    assert bleu["short"] > 60 and bleu["order"] < 15


def test_a_first_sentence_is_carried_by_its_text(baselines: str, tmp_path: Path) -> None:
    rouge, found = evaluate("summaries/suite.yaml", "lead", tmp_path / "a", "--url", baselines)
    grounded, _ = evaluate("summaries/suite-sources.yaml", "lead", tmp_path / "b", "--url", baselines)
    assert grounded["groundedness"] == 1.0 and 0.4 < rouge["rougeL"] < 0.8 and found["items"] == 10


def test_chat_with_the_starter(tmp_path: Path) -> None:
    """It is never rude, also to who is; what it was asked about comes back in most answers."""
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    deployment = Deployment(tmp_path / "home", "--workers", "1")
    try:
        values, found = evaluate("chat/suite.yaml", "starter", tmp_path / "run", "--home", str(deployment.home))
    finally:
        deployment.stop()
    assert values["toxicity"] == 0.0 and values["contains"] >= 0.5 and values["words"] > 5 and not found["unscored"]


BLOCK = re.compile(r"```yaml\n(.*?)```", re.S)
START = "name: page\ndata: d.jsonl\nslices: [kind]\nmetrics: [accuracy]\nprompt: '{question} {options}'\n"


@pytest.mark.parametrize("page", ["test-robustness-and-fairness", "use-a-judge", "gate-a-release"])
def test_what_the_pages_show_is_understood(page: str, tmp_path: Path) -> None:
    """Each block of a suite's keys, over a suite without them."""
    row = {
        "question": "?",
        "options": ["a", "b"],
        "references": ["A"],
        "kind": "negated",
        "id": "17",
        "topic": "t",
        "template": "x",
    }
    for name in ("d.jsonl", "questions.jsonl"):
        (tmp_path / name).write_text("\n".join(json.dumps({**row, "id": number}) for number in ("17", "42")))
    blocks = [yaml.safe_load(block) for block in BLOCK.findall((ROOT / "docs" / "how-to" / f"{page}.md").read_text())]
    suites = [
        block
        for block in blocks
        if "suite" not in block and not any("margin" in str(metric) for metric in block.get("metrics", []))
    ]  # the others are a test of pytest's, and policies
    assert suites
    for block in suites:
        (tmp_path / "s.yaml").write_text(yaml.safe_dump({**yaml.safe_load(START), **block}))
        assert load_suite(tmp_path / "s.yaml").items
