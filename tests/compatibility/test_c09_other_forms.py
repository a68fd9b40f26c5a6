"""C9, C12, C18: an upstream that answers in another form than it was asked for, or tells a call's name in pieces.

Forms as they are met: servers that do not stream (with tools, or at all) and answer with one JSON object; servers that
always stream; JSON values a line (`application/x-ndjson`), whatever the content type says.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.events import parse_events
from compatibility.scripted_engine import Gate, streamed, whole
from steward.core.errors import Refused

SAY: list[Any] = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "m", "messages": SAY},
    "/v1/messages": {"model": "m", "max_tokens": 9, "messages": SAY},
    "/v1/responses": {"model": "m", "input": "hi"},
}
CHAT = frozenset({"/v1/chat/completions"})
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def ask(endpoint: str, answer: Any, kind: str = "", spoken: frozenset[str] = CHAT, **more: Any) -> tuple[bytes, Gate]:
    """`kind`: the content type, where it is not the one that the content has."""
    gate = Gate({"m": lambda body: (200, answer)}, endpoints=spoken)
    gate.engines["m"].headers = {"content-type": kind} if kind else {}
    status, content, _ = gate.ask({**BODIES[endpoint], **more}, endpoint)
    assert status == 200, content
    return content, gate


def tell(endpoint: str, content: bytes) -> tuple[str, list[tuple[str, str]], int]:
    """Text, calls and output tokens of a whole answer."""
    answer = json.loads(content)
    if endpoint == "/v1/chat/completions":
        message = answer["choices"][0]["message"]
        calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or ()]
        return message["content"] or "", calls, answer["usage"]["completion_tokens"]
    items = answer.get("output") or answer["content"]
    texts = [item.get("text") or item["content"][0]["text"] for item in items if item["type"] in ("text", "message")]
    calls = [(i["name"], i.get("arguments") or json.dumps(i["input"]).replace(" ", "")) for i in items if "name" in i]
    return "".join(texts), calls, answer["usage"]["output_tokens"]


def tell_stream(endpoint: str, content: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Text and calls of a streamed answer."""
    text, calls = "", list[list[str]]()
    for event in parse_events([content]):
        for choice in event.get("choices") or ():
            text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or ():
                calls += [] if call["index"] < len(calls) else [["", ""]]
                calls[call["index"]][0] += call["function"].get("name") or ""
                calls[call["index"]][1] += call["function"].get("arguments") or ""
        if event.get("type") == "content_block_start" and event["content_block"]["type"] == "tool_use":
            calls.append([event["content_block"]["name"], ""])
        elif event.get("type") == "content_block_delta":
            text += event["delta"].get("text", "")
            if calls:
                calls[-1][1] += event["delta"].get("partial_json", "")
        elif event.get("type") == "response.output_text.delta":
            text += event["delta"]
        elif event.get("type") == "response.output_item.done" and event["item"]["type"] == "function_call":
            calls.append([event["item"]["name"], event["item"]["arguments"]])
    return text, [(name, arguments) for name, arguments in calls]


