"""Chunks of however an upstream writes them are one kind of delta."""

from __future__ import annotations

from typing import Any

import pytest

from steward.gateway.dialects.answer_deltas import AnswerDelta, AnswerDeltas, CallPiece


def read(*choices: dict[str, Any]) -> list[AnswerDelta]:
    deltas = AnswerDeltas()
    return [delta for choice in choices for delta in deltas.read({"choices": [choice]})]


def test_texts_reasons_and_the_end() -> None:
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    seen = read({"delta": {"content": "a", "reasoning_content": "r", "refusal": "n"}}, last)
    assert seen == [AnswerDelta("r", "a", "n"), AnswerDelta(finish=last)]


def test_a_call_waits_for_its_name_and_keeps_the_id_that_came_before() -> None:
    def call(**function: Any) -> dict[str, Any]:
        return {"delta": {"tool_calls": [{"index": 0, **function.pop("more", {}), "function": function}]}}

    seen = read(
        call(arguments="{", more={"id": "a"}), call(arguments="1"), call(name="f", arguments="2"), call(arguments="}")
    )
    assert [one.calls for one in seen] == [(), (), (CallPiece(0, "a", "f", "{12"),), (CallPiece(0, None, "f", "}"),)]


def test_only_the_choice_that_comes_first_is_read() -> None:
    assert read({"index": 1, "delta": {"content": "a"}}, {"index": 0, "delta": {"content": "b"}}) == [
        AnswerDelta(text="a")
    ]


def test_a_message_stands_for_deltas_that_never_came() -> None:
    message = {"index": 0, "message": {"content": "a"}}
    assert read(message, message) == [AnswerDelta(text="a"), AnswerDelta()]
    assert read({"text": "a"}, {"text": "b"}) == [AnswerDelta(text="a"), AnswerDelta(text="b")]


@pytest.mark.parametrize("kind", ["content", "reasoning_content", "refusal"])
def test_a_call_without_arguments_is_told_before_what_follows_it(kind: str) -> None:
    call = {"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}}
    waits, told, after = read(call, {"delta": {kind: "x"}})
    assert (waits, told) == (AnswerDelta(), AnswerDelta(calls=(CallPiece(0, "a", "f", ""),)))
    assert (after.text, after.reasoning, after.refusal).count("x") == 1 and after.calls == ()
    assert len(read(call, {"delta": {kind: ""}})) == 2  # nothing has followed
