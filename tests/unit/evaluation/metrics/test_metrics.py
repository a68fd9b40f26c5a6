"""Each metric against its reference implementation or a published example, named in the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from steward.core.errors import InputError, StewardError
from steward.evaluation.metrics import GRADED, METRICS, make_metric

HYPOTHESES = ["the cat sat on the mat .", "a dog barks loudly at night", "It is 3,5 o'clock; café!"]
REFERENCES = [
    ["the cat sat on a mat .", "a cat is sitting on the mat ."],
    ["the dog barked loudly at night", "at night a dog barks"],
    ["It is half past three, café!", "It's 3.5 o'clock; cafe!"],
]
STREAMS = [list(stream) for stream in zip(*REFERENCES, strict=True)]
REAL = ["pos", "neg", "neu", "pos", "neg", "pos", "neu", "neg", "pos", "neu"]
GIVEN = ["pos", "neg", "pos", "neu", "neg", "pos", "neu", "pos", "neg", "other"]


def value(name: str, predictions: Sequence[Any], references: Sequence[Sequence[Any]], **options: str) -> float:
    metric = make_metric(name, options)
    assert not any(metric.screen(*pair) for pair in zip(predictions, references, strict=True))
    table = metric.table(predictions, references)
    return float(metric.combine(table.sum(0, keepdims=True))[0])


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("bleu", sacrebleu.corpus_bleu(HYPOTHESES, STREAMS)),
        ("chrf", sacrebleu.corpus_chrf(HYPOTHESES, STREAMS)),
        ("chrf++", sacrebleu.corpus_chrf(HYPOTHESES, STREAMS, word_order=2)),
        ("ter", sacrebleu.corpus_ter(HYPOTHESES, STREAMS)),
    ],
)
def test_corpus_metrics_are_those_of_sacrebleu(name: str, theirs: Any) -> None:
    """Its public functions, which take [stream][sentence] where we take [sentence][reference]."""
    assert value(name, HYPOTHESES, REFERENCES) == pytest.approx(theirs.score, abs=1e-9)


def test_another_number_of_references_for_each_item() -> None:
    """lighteval#1112 scores such a corpus on its first sentence only."""
    ragged = [REFERENCES[0], REFERENCES[1][:1], REFERENCES[2]]
    streams: list[list[Any]] = [[row[0] for row in ragged], [row[1] if len(row) > 1 else None for row in ragged]]
    assert value("bleu", HYPOTHESES, ragged) == pytest.approx(
        sacrebleu.corpus_bleu(HYPOTHESES, streams).score, abs=1e-9
    )
    metric = make_metric("bleu")
    metric.table(HYPOTHESES, ragged)
    assert "nrefs:var" in metric.signature and f"version:{sacrebleu.__version__}" in metric.signature


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
@pytest.mark.parametrize("stemmer", [False, True])
def test_rouge_is_that_of_rouge_score(name: str, stemmer: bool) -> None:
    """score_multi takes the reference with the best F."""
    scorer = RougeScorer([name], use_stemmer=stemmer)
    scores = [scorer.score_multi(r, h)[name].fmeasure for h, r in zip(HYPOTHESES, REFERENCES, strict=True)]
    assert value(name, HYPOTHESES, REFERENCES, stemmer=str(stemmer)) == pytest.approx(sum(scores) / 3, abs=1e-9)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_precision_recall_f1_are_those_of_scikit_learn(average: str) -> None:
    """precision_recall_fscore_support of scikit-learn 1.9.1, zero_division=0; `other` is never right."""
    theirs = {
        "micro": (0.5, 0.5, 0.5),
        "macro": (0.41666666666666663, 0.375, 0.39166666666666666),
        "weighted": (0.55, 0.5, 0.52),
    }
    found = [value(name, GIVEN, [[r] for r in REAL], average=average) for name in ("precision", "recall", "f1")]
    assert found == pytest.approx(theirs[average], abs=1e-12)
    assert value("accuracy", GIVEN, [[r] for r in REAL]) == 0.5


