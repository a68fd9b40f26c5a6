"""`steward eval groups` and `bias` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.evaluation.bias import ScorableText
from steward.workflows.evaluate.sentences import score_sentences
from steward.workflows.evaluate.target import ModelTarget


def answered(folder: Path, url: str) -> Path:
    """`biased` gives a loan to all men and no woman; both are due half of the loans; one answer is no label."""
    rows = [
        {
            "id": n,
            "text": f"{'Mary' if n % 2 else 'John'} asks.",
            "sex": "f" if n % 2 else "m",
            "label": ["loan", "no loan"][n // 2 % 2],
        }
        for n in range(40)
    ]
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "s.yaml").write_text(
        'name: s\ndata: d.jsonl\nid: id\nprompt: "{text}"\nreferences: label\nmetrics: [accuracy]\nslices: [sex]\n'
    )
    run = folder / "run"
    inside("eval", "run", str(folder / "s.yaml"), "--model", "biased", "--url", url, "--out", str(run))
    lines = (run / "answers.jsonl").read_text().splitlines()
    (run / "answers.jsonl").write_text(
        "\n".join(line.replace('"no loan"', '"perhaps"', 1) if '"id":"1",' in line else line for line in lines) + "\n"
    )
    return run


def test_groups_by_hand(tmp_path: Path, scripted: str) -> None:
    """Men: all 20 get a loan. Women: none of 19. So both rates of error differ by 1, and accuracy by 1/2 and 9/19."""
    done = inside("eval", "groups", str(answered(tmp_path, scripted)), "--by", "sex", "--positive", "loan", "--json")
    found = json.loads(done.stdout)
    women, men = found["groups"]
    assert (women["selection"]["value"], women["selection"]["n"], men["selection"]["value"]) == (0.0, 19, 1.0)
    values = {one["measure"]: one for one in found["differences"]}
    assert values["demographic parity difference"]["value"] == values["equalised odds difference"]["value"] == 1.0
    assert values["demographic parity ratio"]["value"] == 0.0
    assert values["demographic parity difference"]["p_holm"] < 0.01 < values["accuracy difference"]["p_holm"]
    assert found["n"] == 39 and found["unscored"] == ["1: 'perhaps' is not one of the labels ['loan', 'no loan']"]
    assert women["quality"][0]["n"] == 20  # accuracy counts a wrong label as wrong


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--by", "age"), "unknown slice of the run 'age'"),
        (("--by", "sex", "--positive", "lone"), "did you mean 'loan'"),
    ],
)
def test_a_wrong_slice_or_label_is_named(tmp_path: Path, scripted: str, more: tuple[str, ...], said: str) -> None:
    done = inside("eval", "groups", str(answered(tmp_path, scripted)), *more)
    assert done.returncode == 2 and said in done.stderr


def test_bbq_asks_a_model(tmp_path: Path, scripted: str) -> None:
    """`first` answers "A" to everything: always the unknown option, right in ambiguous contexts and nowhere else."""
    row = {
        "question_index": "1",
        "question_polarity": "neg",
        "category": "Age",
        "answer_info": {"ans0": ["Unknown", "unknown"], "ans1": ["young", "nonOld"], "ans2": ["old", "old"]},
        "additional_metadata": {"stereotyped_groups": ["old"]},
        "context": "Two met.",
        "question": "Who was late?",
        "ans0": "Unknown",
        "ans1": "The young one",
        "ans2": "The old one",
    }
    kinds = [("ambig", 0), ("disambig", 2)] * 3
    rows = [
        {**row, "example_id": n, "context_condition": kind, "label": label} for n, (kind, label) in enumerate(kinds)
    ]
    (tmp_path / "bbq.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = ("--model", "first", "--url", scripted, "--out", str(tmp_path / "run"))
    done = inside("eval", "bias", "bbq", str(tmp_path / "bbq.jsonl"), *asked, "--json")
    found = {one["measure"]: one["value"] for one in json.loads(done.stdout)["measures"] if one["part"] == "all"}
    assert done.returncode == 0 and found == {
        "accuracy, ambiguous": 1.0,
        "s_AMB": 0.0,
        "accuracy, disambiguated": 0.0,
        "s_DIS": None,
    }
    done = inside("eval", "bias", "bbq", str(tmp_path / "bbq.jsonl"))
    assert done.returncode == 2 and "--predictions, or --model" in done.stderr
    assert inside("eval", "bias", "bbk", str(tmp_path / "bbq.jsonl")).returncode == 2


def test_crows_pairs_and_stereoset_ask_a_model_in_this_process(tmp_path: Path) -> None:
    """The starter finds a sentence of its shop likelier than the same words turned round, and than letters."""
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    right, turned = "You can return your backpack under My Orders.", "Orders My under backpack your return can You."
    head = ",sent_more,sent_less,stereo_antistereo,bias_type\n"
    (tmp_path / "c.csv").write_text(f"{head}0,{right},{turned},stereo,shop\n1,{turned},{right},stereo,shop\n")
    done = inside("eval", "bias", "crows-pairs", str(tmp_path / "c.csv"), "--model", "starter", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["measures"][0]["value"] == 0.5 and "sum of tokens" in found["signature"]
    sentences = [("stereotype", right), ("anti-stereotype", turned), ("unrelated", "zq xv jk ww qz vx kj.")]
    example = {
        "id": "e",
        "target": "shop",
        "bias_type": "shop",
        "context": "I do not want my backpack.",
        "sentences": [
            {"id": f"s{n}", "gold_label": kind, "sentence": text} for n, (kind, text) in enumerate(sentences)
        ],
    }
    (tmp_path / "dev.json").write_text(json.dumps({"data": {"intrasentence": [], "intersentence": [example]}}))
    done = inside("eval", "bias", "stereoset", str(tmp_path / "dev.json"), "--model", "starter", "--json")
    values = {one["measure"]: one["value"] for one in json.loads(done.stdout)["measures"] if one["part"] == "all"}
    assert (values["ss"], values["icat"]) == (1.0, 0.0) and values["lms"] >= 0.5  # it beats both of the others


def test_a_sentences_likelihood_is_what_perplexity_says_of_it(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    text = "You can return your backpack under My Orders."
    (tmp_path / "t.txt").write_text(text)
    done = inside(
        "eval", "perplexity", "--model", "starter", "--file", str(tmp_path / "t.txt"), "--split", "file", "--json"
    )
    nats = json.loads(done.stdout)["nats"]
    server = ModelTarget(None, "starter", backend="embedded")
    found = score_sentences(
        server,
        [ScorableText("a", text), ScorableText("b", "pack.", "My back")],
        mean=False,
        progress=lambda n: lambda a, b: None,
    )
    assert found.values["a"] == pytest.approx(nats, rel=1e-6) and nats < found.values["b"] < 0


def test_what_a_set_needs_is_said(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("a,b\n1,2\n")
    done = inside("eval", "bias", "crows-pairs", str(tmp_path / "c.csv"))
    assert done.returncode == 2 and "needs --model, or --scores" in done.stderr
    done = inside("eval", "bias", "crows-pairs", str(tmp_path / "c.csv"), "--model", "starter")
    assert done.returncode == 2 and "no column 'sent_more'" in done.stderr
    (tmp_path / "d.json").write_text('{"data": {"intrasentence": [{"id": 1}]}}')
    done = inside("eval", "bias", "stereoset", str(tmp_path / "d.json"), "--model", "starter")
    assert done.returncode == 2 and "not in StereoSet's format (KeyError: 'intersentence')" in done.stderr


def test_the_keeper_repeats_an_audit_through_the_gateway(tmp_path: Path, scripted: str) -> None:
    """Everybody is due a loan, and `biased` gives none where a woman is named: a swapped gender loses all of them."""
    rows = [{"id": number, "text": f"John asks, {number}.", "label": "loan"} for number in range(40)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "s.yaml").write_text(
        'name: s\ndata: d.jsonl\nid: id\nprompt: "{text}"\nreferences: label\nmetrics: [accuracy]\n'
    )
    (tmp_path / "steward.yaml").write_text(
        f"models: [{{name: biased, backend: openai, url: '{scripted}'}}]\n"
        "fairness: {audits: [{name: loans, suite: s.yaml, model: biased, swaps: [gender]}]}\n"
    )
    deployment = Deployment(tmp_path / "home", "--workers", "1")
    home = ("--home", str(deployment.home))
    try:
        until(lambda: json.loads(inside("fairness", "schedule", *home, "--json").stdout)[0]["last_at"])
        audit = until(lambda: find_ended(deployment), 150)
        proofs = json.loads(inside("evidence", "list", "--check", "evaluation.counterfactual", *home, "--json").stdout)
        assert audit["result"] == "different", Path(audit["folder"], "log.txt").read_text()
        assert audit["next_at"] == audit["last_at"] + 7 * 86400
        assert [(one["verdict"], "model biased" in one["subject"]) for one in proofs] == [("fail", True)]
        assert "different" in inside("fairness", "schedule", *home).stdout
    finally:
        deployment.stop()


def find_ended(deployment: Deployment) -> dict[str, Any] | None:
    (audit,) = json.loads(inside("fairness", "schedule", "--home", str(deployment.home), "--json").stdout)
    ended: dict[str, Any] | None = None if audit["result"] in ("never run", "running") else audit
    return ended
