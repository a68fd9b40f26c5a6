"""What several answers used. The numbers are llama.cpp's own for the starter model, of three answers each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from steward.gateway.choice_usage import add_usages, count_all_choices, tells_one_choice, write_usage
from steward.gateway.wire_fields import TokenUsage

CACHED = {"cached_tokens": 15}


def test_a_prompt_counts_once_and_every_answer() -> None:
    told = [TokenUsage(16, 15, 31, CACHED), TokenUsage(16, 15, 31, CACHED), TokenUsage(16, 18, 34, CACHED)]
    assert add_usages(told, 3) == TokenUsage(16, 48, 64, CACHED)


def test_of_several_prompts_each_counts_once() -> None:
    told = [TokenUsage(1, 4), TokenUsage(1, 5), TokenUsage(7, 2), TokenUsage(7, 3)]
    assert add_usages(told, 2) == TokenUsage(8, 14, 22)
    assert add_usages(told[:1], 2) == TokenUsage(1, 4, 5) and add_usages([TokenUsage()], 1) == TokenUsage(0, 0, 0)


def test_an_event_gets_the_sum_and_keeps_the_rest() -> None:
    event = (
        b'data: {"choices":[],"id":"x","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"more":4}}\n\n'
    )
    made = json.loads(write_usage(event, TokenUsage(5, 6, 11)).removeprefix(b"data: "))
    assert made == {
        "choices": [],
        "id": "x",
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "more": 4},
    }


def whole(*texts: str, told: Any = (5, 10), chat: bool = True) -> dict[str, Any]:
    choices = [{"message": {"content": text}} if chat else {"text": text} for text in texts]
    return {"choices": choices, "usage": {"prompt_tokens": told[0], "completion_tokens": told[1], "total_tokens": 0}}


@pytest.mark.parametrize("chat", [True, False])
@pytest.mark.parametrize(
    ("texts", "completion"),
    [
        (("a" * 40, "b" * 40, "c" * 40), 30),
        (("a" * 40, "ü" * 10), 15),  # by bytes
        (("a" * 40, ""), 11),  # its end, at least
        (("", "b" * 40), 20),
    ],
)
def test_a_whole_answer_tells_its_first_choice(texts: tuple[str, ...], completion: int, chat: bool) -> None:
    answer = whole(*texts, chat=chat)
    assert count_all_choices(answer, [])
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": completion, "total_tokens": 5 + completion}


def test_thoughts_and_calls_are_text_too() -> None:
    answer = whole("a" * 40, "")
    answer["choices"][1]["message"] = {
        "content": None,
        "reasoning_content": "b" * 20,
        "tool_calls": [{"function": {"arguments": "c" * 20}}, {"function": None}, 3],
    }
    assert count_all_choices(answer, []) and answer["usage"]["completion_tokens"] == 20


@pytest.mark.parametrize(
    ("prompts", "prompt"),
    [(["a" * 10, "b" * 30], 20), ([[1] * 5, [1] * 9], 14), (["", "b"], 10), (["a" * 10], 5), ([], 5)],
)
def test_several_prompts_are_counted(prompts: list[Any], prompt: int) -> None:
    answer = whole("a", "b", chat=False)
    assert count_all_choices(answer, prompts) and answer["usage"]["prompt_tokens"] == prompt


@pytest.mark.parametrize(
    "answer",
    [
        whole("a"),
        {"choices": [1, 2]},
        {"usage": {}, "choices": 5},
        whole("a", "b", told=(None, 3)),
        whole("a", "b", told=(1, 2.5)),
    ],
)
def test_what_cannot_be_told_stays(answer: dict[str, Any]) -> None:
    before = json.dumps(answer)
    assert not count_all_choices(answer, []) and json.dumps(answer) == before


@pytest.mark.parametrize(
    ("timings", "usage", "one"),
    [
        ({"predicted_n": 9}, {"completion_tokens": 9}, True),
        ({"predicted_n": 9}, {"completion_tokens": 18}, False),
        ({"predicted_n": 9}, None, False),
        (None, {"completion_tokens": 9}, False),
        ({"predicted_n": 9.0}, {"completion_tokens": 9}, False),
        ({}, {}, False),
    ],
)
def test_usage_is_of_one_choice_where_llama_cpps_timings_say_so(timings: Any, usage: Any, one: bool) -> None:
    assert tells_one_choice({"timings": timings, "usage": usage, "choices": [{}, {}]}) == one
