"""Verdicts about contexts, answers and right answers; values by hand."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.metrics import make_metric

CONTEXTS = ("Bern is the capital.", "Cheese has holes.", "Bern has bears.")


def reply(*verdicts: str) -> bytes:
    lines = "\n".join(f"{number}: {verdict}" for number, verdict in enumerate(verdicts, 1))
    return json.dumps({"choices": [{"message": {"content": lines}}]}).encode()


def metric(name: str) -> Any:
    return make_metric(name, {"model": "big"})


def sent(name: str, answer: str = "It is Bern. It has bears.", right: tuple[str, ...] = ("Bern. A town.",)) -> str:
    asked = metric(name).ask("Which is the capital?", answer, right, CONTEXTS)
    assert asked.call is not None
    return str(json.loads(asked.call.body)["messages"][1]["content"])


def test_each_metric_shows_what_it_judges_by() -> None:
    for place, context in enumerate(CONTEXTS, 1):
        assert re.search(rf"<<source {place} \w+\n{context}\n", sent("faithfulness"))
    assert "1: It is Bern.\n2: It has bears." in sent("faithfulness")
    assert "Which is the capital?" in sent("answer_relevance") and "Cheese" not in sent("answer_relevance")
    assert "1: Bern is the capital.\n2: Cheese" in sent("context_precision") and "A town" in sent("context_precision")
    assert "1: Bern.\n2: A town." in sent("context_recall") and "It is Bern" not in sent("context_recall")
    assert "Berne" not in sent("context_recall", right=("Bern.", "Berne."))  # one right answer is enough


@pytest.mark.parametrize("name", ["faithfulness", "answer_relevance", "context_recall"])
def test_shares_of_statements(name: str) -> None:
    assert metric(name).conclude(reply("yes", "no", "yes", "yes"), 4).value == 0.75


@pytest.mark.parametrize(
    ("verdicts", "value"),
    [
        (("yes", "no", "yes"), (1 + 2 / 3) / 2),  # Ragas, "Context Precision": precision at 1 and at 3
        (("no", "yes", "no"), 1 / 2), (("no", "no", "no"), 0.0), (("yes", "yes", "yes"), 1.0),
    ],
)  # fmt: skip
def test_context_precision_is_higher_the_further_up_useful_contexts_stand(
    verdicts: tuple[str, ...], value: float
) -> None:
    assert metric("context_precision").conclude(reply(*verdicts), 3).value == pytest.approx(value)


def test_an_unclear_verdict_is_no_grade() -> None:
    assert metric("faithfulness").conclude(reply("yes"), 2).value is None
    assert "exactly one verdict" in metric("faithfulness").conclude(b"", 2).why


def test_what_cannot_be_asked_says_what_is_missing() -> None:
    assert "contexts" in metric("faithfulness").ask("q", "An answer.", [], ()).why
    assert "no right answer" in metric("context_precision").ask("q", "a", [], CONTEXTS).why
    assert "no right answer" in metric("context_recall").ask("q", "a", [], CONTEXTS).why
    assert "sentence" in metric("answer_relevance").ask("q", "", [], CONTEXTS).why
    with pytest.raises(InputError, match="model"):
        make_metric("context_recall")