def with_call(text: str | None = None) -> dict[str, Any]:
    answer = whole(text or "", usage=USAGE)
    answer["choices"][0] |= {"message": {"role": "assistant", "content": text, "tool_calls": [CALL]}}
    answer["choices"][0]["finish_reason"] = "tool_calls"
    return answer


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("pretty", [False, True])
@pytest.mark.parametrize("kind", ["", "text/event-stream", "text/plain"])
def test_a_whole_answer_where_a_stream_was_asked_for(endpoint: str, pretty: bool, kind: str) -> None:
    body = json.dumps(with_call("Yes."), indent=2 if pretty else None).encode()
    content, gate = ask(endpoint, body, kind, stream=True)
    assert tell_stream(endpoint, content) == ("Yes.", [("f", '{"x":1}')])
    assert gate.exchange.usage is not None and gate.exchange.usage.completion_tokens == 5
    assert (b"[DONE]" in content) is (endpoint == "/v1/chat/completions") and not gate.exchange.failed


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/json", "text/event-stream", ""])
@pytest.mark.parametrize("cut", [1, 3, 10_000])
def test_json_values_a_line_are_events(endpoint: str, kind: str, cut: int) -> None:
    lines = b"".join(event[6:-1] for event in streamed("Ye", "s.") if b"[DONE]" not in event)
    pieces = [lines[at : at + 100 * cut] for at in range(0, len(lines), 100 * cut)]
    content, gate = ask(endpoint, pieces, kind, stream=True)
    assert tell_stream(endpoint, content) == ("Yes.", []) and not gate.exchange.failed


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("lines", [False, True])
def test_a_stream_where_a_whole_answer_was_asked_for(endpoint: str, lines: bool) -> None:
    pieces = call_pieces(("", "f", "a"), ('{"x"', None, None), (":1}", None, None))
    pieces[:0] = streamed("Yes.")[:1]
    last = {"choices": [], "usage": USAGE}
    pieces[-1:] = [f"data: {json.dumps(last)}\n\n".encode(), b"data: [DONE]\n\n"]
    if lines:
        pieces = [piece[6:-1] for piece in pieces[:-1]]
    content, gate = ask(endpoint, pieces, "application/x-ndjson" if lines else "")
    assert tell(endpoint, content) == ("Yes.", [("f", '{"x":1}')], 5)
    assert gate.exchange.usage is not None and gate.exchange.usage.prompt_tokens == 7


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_stream_that_breaks_off_is_no_whole_answer(endpoint: str) -> None:
    with pytest.raises(Refused) as caught:
        ask(endpoint, streamed("Ye")[:1])
    assert (caught.value.status, caught.value.code) == (502, "stream_truncated")


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("asked", [False, True])
def test_an_error_in_the_other_form_has_its_status(endpoint: str, asked: bool) -> None:
    error = {"error": {"message": "slow down", "code": 429}}
    answer = error if asked else [f"data: {json.dumps(error)}\n\n".encode()]
    gate = Gate({"m": lambda body: (200, answer)}, endpoints=CHAT)
    status, content, _ = gate.ask({**BODIES[endpoint], "stream": asked}, endpoint)
    assert status == 429 and b"slow down" in content


CLAUDE: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
    "stop_sequence": None,
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Yes."},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    ],
    "usage": {"input_tokens": 7, "output_tokens": 5},
}  # fmt: skip


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_whole_message_of_anthropics_where_a_stream_was_asked_for(endpoint: str) -> None:
    content, gate = ask(endpoint, CLAUDE, spoken=frozenset({"/v1/messages"}), stream=True)
    assert tell_stream(endpoint, content) == ("Yes.", [("f", '{"x":1}')]) and b"hm" in content
    assert gate.exchange.usage is not None and gate.exchange.usage.completion_tokens == 5


@pytest.mark.parametrize("endpoint", BODIES)
def test_events_of_anthropics_where_a_whole_message_was_asked_for(endpoint: str) -> None:
    content, _ = ask("/v1/messages", CLAUDE, spoken=frozenset({"/v1/messages"}), stream=True)
    content, _ = ask(endpoint, [content], spoken=frozenset({"/v1/messages"}))
    assert tell(endpoint, content) == ("Yes.", [("f", '{"x":1}')], 5)


def test_a_response_in_the_other_form() -> None:
    spoken = frozenset({"/v1/responses"})
    content, _ = ask("/v1/responses", with_call("Yes."))
    events, _ = ask("/v1/responses", json.loads(content), spoken=spoken, stream=True)
    assert tell_stream("/v1/responses", events) == ("Yes.", [("f", '{"x":1}')])
    again, _ = ask("/v1/responses", [events], spoken=spoken)
    assert json.loads(again) == json.loads(content)


