"""Filters: what of an answer is graded."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError, UnknownName
from steward.evaluation.answer_filters import (
    PatternFilter,
    check_filters,
    describe_filters,
    filter_answer,
    strip_thoughts,
)
from steward.evaluation.score import Prediction, score_predictions


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("<think>London? No.</think> Paris", "Paris"),  # DeepSeek-R1, Qwen3
        ("London? No.</think>\n\nParis", "Paris"),  # the template holds the opening tag
        ("<think>London? Perhaps", ""),  # cut off inside the thoughts
        ("<thinking>a</thinking>Paris<reasoning>b</reasoning>", "Paris"),
        ("[THINK]a[/THINK]Paris", "Paris"),  # Magistral
        ("◁think▷a◁/think▷Paris", "Paris"),  # Kimi
        (
            "<|channel|>analysis<|message|>London?<|end|><|start|>assistant<|channel|>final<|message|>Paris<|return|>",
            "Paris",
        ),
        ("<|channel|>analysis<|message|>London?", ""),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Paris<|END_RESPONSE|>", "Paris"),  # Command A Reasoning
        ("<unused94>thought\na<unused95>Paris", "Paris"),  # MedGemma
        (
            "<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>Paris<|end_of_solution|>",
            "Paris",
        ),  # OpenThinker
        ("<|channel>thought\na<channel|>Paris", "Paris"),  # Gemma 4
        ("<longcat_think>a</longcat_think>Paris", "Paris"),  # LongCat
        ("<mm:think>a</mm:think>Paris", "Paris"),
        ("<seed:think>a</seed:think>Paris", "Paris"),  # MiniMax, Seed
        ("<thinking>a</thinking><answer>Paris</answer>", "Paris"),  # prompts of DeepSeek-R1-Zero's kind
        ("<scratchpad>a</scratchpad>Paris", "Paris"),
        ("<inner_monologue>a</inner_monologue> Paris", "Paris"),
        ("<antThinking>a</antThinking>Paris", "Paris"),
        ("<think>a<think>b</think>c</think>Paris", "Paris"),
        ("<analysis>a</analysis>Paris", "Paris"),
        ("analysisWe think.assistantfinalParis", "Paris"),  # gpt-oss where special tokens are left out
        ("Here is my thought process: London?\n\nHere is my response: Paris", "Paris"),  # Granite 3.2
        ("<|inner_prefix|>London<|inner_suffix|>Paris", "Paris"),  # Apertus
        ('<details type="reasoning"><summary>3 s</summary>London</details>Paris', "Paris"),  # Open WebUI
        ("```thinking\nLondon\n```\nParis", "Paris"),
        ("&lt;think&gt;London&lt;/think&gt;Paris", "Paris"),  # escaped on the way
        ("<｜begin▁of▁thinking｜>London<｜end▁of▁thinking｜>Paris", "Paris"),
        ("<rationale>a</rationale>Paris", "Paris"),
        ("<internal_reasoning>a</internal_reasoning>Paris", "Paris"),
        ("<think>London<answer>Paris</answer>", "Paris"),  # the thoughts do not end, the answer does
        ("```python\nthink = 1\n```", "```python\nthink = 1\n```"),
        ("analysis is what assistants do", "analysis is what assistants do"),
        ("<details><summary>More</summary>x</details>", "<details><summary>More</summary>x</details>"),
        ("<plan>1. Go</plan>", "<plan>1. Go</plan>"),
        ("the tag <think> of a model", "the tag <think> of a model"),
        ("<answer>Paris</answer>", "<answer>Paris</answer>"),
        ("  Paris ", "  Paris "),
        ("I think so", "I think so"),
    ],
)
def test_e03_thoughts_are_left_out(answer: str, kept: str) -> None:
    assert strip_thoughts(answer) == kept


def test_e03_thoughts_are_left_out_unless_told_otherwise() -> None:
    given, references = [Prediction("1", "<think>London</think> Paris")], {"1": ["Paris"]}
    found = score_predictions("exact_match", given, references)
    assert found.score.value == 1.0 and "|filters:thoughts|" in found.score.signature
    raw = score_predictions("exact_match", given, references, filters=())
    assert raw.score.value == 0.0 and "|filters:none|" in raw.score.signature


@pytest.mark.parametrize(
    ("name", "answer", "kept"),
    [
        ("last_line", "So:\n\n42\n \n", "42"),
        ("code", "Here:\n```python\nx = 1\n```\nand\n~~~\ny\n~~~\ndone", "y\n"),
        ("code", "no fence", "no fence"),
        ("choice", "I think the answer is (C).", "C"),
    ],
)
def test_e03_named_filters(name: str, answer: str, kept: str) -> None:
    assert filter_answer(answer, [name]).text == kept


def test_e03_a_pattern_takes_its_last_match() -> None:
    assert filter_answer("Answer: 1\nAnswer: 2", [PatternFilter(r"Answer: (\d)")]).text == "2"
    assert filter_answer("a1b22", [PatternFilter(r"\d+")]).text == "22"


def test_e03_what_a_filter_does_not_find_is_unscored() -> None:
    found = score_predictions("exact_match", [Prediction("1", "no")], {"1": ["a"]}, filters=["choice"])
    assert found.unscored == {"1": "the filter choice finds nothing in the answer"} and found.score.value is None
    assert "pattern(x+)" in filter_answer("no", [PatternFilter("x+")]).why


def test_wrong_filters_are_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'thoughts'"):
        check_filters(["thought"], "s.yaml")
    with pytest.raises(InputError, match="not a regular expression"):
        check_filters([PatternFilter("(")], "s.yaml")
    assert describe_filters(["thoughts", PatternFilter("a")]) == "filters:thoughts+pattern(a)"
