"""A judge of answers reads what clients and upstreams send, whatever that is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from steward.workflows.serve.release_judge import ChatJudge


def answer(text: Any) -> bytes:
    return msgspec.json.encode({"choices": [{"message": {"content": text}}]})


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ({"messages": [{"role": "user", "content": "hello"}]}, "user: hello"),
        ({"messages": ["hello"]}, "hello"),
        ({"messages": None}, ""),
        ({"messages": {"role": "user"}}, ""),
        ([], ""),
    ],
)
def test_a_chat_of_any_form_is_put_before_the_judge(body: Any, read: str) -> None:
    questions = ChatJudge("judge", "kind").write_questions(msgspec.json.encode(body), answer("one"), answer("two"))
    for question in questions:
        assert read in question.decode() and "one" in question.decode() and "two" in question.decode()


@pytest.mark.parametrize(
    "reply", [b"", b"nonsense", b"[]", b'{"choices": [1]}', answer(None), answer([1]), answer("I like both")]
)
def test_a_judge_that_answers_nonsense_has_said_nothing(reply: bytes) -> None:
    assert ChatJudge("judge", "kind").read_replies((answer("Verdict: tie"), reply)) is None


def test_a_message_without_text_is_read_as_empty_and_others_by_their_kind() -> None:
    parts = [{"type": "text", "text": "look"}, {"type": "image_url"}, "at this"]
    chat = [{"role": "assistant", "content": None}, {"role": "user", "content": parts}]
    (question, _) = ChatJudge("judge", "kind").write_questions(
        msgspec.json.encode({"messages": chat}), answer("one"), answer("two")
    )
    asked = msgspec.json.decode(question)["messages"][-1]["content"]
    assert "assistant: \n\nuser: look\n[image_url]\nat this" in asked


@pytest.mark.parametrize(("verdicts", "score"), [(("B", "A"), 1.0), (("A", "B"), -1.0), (("A", "A"), 0.0)])
def test_a_candidate_wins_where_both_orders_say_so(verdicts: tuple[str, str], score: float) -> None:
    """The candidate is B in the first question, and A in the second."""
    one, other = (answer(f"Verdict: {verdict}") for verdict in verdicts)
    assert ChatJudge("judge", "kind").read_replies((one, other)) == score