def call_pieces(*fragments: tuple[str, str | None, str | None]) -> list[bytes]:
    """A stream of one call: arguments, name and id of each fragment."""
    deltas: list[Any] = [
        {"tool_calls": [{"index": 0, "id": name, "type": "function", "function": {"name": part, "arguments": text}}]}
        for text, part, name in fragments
    ]
    chunks = [
        {"id": "c", "model": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"id": "c", "model": "up", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks] + [b"data: [DONE]\n\n"]


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize("form", ["stream", "whole"])
@pytest.mark.parametrize(
    "pieces",
    [
        [("", "get_", "a"), ("", "weather", None), ('{"x":1}', None, None)],  # pieces of a name
        [("", "get_", "a"), ("", "weather", "a"), ('{"x"', "", "a"), (":1}", "", "a")],
        [("", "get_weather", "a"), ('{"x"', "get_weather", "a"), (":1}", "get_weather", "a")],  # with each fragment
        [("", "get", "a"), ("", "get_weather", "a"), ('{"x":1}', "get_weather", "a")],  # longer each time
    ],
)
def test_a_name_in_pieces_or_with_each_fragment_is_one_name(endpoint: str, form: str, pieces: list[Any]) -> None:
    content, _ = ask(endpoint, call_pieces(*pieces), stream=form == "stream")
    if form == "stream":
        assert tell_stream(endpoint, content) == ("", [("get_weather", '{"x":1}')])
    else:
        gave = tell(endpoint, json.dumps({"usage": USAGE, **json.loads(content)}).encode())
        assert gave[:2] == ("", [("get_weather", '{"x":1}')])


def test_an_id_with_each_fragment_is_told_once() -> None:
    content, _ = ask("/v1/chat/completions", call_pieces(("", "f", "a"), ("{}", "f", "a")), stream=True)
    calls = [
        call for event in parse_events([content]) for c in event["choices"] for call in c["delta"].get("tool_calls", ())
    ]
    assert [call.get("id") for call in calls] == ["a", None]


@pytest.mark.parametrize("endpoint", ["/v1/messages", "/v1/responses"])
def test_a_call_without_arguments_is_told(endpoint: str) -> None:
    content, _ = ask(endpoint, call_pieces(("", "f", "a")), stream=True)
    assert [name for name, _ in tell_stream(endpoint, content)[1]] == ["f"]


USAGES: list[tuple[Any, tuple[int, int] | None]] = [  # as told, and as believed; None: the estimate
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
    ({"prompt_tokens": 7}, None),
    ({"completion_tokens": 5}, None),
    ({"prompt_tokens": -1, "completion_tokens": 5}, None),
    ({"prompt_tokens": 7, "completion_tokens": 10**12}, None),
    ({}, None),
    (None, None),
    ({"input_tokens": 7, "output_tokens": 5}, (7, 5)),
    ({"prompt_tokens": "7", "completion_tokens": 5.0}, (7, 5)),
    (USAGE, (7, 5)),
]


@pytest.mark.parametrize("endpoint", ["/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("usage", "believed"), USAGES)
def test_c18_clients_are_told_what_the_ledger_has(endpoint: str, stream: bool, usage: Any, believed: Any) -> None:
    pieces = streamed(*["word "] * 20)
    if usage is not None:
        pieces[-1:-1] = [b"data: " + json.dumps({"id": "c", "choices": [], "usage": usage}).encode() + b"\n\n"]
    answer: Any = pieces if stream else whole("word " * 20, **({} if usage is None else {"usage": usage}))
    content, gate = ask(endpoint, answer, stream=stream)
    if stream:
        last = [
            event for event in parse_events([content]) if event.get("usage") or event.get("response", {}).get("usage")
        ]
        told = last[-1].get("usage") or last[-1]["response"]["usage"]
    else:
        told = json.loads(content)["usage"]
    if believed is None:
        assert told["input_tokens"] > 0 and told["output_tokens"] > 0
        estimate = gate.exchange.estimate_input(), gate.exchange.estimate_output()
        for name, seen, expected in zip(("input_tokens", "output_tokens"), (7, 5), estimate, strict=True):
            assert told[name] in (seen, expected)
    else:
        assert (told["input_tokens"], told["output_tokens"]) == believed


def test_a_page_is_refused_in_both_forms() -> None:
    gate = Gate({"m": lambda body: (200, b"<html><title>Sign in</title></html>")}, endpoints=CHAT)
    gate.engines["m"].headers = {"content-type": "text/html"}
    for stream in (False, True):
        with pytest.raises(Refused) as caught:
            gate.ask({**BODIES["/v1/chat/completions"], "stream": stream})
        assert caught.value.status == 502


@pytest.mark.parametrize("form", ["event", "object"])
def test_c12_a_refusal_within_a_stream_is_asked_again_without(form: str) -> None:
    error = {"error": {"message": "Unrecognized request argument supplied: stream_options", "code": 400}}
    refusal: Any = [f"data: {json.dumps(error)}\n\n".encode()] if form == "event" else error
    gate = Gate({"m": lambda body: (200, refusal if "stream_options" in body else streamed("x"))})
    status, _, _ = gate.ask({**BODIES["/v1/chat/completions"], "stream": True})
    assert status == 200 and len(gate.engines["m"].asked) == 2