def test_calibration_error_by_hand() -> None:
    """Two bins: (0, .5] holds .4 wrong and .2 right: |.6 - 1| = .4; (.5, 1] holds .9 right and .7 wrong: .6."""
    rows = [{"label": "a", "confidence": c} for c in (0.4, 0.2, 0.9, 0.7)]
    found = value("ece", rows, [["b"], ["a"], ["a"], ["b"]], bins="2")
    assert found == pytest.approx((abs(0.6 - 1) + abs(1.6 - 1)) / 4, abs=1e-12)
    assert make_metric("ece").screen({"label": "a"}, ["a"]) == "no confidence"


@pytest.mark.parametrize(
    ("name", "prediction", "references", "right"),
    [
        ("squad_f1", "cat cat cat", ["cat dog"], 0.4),  # multiset overlap: evaluate-v1.1.py; a set gives .667
        ("squad_f1", "Beyonce", ["Beyoncé and Bruno Mars"], 0.0),  # no folding of accents
        ("squad_f1", "", [""], 0.0),  # v1.1
        ("squad_v2_f1", "", [], 1.0),  # evaluate-v2.0.py
        ("squad_v2_f1", "the", [], 1.0),  # nothing is left of an article
        ("squad_v2_f1", "Paris", [], 0.0),
        ("squad_v2_f1", "in Paris", ["Paris", "London"], 2 / 3),
        ("squad_em", "The Eiffel-Tower.", ["eiffeltower"], 1.0),
        ("squad_v2_em", "Paris!", ["", "paris"], 1.0),
        ("exact_match", " yes\n", ["no", "yes"], 1.0),
        ("exact_match", "Yes", ["yes"], 0.0),
        ("token_f1", "The end.", ["the end"], 0.8),
        ("contains", "The ANSWER is 4", ["answer is"], 1.0),
        ("regex", "order 1234", [r"\b\d{4}\b"], 1.0),
        ("regex", "order 12345", [r"\b\d{4}\b"], 0.0),
        ("numeric", "So it is 1,500 m.", ["1.5 km"], 1.0),
        ("numeric", "So it is 1,500 kg.", ["1.5 km"], 0.0),
        ("numeric", "5 - no, 7", [7], 1.0),
        ("numeric", "I do not know", [7], 0.0),
        ("numeric", "−3.0", [-3], 1.0),
        ("numeric", "about 50%", ["50 percent"], 1.0),
        ("refusal", "I’m sorry, but I can’t help with that.", [], 1.0),
        ("refusal", "You can't return it, sorry.", [], 0.0),
        ("json_schema", '```json\n{"a": 1}\n```', [{"required": ["a"]}], 1.0),
        ("json_schema", '{"a": NaN}', [{"required": ["a"]}], 0.0),
        ("json_schema", "a: 1", [True], 0.0),
        ("groundedness", "The tower is 330 m tall [1].", ["It is red.", "The tower is 330 m tall."], 0.0),
        ("groundedness", "The tower is 330 m tall. [2]", ["It is red.", "The tower is 330 m tall."], 1.0),
        ("groundedness", "The tower is 330 m tall. It sings at dawn.", ["The tower is 330 m tall."], 0.5),
        ("hit@1", ["b", "a"], ["a"], 0.0),
        ("hit@2", ["b", "a"], ["a"], 1.0),
        ("mrr", ["b", "a"], ["a"], 0.5),
        ("mrr", [], ["a"], 0.0),
    ],
)
def test_answers_by_hand(name: str, prediction: Any, references: list[Any], right: float) -> None:
    assert value(name, [prediction], [references]) == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize(("k", "theirs"), [(5, 0.8610441760375026), (6, 0.9608081943360616)])
def test_ndcg_is_that_of_scikit_learn(k: int, theirs: float) -> None:
    """ndcg_score([[3, 2, 3, 0, 1, 2]], [[6, 5, 4, 3, 2, 1]], k); Wikipedia's example: .961 for 6."""
    relevant = [{"id": name, "gain": gain} for name, gain in zip("abcdef", [3, 2, 3, 0, 1, 2], strict=True)]
    assert value(f"ndcg@{k}", [list("abcdef")], [relevant]) == pytest.approx(theirs, abs=1e-12)


