"""What a run tells beside its scores."""

from __future__ import annotations

import pytest

from steward.evaluation.run import ItemAnswer, find_warnings, is_truncated
from steward.evaluation.suite import PromptMessage, SuiteItem, SuiteSpec

SUITE = SuiteSpec(name="s", data="d.jsonl", metrics=("exact_match",), prompt="{q}")
ITEM = SuiteItem("1", (PromptMessage("user", "Which?"),), ("yes",), {}, "1")


def warn(text: str | None, finish: str | None) -> list[str]:
    return list(find_warnings([ITEM], {"1": ItemAnswer(id="1", prediction=text, finish=finish)}, SUITE))


@pytest.mark.parametrize("finish", ["length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded"])
def test_e13_a_limit_of_tokens_by_its_other_names(finish: str) -> None:
    """OpenAI's, Anthropic's and Gemini's API references."""
    (said,) = warn("cut", finish)
    assert said.startswith(f"1 of 1 answers were cut off at the token limit (finish_reason {finish})")
    assert not is_truncated(ItemAnswer(id="1", finish="stop")) and not is_truncated(ItemAnswer(id="1"))


@pytest.mark.parametrize("finish", ["content_filter", "SAFETY"])
def test_e13_answers_that_were_withheld_are_told(finish: str) -> None:
    (said,) = warn("", finish)
    assert "withheld by the server's content filter" in said


@pytest.mark.parametrize("text", ["", " \n", None, "<think>only thoughts</think>"])
def test_e13_empty_answers_are_told(text: str | None) -> None:
    (said,) = warn(text, "stop")
    assert "1 of 1 answers are empty" in said
    assert warn("", "length") != [said] and warn("yes", "stop") == []
