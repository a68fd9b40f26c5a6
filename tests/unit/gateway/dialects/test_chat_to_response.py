"""Chat completions as responses (C9, C18, C19): the counts, and every field that a strict client requires.

Required fields: OpenAI's OpenAPI description (CreateChatCompletionResponse, Response) with the nullable ones of the
Open Responses specification.
"""

import json
from typing import Any

import pytest
from openai.types.responses import Response

from compatibility.events import chunk, parse_events
from compatibility.parallel_calls import SHAPES
from steward.core.errors import Refused
from steward.gateway.dialects import chat_to_message, chat_to_response
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.dialects.chat_to_response import ResponseStream

CHAT: dict[str, Any] = {
    "model": "m",
    "choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
}
RESPONSE_FIELDS = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
    "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
    "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens",
    "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
}  # fmt: skip


def test_c19_a_response_has_every_required_field_while_it_runs_and_at_its_end() -> None:
    whole = chat_to_response.translate_answer(CHAT, {"model": "m"}, "req_1", 1.0)
    assert whole.keys() >= RESPONSE_FIELDS and whole["completed_at"] >= 1
    assert (whole["temperature"], whole["top_p"], whole["metadata"]) == (1.0, 1.0, {})
    assert Response.model_validate(whole).usage is not None
    stream = chat_to_response.ResponseStream({"model": "m", "temperature": 0.5}, "req_1", 1.0)
    begun = parse_events(stream.feed(chunk({"content": "Yes."})))[0]["response"]
    assert begun.keys() >= RESPONSE_FIELDS and begun["completed_at"] is None and begun["temperature"] == 0.5


