import json

import pytest

from steward.core.errors import InputError, Unavailable
from steward.gateway.prompts import PromptExample
from steward.workflows.playground import build_messages, read_answer

ANSWER = {
    "model": "m",
    "choices": [{"message": {"content": "hi"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


def test_an_answer_is_read_with_its_receipt() -> None:
    answer = read_answer(json.dumps(ANSWER).encode(), 200, {"x-steward-guards": "privacy"}, 1.5)
    assert (answer.text, answer.model, answer.input_tokens, answer.output_tokens) == ("hi", "m", 3, 1)
    assert (answer.guards, answer.duration_s, answer.problem) == ("privacy", 1.5, "")


def test_an_answer_without_text_or_usage_is_one() -> None:
    body = json.dumps({"choices": [{"message": {"content": None}}]}).encode()
    answer = read_answer(body, 200, {}, 0.0)
    assert (answer.text, answer.input_tokens, answer.guards) == ("", None, "")


def test_a_refusal_is_told_in_the_gateways_words() -> None:
    answer = read_answer(b'{"error": {"message": "no budget left"}}', 429, {}, 0.0)
    assert (answer.problem, answer.status, answer.text) == ("no budget left", 429, "")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"error": "x"}'])
def test_what_is_no_answer_is_said_to_be_none(body: bytes) -> None:
    for status in (200, 500):
        with pytest.raises(Unavailable, match=f"status {status}"):
            read_answer(body, status, {}, 0.0)


def test_a_prompt_stands_before_the_question() -> None:
    messages = build_messages("be", [PromptExample("a", "b")], "c")
    assert [(one["role"], one["content"]) for one in messages] == [
        ("system", "be"), ("user", "a"), ("assistant", "b"), ("user", "c"),
    ]  # fmt: skip
    assert build_messages(None, (), "c") == [{"role": "user", "content": "c"}]
    with pytest.raises(InputError, match="write a question"):
        build_messages(None, (), " \n")