def test_numeric_tolerances() -> None:
    assert value("numeric", ["3.14"], [[3.14159]], relative="0.001") == 1.0
    assert value("numeric", ["3.14"], [[3.14159]], absolute="0.001") == 0.0


@pytest.mark.parametrize(
    ("name", "prediction", "references", "said"),
    [
        ("bleu", 7, ["a"], "prediction is int"),
        ("bleu", "a", [], "references is empty"),
        ("bleu", "a", [None], "a reference is NoneType"),
        ("regex", "a", ["("], "not a regular expression"),
        ("numeric", "a", ["none"], "contains no number"),
        ("json_schema", "{}", [{"type": 7}], "not a JSON Schema"),
        ("json_schema", "{}", [{"$ref": "http://127.0.0.1/x"}], "to another document"),
        ("f1", "a", ["a", "b"], "2 labels"),
        ("ece", {"label": "a", "confidence": 2}, ["a"], "0 to 1"),
        ("hit", "a", ["a"], "not a list of ids"),
        ("hit", ["a", "a"], ["a"], "twice"),
        ("ndcg", ["a"], [{"id": "a", "gain": -1}], "gain"),
    ],
)
def test_bad_items_are_refused(name: str, prediction: Any, references: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_metric(name).screen(prediction, references)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("blue", {}, "did you mean 'bleu'"),
        ("f1", {"average": "mean"}, "average"),
        ("f1", {"avarage": "macro"}, "did you mean 'average'"),
        ("hit@0", {}, "expected a whole number from 1"),
        ("accuracy@1", {}, "accuracy has no depth"),
        ("rouge1", {"stemmer": "maybe"}, "expected true or false"),
    ],
)
def test_bad_options_are_refused(name: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(StewardError, match=said):
        make_metric(name, options)


def test_every_metric_can_be_made_and_signs() -> None:
    needed = {"judge": {"rubric": "r", "model": "m"}, "cost": {"input": "1"}}
    needed |= {name: {"model": "m"} for name in GRADED if name not in ("judge", "toxicity", "python")}
    needed["python"] = {"function": "m.py:f"}
    made = [(name, make_metric(name, needed.get(name))) for name in METRICS]
    assert all(metric.signature.startswith(name.partition("@")[0]) for name, metric in made)


def test_binary_f1_is_of_the_positive_label() -> None:
    """Of "pos": 2 hits, 4 predicted, 4 real: 0.5 each, as scikit-learn's average="binary"."""
    for name in ("f1", "precision", "recall"):
        assert value(name, GIVEN, [[label] for label in REAL], average="binary", positive="Pos") == pytest.approx(0.5)
    for options in ({"average": "binary"}, {"positive": "pos"}):
        with pytest.raises(InputError, match="binary needs the positive label"):
            make_metric("f1", options)


def test_rouge_lsum_is_rouge_scores() -> None:
    scorer = RougeScorer(["rougeLsum"])
    one, other = "The cat sat.\nA dog barked at night.", "A dog barked.\nThe cat was on the mat.\nNight fell."
    assert value("rougeLsum", [one], [[other]]) == pytest.approx(scorer.score(other, one)["rougeLsum"].fmeasure)
    assert value("rougeLsum", ["天气很好\n我很高兴"], [["我很高兴\n天气很好"]]) == 1.0  # lines in another order
    assert value("rougeL", ["天气很好\n我很高兴"], [["我很高兴\n天气很好"]]) < 1.0
    # a Chinese sign in either text has both compared by characters: three of three and four, F1 is 2 * 3 / (3 + 4)
    for prediction, reference in (("cat 猫", "cat"), ("cat", "cat 猫")):
        assert value("rougeLsum", [prediction], [[reference]]) == pytest.approx(6 / 7)
    assert "2,001 words" in make_metric("rougeLsum").screen("word " * 2001, ["x"])