def test_c18_without_a_usage_the_estimate_stays() -> None:
    stream = chat_to_message.MessageStream({"model": "m"}, "req_1", 37)
    stream.feed(chunk({"content": "Yes."}))
    last = parse_events(stream.end(TokenCounts(37, 6)))[-2]
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (37, 6)
    response = chat_to_response.ResponseStream({"model": "m"}, "req_1", 1.0)
    response.feed(chunk({"content": "Yes."}))
    usage = parse_events(response.end(TokenCounts(37, 6)))[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (37, 6, 43)


@SHAPES
def test_a_response_has_two_items(fragments: list[Any]) -> None:
    stream = ResponseStream({"model": "m"}, "req_1", 0.0)
    for calls in fragments:
        stream.feed(chunk({"tool_calls": calls}))
    output = parse_events(stream.end(TokenCounts()))[-1]["response"]["output"]
    assert [(item["call_id"], item["name"], json.loads(item["arguments"])) for item in output] == [
        ("id1", "f", {"a": 1}),
        ("id2", "g", {"b": 2}),
    ]


def events_of(*chunks: dict[str, Any]) -> list[dict[str, Any]]:
    stream = ResponseStream({"model": "m"}, "req_1", 1.9)
    return parse_events([*(part for one in chunks for part in stream.feed(one)), *stream.end(TokenCounts(3, 5))])


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def test_a_whole_answer_to_the_last_item() -> None:
    message = {
        "content": "Look.",
        "reasoning": "hm",
        "refusal": "No.",
        "tool_calls": [{"id": "t1", "function": {"name": "f", "arguments": "{}"}}, {"function": {"name": "g"}}],
    }
    usage = {
        "prompt_tokens": 9, "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }  # fmt: skip
    chat = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": usage}
    response = chat_to_response.translate_answer(chat, {"model": "asked"}, "req_1", 1.9)
    call_item = {"type": "function_call", "status": "completed"}
    assert response["output"] == [
        {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {
            "id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
            "content": [text_part("Look."), {"type": "refusal", "refusal": "No."}],
        },
        {**call_item, "id": "fc_10", "call_id": "t1", "name": "f", "arguments": "{}"},
        {**call_item, "id": "fc_11", "call_id": "call_11", "name": "g", "arguments": ""},
    ]  # fmt: skip
    assert response["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 11,
    }
    told = {field: value for field, value in response.items() if field not in ("output", "usage", "completed_at")}
    assert told == {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "background": False,
        "error": None, "incomplete_details": None, "instructions": None, "max_output_tokens": None,
        "max_tool_calls": None, "metadata": {}, "model": "asked", "parallel_tool_calls": True,
        "presence_penalty": 0.0, "frequency_penalty": 0.0, "previous_response_id": None, "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None, "service_tier": "default",
        "store": False, "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [],
        "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
    }  # fmt: skip


def test_what_was_asked_is_echoed() -> None:
    asked = {"temperature": 0, "tools": [{"type": "web_search"}], "user": None, "store": True, "metadata": {"a": "b"}}
    response = chat_to_response.translate_answer(CHAT, asked, "req_1", 0.0)
    assert (response["temperature"], response["tools"], response["metadata"]) == (0, asked["tools"], {"a": "b"})
    assert response["store"] is True and response["user"] is None and response["model"] == "m"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [("length", "incomplete", "max_output_tokens"), ("content_filter", "incomplete", "content_filter"),
     ("stop", "completed", None), ("tool_calls", "completed", None), (None, "completed", None)],
)  # fmt: skip
def test_answers_that_were_cut_off_are_incomplete(finish: Any, status: str, reason: str | None) -> None:
    chat = {"choices": [{"message": {"content": "a"}, "finish_reason": finish}]}
    for response in (
        chat_to_response.translate_answer(chat, {}, "req_1", 0.0),
        events_of(chunk({"content": "a"}), chunk(finish=finish))[-1]["response"],
    ):
        assert response["status"] == status
        assert response["incomplete_details"] == (reason and {"reason": reason})
        assert (response["completed_at"] is None) == (reason is not None)
    assert events_of(chunk(finish=finish))[-1]["type"] == f"response.{status}"


@pytest.mark.parametrize("message", [{}, {"content": ""}, {"content": None}])
def test_an_answer_without_anything_is_an_empty_text(message: dict[str, Any]) -> None:
    response = chat_to_response.translate_answer({"choices": [{"message": message}]}, {}, "req_1", 0.0)
    assert [item["content"] for item in response["output"]] == [[text_part("")]]


def test_calls_alone_are_no_message() -> None:
    message = {"content": None, "tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}]}
    response = chat_to_response.translate_answer({"choices": [{"message": message}]}, {}, "req_1", 0.0)
    assert [item["type"] for item in response["output"]] == ["function_call"]


def test_a_stream_to_the_last_event() -> None:
    events = events_of(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "Lo"}),
        chunk({"content": "ok."}),
        chunk({"refusal": "No."}),
        chunk({"tool_calls": [{"index": 0, "id": "t1", "function": {"name": "f", "arguments": '{"a"'}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"name": "g", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
        chunk(finish="tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}},
    )
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    begun = events[0]["response"]
    assert (begun["status"], begun["usage"], begun["output"]) == ("in_progress", None, [])
    assert (begun["created_at"], begun["completed_at"]) == (1, None)

    def made(kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"response.{kind}", **fields}

    def at(index: int, name: str, **more: Any) -> dict[str, Any]:
        return {"item_id": name, "output_index": index, **more}

    message = {"type": "message", "status": "completed", "role": "assistant"}
    thought = {"id": "rs_10", "type": "reasoning", "summary": []}
    first = {"id": "fc_13", "type": "function_call", "status": "completed", "call_id": "t1", "name": "f"}
    second = {"id": "fc_14", "type": "function_call", "status": "completed", "call_id": "call_14", "name": "g"}
    refusal = {"type": "refusal", "refusal": "No."}
    whole = [
        {**thought, "content": [{"type": "reasoning_text", "text": "hm"}]},
        {**message, "id": "msg_11", "content": [text_part("Look.")]},
        {**message, "id": "msg_12", "content": [refusal]},
        {**first, "arguments": '{"a":1}'},
        {**second, "arguments": ""},
    ]
    running = {"status": "in_progress"}
    expected = [
        made("output_item.added", output_index=0, item={**thought, "content": []}),
        made("content_part.added", **at(0, "rs_10", content_index=0), part={"type": "reasoning_text", "text": ""}),
        made("reasoning_text.delta", **at(0, "rs_10", content_index=0), delta="hm"),
        made("reasoning_text.done", **at(0, "rs_10", content_index=0), text="hm"),
        made("content_part.done", **at(0, "rs_10", content_index=0), part={"type": "reasoning_text", "text": "hm"}),
        made("output_item.done", output_index=0, item=whole[0]),
        made("output_item.added", output_index=1, item={**message, "id": "msg_11", **running, "content": []}),
        made("content_part.added", **at(1, "msg_11", content_index=0), part=text_part("")),
        made("output_text.delta", **at(1, "msg_11", content_index=0), delta="Lo", logprobs=[]),
        made("output_text.delta", **at(1, "msg_11", content_index=0), delta="ok.", logprobs=[]),
        made("output_text.done", **at(1, "msg_11", content_index=0), text="Look.", logprobs=[]),
        made("content_part.done", **at(1, "msg_11", content_index=0), part=text_part("Look.")),
        made("output_item.done", output_index=1, item=whole[1]),
        made("output_item.added", output_index=2, item={**message, "id": "msg_12", **running, "content": []}),
        made("content_part.added", **at(2, "msg_12", content_index=0), part={"type": "refusal", "refusal": ""}),
        made("refusal.delta", **at(2, "msg_12", content_index=0), delta="No."),
        made("refusal.done", **at(2, "msg_12", content_index=0), refusal="No."),
        made("content_part.done", **at(2, "msg_12", content_index=0), part=refusal),
        made("output_item.done", output_index=2, item=whole[2]),
        made("output_item.added", output_index=3, item={**first, **running, "arguments": ""}),
        made("function_call_arguments.delta", **at(3, "fc_13"), delta='{"a"'),
        made("output_item.added", output_index=4, item={**second, **running, "arguments": ""}),
        made("function_call_arguments.delta", **at(3, "fc_13"), delta=":1}"),
        made("function_call_arguments.done", **at(3, "fc_13"), arguments='{"a":1}', name="f"),
        made("output_item.done", output_index=3, item=whole[3]),
        made("function_call_arguments.done", **at(4, "fc_14"), arguments="", name="g"),
        made("output_item.done", output_index=4, item=whole[4]),
    ]
    told = [{key: value for key, value in event.items() if key != "sequence_number"} for event in events[2:-1]]
    assert told == expected
    response = events[-1]["response"]
    assert events[-1]["type"] == "response.completed" and response["output"] == whole
    assert (response["usage"]["input_tokens"], response["usage"]["output_tokens"]) == (9, 2)


def test_a_stream_without_output_is_an_empty_text() -> None:
    events = events_of(chunk())
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.done", "content_part.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    assert events[-1]["response"]["output"][0]["content"] == [text_part("")]
    assert events[-1]["response"]["usage"]["total_tokens"] == 8  # the estimate: 3 + 5


def test_a_call_that_goes_on_after_text_is_the_upstreams_failure() -> None:
    stream = ResponseStream({"model": "m"}, "req_1", 0.0)
    stream.feed(chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}]}))
    stream.feed(chunk({"content": "well"}))
    with pytest.raises(Refused, match="continued a tool call"):
        stream.feed(chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}))
