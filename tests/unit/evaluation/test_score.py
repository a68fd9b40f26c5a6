"""Scored, unscored and errored apart; bad input named by its item."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from conftest import run
from steward.cli.main import app
from steward.core.errors import InputError
from steward.evaluation.score import Prediction, read_predictions, read_references, score_predictions
from steward.evaluation.statistics import clopper_pearson, wilson


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_a_failure_enters_no_value() -> None:
    given = [Prediction("1", "yes"), Prediction("2", error="timed out"), Prediction("3", {"label": "a"})]
    found = score_predictions("exact_match", given[:2], {"1": ["yes"], "2": ["yes"]}).score
    assert (found.value, found.n, found.unscored, found.errored) == (1.0, 1, 0, 1)
    found = score_predictions("ece", given[2:], {"3": ["a"]}).score
    assert (found.value, found.low, found.n, found.unscored) == (None, None, 0, 1)


def test_bleu_of_the_command_line_is_that_of_sacrebleu(tmp_path: Path) -> None:
    hypotheses, references = ["the cat sat on the mat"] * 3 + ["a dog"], ["the cat sat on a mat"] * 3 + ["the dog"]
    p = lines(tmp_path / "p", [{"id": str(i), "prediction": text} for i, text in enumerate(hypotheses)])
    r = lines(tmp_path / "r", [{"id": str(i), "references": [text]} for i, text in enumerate(references)])
    done = run("eval", "score", "--metric", "bleu", "--predictions", str(p), "--references", str(r), "--json")
    found = json.loads(done.stdout)
    assert list(found) == ["metric", "value", "low", "high", "n", "unscored", "errored", "signature"]
    assert found["value"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score, abs=1e-9)
    assert found["low"] < found["value"] < found["high"] and found["n"] == 4


def test_a_proportion_has_wilsons_interval() -> None:
    """81 of 263: Newcombe 1998, table I."""
    given = [Prediction(str(i), "yes" if i < 81 else "no") for i in range(263)]
    found = score_predictions("exact_match", given, {row.id: ["yes"] for row in given}).score
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_e12_items_that_are_all_alike_leave_an_interval() -> None:
    """A bootstrap of them has no width. Not one of 50 clusters is wrong: Wilson's end, z²/(50 + z²), may be."""
    given = [Prediction(str(n), "yes") for n in range(100)]
    references, clusters = {row.id: ["yes"] for row in given}, {row.id: int(row.id) // 2 for row in given}
    unseen = 1 - wilson(50, 50).low
    for name, scale in (("exact_match", 1), ("token_f1", 1), ("chrf", 100)):
        found = score_predictions(name, given, references, clusters=clusters).score
        assert (found.low, found.value, found.high) == pytest.approx((scale * (1 - unseen), scale, scale), abs=1e-9)
    assert unseen == pytest.approx(3.8415 / 53.8415, abs=1e-5)


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        ([{"id": "1", "prediction": "a"}, {"id": "1", "prediction": "b"}], "id '1' is already used at"),
        ([{"prediction": "a"}], 'expected an "id"'),
        ([{"id": "1"}], "item '1': expected either"),
        ([{"id": "1", "prediction": None}], "item '1': prediction is null"),
        ([{"id": "1", "prediction": 7}, {"id": "2", "prediction": "b"}], "item '1': prediction is int"),
        ([{"id": "1", "prediction": "a"}], "item '2' has references and no prediction"),
        ([{"id": n, "prediction": "a"} for n in "123"], "item '3' has a prediction and no references"),
        (["{"], "p:1: not valid JSON"),
        (["[]"], "p:1: list, expected an object"),
        ([], "no rows"),
    ],
)
def test_bad_predictions_are_named(tmp_path: Path, predictions: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        score_predictions("token_f1", read_predictions(lines(tmp_path / "p", predictions)), {"1": ["a"], "2": ["b"]})


def test_bad_references_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="item '1': expected a list"):
        read_references(lines(tmp_path / "r", [{"id": 1, "reference": "a"}]))
    with pytest.raises(InputError, match="item '1': references is empty"):
        score_predictions("bleu", [Prediction("1", "a")], {"1": []})


@pytest.mark.parametrize(
    ("predictions", "references", "said"),
    [
        ([{"id": 1}], [{"id": 1, "references": ["a"]}], "item '1'"),
        ([{"id": 1, "prediction": "a"}] * 2, [{"id": 1, "references": ["a"]}], "id '1' is already used at"),
        ([{"id": 1, "prediction": ["a"]}], [{"id": 1, "references": ["a"]}], "prediction is list, expected text"),
        ([{"id": 1, "prediction": "a"}], [{"id": 1, "references": []}], "item '1': references is empty"),
        ([{"id": 1, "prediction": "a"}], [{"id": n, "references": ["a"]} for n in (1, 2)], "item '2'"),
    ],
)
def test_the_command_refuses_bad_files(
    tmp_path: Path, predictions: list[Any], references: list[Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with the item's name, and no number printed."""
    p, r = lines(tmp_path / "p", predictions), lines(tmp_path / "r", references)
    with pytest.raises(InputError, match=said) as refused:
        app(["eval", "score", "--metric", "bleu", "--predictions", str(p), "--references", str(r)])
    assert refused.value.exit_code == 2 and capsys.readouterr().out == ""


@pytest.mark.parametrize(("n", "method"), [(29, "clopper-pearson"), (30, "wilson")])
def test_a_proportion_of_fewer_than_thirty_items_has_an_exact_interval(n: int, method: str) -> None:
    given = [Prediction(str(i), "yes" if i < 20 else "no") for i in range(n)]
    found = score_predictions("exact_match", given, {row.id: ["yes"] for row in given}).score
    expected = {"wilson": wilson, "clopper-pearson": clopper_pearson}[method](20, n)
    assert (found.low, found.high) == (expected.low, expected.high) and found.signature.endswith(f"ci:0.95|{method}")


def test_a_signature_says_what_was_resampled() -> None:
    given = [Prediction(str(i), "yes") for i in range(4)]
    references, clusters = {row.id: ["yes"] for row in given}, {row.id: int(row.id) // 2 for row in given}
    for name in ("exact_match", "token_f1"):
        signature = score_predictions(name, given, references, clusters=clusters, samples=50).score.signature
        assert signature.endswith("bootstrap:clusters|samples:50|seed:12345")
    assert score_predictions("token_f1", given, references, samples=50).score.signature.endswith(
        "bootstrap:items|samples:50|seed:12345"
    )


def test_filters_are_applied_to_texts_and_only_where_there_are_some() -> None:
    given = [Prediction("1", "<think>no</think>yes"), Prediction("2", "yes")]
    references = {"1": ["yes"], "2": ["yes"]}
    assert score_predictions("exact_match", given, references).values == (1.0, 1.0)
    assert score_predictions("exact_match", given, references, filters=()).values == (0.0, 1.0)


def test_an_error_is_text(tmp_path: Path) -> None:
    assert read_predictions(lines(tmp_path / "p", [{"id": 1, "error": "timed out"}])) == [
        Prediction("1", None, "timed out")
    ]
    with pytest.raises(InputError, match="error is int, expected text"):
        read_predictions(lines(tmp_path / "p", [{"id": 1, "error": 500}]))
