"""C9, C10, C11: however an upstream writes its chunks, translated streams have the same calls and texts.

Shapes as they are met: Gemini (no index), Ollama (arguments as an object), OpenAI before tools (`function_call`),
proxies that send a whole `message`, servers whose stream begins with a byte-order mark.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from compatibility.scripted_engine import Gate

BODIES: dict[str, dict[str, Any]] = {
    "/v1/responses": {"model": "m", "input": "hi", "stream": True},
    "/v1/messages": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True},
}


def choice(delta: Any, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def call(arguments: Any = None, name: str | None = None, identifier: str | None = None, **more: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return choice({"tool_calls": [{**({"id": identifier} if identifier else {}), "function": function, **more}]})


def events(*choices: dict[str, Any], before: bytes = b"") -> list[bytes]:
    chunks = [{"id": "c", "object": "chat.completion.chunk", "model": "up", "choices": [one]} for one in choices]
    first, *rest = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return [before + first, *rest, b"data: [DONE]\n\n"]


def read(endpoint: str, pieces: list[bytes]) -> tuple[str, list[tuple[str, str]]]:
    """The text, and name and arguments of each call, as the client's events tell them."""
    gate = Gate({"m": lambda body: (200, pieces)}, endpoints=frozenset({"/v1/chat/completions"}))
    status, content, _ = gate.ask(BODIES[endpoint], endpoint)
    assert status == 200, content
    text, calls, last = "", dict[int, list[str]](), {}
    for line in content.decode().splitlines():
        if not line.startswith("data: {"):
            continue
        last = event = json.loads(line[6:])
        if event["type"] == "response.output_text.delta":
            text += event["delta"]
        elif event["type"] == "content_block_delta":
            text += event["delta"].get("text", "")
            if event["index"] in calls:
                calls[event["index"]][1] += event["delta"].get("partial_json", "")
        elif event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            calls[event["index"]] = [event["content_block"]["name"], ""]
        elif event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call":
            calls[event["output_index"]] = [event["item"]["name"], event["item"]["arguments"]]
    assert last["type"] in ("response.completed", "message_stop"), content
    return text, [(name, arguments) for name, arguments in calls.values()]


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize(
    "pieces",
    [
        [call('{"x"', "f", "a"), call(":1}")],  # no index
        [call('{"x"', None, None, index=0), call(":1}", "f", "a", index=0)],  # the name after the first arguments
        [call('{"x"', None, "a", index=0), call(":1}", "f", "a", index=0)],  # the id before the name
        [call('{"x"', "f", "a", index=0), call(":1}", "f", "a", index=0)],  # id and name with each fragment
        [call('{"x"', "f", "a", index=0), call(":1}", "", "a", index=0)],  # an empty name
        [call({"x": 1}, "f", "a", index=0)],  # arguments as an object
        [call('{"x":1}', "f", "a", index=5)],  # an index that jumps
        [
            choice({"function_call": {"name": "f", "arguments": '{"x"'}}),
            choice({"function_call": {"arguments": ":1}"}}),
        ],
        [{"index": 0, "message": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}]}}],
    ],
)
def test_c9_one_call(endpoint: str, pieces: list[dict[str, Any]]) -> None:
    text, calls = read(endpoint, events(*pieces, choice({}, "tool_calls")))
    assert text == "" and [(name, json.loads(arguments)) for name, arguments in calls] == [("f", {"x": 1})]


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize(
    "pieces",
    [
        [call("{}", "f", "a", index=0), call("{}", "g", "b", index=0)],
        [call("{}", "f", "a", index=3), call("{}", "g", "b", index=7)],
        [choice({"tool_calls": [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]})],
        [call("{}", "f", "a", index=0), call("", "g", "b", index=1), call("{}", None, None, index=1)],
    ],
)
def test_c9_two_calls(endpoint: str, pieces: list[dict[str, Any]]) -> None:
    assert read(endpoint, events(*pieces, choice({}, "tool_calls")))[1] == [("f", "{}"), ("g", "{}")]


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize(
    "pieces",
    [
        events(choice({"content": "H"}), choice({"content": "i"}), choice({}, "stop"), before=b"\xef\xbb\xbf"),
        events({"index": 0, "text": "Hi", "finish_reason": None}, choice({}, "stop")),
        events({"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}),
        events(choice({"content": "Hi"}), {"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}),
        events(choice({"content": "Hi"}), {**choice({}, "stop"), "message": {"content": "Hi"}}),
        events(choice({"content": [{"type": "text", "text": "Hi"}]}), choice(None, "stop")),
        events(
            choice({"content": "Hi"}), choice({"content": "no"}, None, 1), choice({}, "stop"), choice({}, "stop", 1)
        ),
    ],
)
def test_c11_one_text(endpoint: str, pieces: list[bytes]) -> None:
    assert read(endpoint, pieces) == ("Hi", [])


def test_c9_a_chat_client_gets_arguments_as_text() -> None:
    gate = Gate({"m": lambda body: (200, events(call({"x": 1}, "f", "a", index=0), choice({}, "tool_calls")))})
    _, content, _ = gate.ask({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})
    first = json.loads(content.decode().splitlines()[0][6:])
    assert first["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"x":1}'


@pytest.mark.parametrize("endpoint", BODIES)
@pytest.mark.parametrize(
    "message",
    [
        {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]},
        {"function_call": {"name": "f", "arguments": '{"x":1}'}},
    ],
)
def test_c9_whole_answers(endpoint: str, message: dict[str, Any]) -> None:
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    gate = Gate({"m": lambda body: (200, answer)}, endpoints=frozenset({"/v1/chat/completions"}))
    _, content, _ = gate.ask({**BODIES[endpoint], "stream": False}, endpoint)
    answered = json.loads(content)
    (item,) = answered.get("output") or answered["content"]
    assert item["name"] == "f" and (item.get("input") or json.loads(item["arguments"])) == {"x": 1}


PARTS: list[Any] = [  # as content: of a message's parts, one alone, the Assistants API's, and some that name no kind
    [{"type": "text", "text": "Yes."}],
    {"type": "text", "text": "Yes."},
    [{"type": "text", "text": {"value": "Yes."}}],
    [{"text": "Ye"}, None, {"text": "s."}],
    [{"type": "refusal", "refusal": "Yes."}],
]


@pytest.mark.parametrize("content", PARTS)
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("endpoint", BODIES)
def test_c11_no_part_with_text_is_lost(endpoint: str, streams: bool, content: Any) -> None:
    message = {"role": "assistant", "content": content}
    answer = {"id": "c", "model": "up", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    reply: Any = events(choice(message), choice({}, "stop")) if streams else answer
    gate = Gate({"m": lambda body: (200, reply)}, endpoints=frozenset({"/v1/chat/completions"}))
    assert b'"Yes."' in gate.ask({**BODIES[endpoint], "stream": streams}, endpoint)[1]


def ask_chat(reply: Any, streams: bool) -> bytes:
    """What a client of chat completions itself gets."""
    gate = Gate({"m": lambda body: (200, reply)})
    status, content, _ = gate.ask({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": streams})
    assert status == 200, content
    return content


def join_deltas(content: bytes) -> dict[str, str]:
    """As OpenAI's SDK reads a stream, and applications join it: by `delta`, whose fields are texts."""
    joined: dict[str, str] = {}
    for line in content.decode().splitlines():
        for one in json.loads(line[6:])["choices"] if line.startswith("data: {") else ():
            for name, text in one["delta"].items():
                if text is not None:
                    joined[name] = joined.get(name, "") + text
    return joined


THOUGHT: list[Any] = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
    {"type": "text", "text": "Yes."},
]


@pytest.mark.parametrize(
    "pieces",
    [
        events(choice({"content": THOUGHT}), choice({}, "stop")),
        events(choice({"content": THOUGHT[:1]}), choice({"content": THOUGHT[1]}), choice({}, "stop")),
        events(choice({"role": "assistant"}), {"index": 0, "message": {"content": THOUGHT}, "finish_reason": "stop"}),
        events(
            choice({"reasoning_content": "Hm."}),
            choice({"content": "Yes."}),
            {"index": 0, "message": {"content": "Yes."}, "finish_reason": "stop"},
        ),
        events(
            choice({"role": "assistant", "content": ""}),
            choice({"reasoning_content": "Hm."}),
            choice({"content": "Yes."}),
            choice({}, "stop"),
        ),
    ],
)
def test_c11_a_chat_client_gets_texts_and_deltas(pieces: list[bytes]) -> None:
    joined = join_deltas(ask_chat(pieces, True))
    assert (joined["content"], joined["reasoning_content"]) == ("Yes.", "Hm.")


def test_c11_a_chat_client_gets_a_whole_answer_as_text() -> None:
    message = {"role": "assistant", "content": THOUGHT}
    content = ask_chat({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, False)
    answered = json.loads(content)["choices"][0]["message"]
    assert answered == {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}


def test_c11_a_part_that_is_no_text_stays_where_it_is() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    answer = {"choices": [{"index": 0, "message": {"content": [*THOUGHT, picture]}, "finish_reason": "stop"}]}
    assert json.loads(ask_chat(answer, False)) == answer


@pytest.mark.parametrize(
    ("call", "identifier", "arguments"),
    [
        ({"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}, "a", '{"x":1}'),
        ({"id": "a", "function": {"name": "f", "arguments": None}}, "a", "{}"),
        ({"id": "a", "function": {"name": "f", "arguments": '{"x":'}}, "a", '{"x":'),
        ({"function": {"name": "f", "arguments": "{}"}}, "call_10", "{}"),
        ({"id": 5, "function": {"name": "f", "arguments": "{}"}}, "5", "{}"),
    ],
)
def test_c9_a_chat_client_gets_whole_calls_as_its_api_has_them(call: Any, identifier: str, arguments: str) -> None:
    answer = {"choices": [{"index": 0, "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    (answered,) = json.loads(ask_chat(answer, False))["choices"][0]["message"]["tool_calls"]
    assert (answered["id"], answered["function"]["arguments"]) == (identifier.replace("10", "100"), arguments)


def test_c9_an_id_that_is_a_number_is_a_text_in_every_dialect() -> None:
    call = {"id": 5, "function": {"name": "f", "arguments": "{}"}}
    answer = {"choices": [{"index": 0, "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    for endpoint, name in (("/v1/responses", "call_id"), ("/v1/messages", "id")):
        gate = Gate({"m": lambda body: (200, answer)}, endpoints=frozenset({"/v1/chat/completions"}))
        answered = json.loads(gate.ask({**BODIES[endpoint], "stream": False}, endpoint)[1])
        assert (answered.get("output") or answered["content"])[0][name] == "5"


def test_c11_what_is_as_it_should_be_passes_as_it_came() -> None:
    body = json.dumps({"choices": [{"index": 0, "message": {"content": '"content":['}, "finish_reason": "stop"}]})
    assert ask_chat(body.encode(), False) == body.encode()
    pieces = events(choice({"content": '"message" and "content": ['}), choice({}, "stop"))
    assert ask_chat(pieces, True) == b"".join(pieces)


def test_c11_a_byte_order_mark_before_a_whole_answer() -> None:
    answer = b'\xef\xbb\xbf{"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    assert json.loads(ask_chat(answer, False))["choices"][0]["message"]["content"] == "Hi"


def test_c9_a_list_of_chunks_is_a_stream() -> None:
    chunks = [{"choices": [one]} for one in (choice({"content": "Hi"}), choice({}, "stop"))]
    assert join_deltas(ask_chat(json.dumps(chunks).encode(), True)) == {"content": "Hi"}


@pytest.mark.parametrize("content", [5, True, [], [7], {"type": "image"}])
def test_c11_what_is_no_text_is_none(content: Any) -> None:
    pieces = events(choice({"content": content}), choice({"content": "Yes."}), choice({}, "stop"))
    assert read("/v1/messages", pieces) == ("Yes.", [])


@pytest.mark.parametrize("streams", [False, True])
def test_c10_an_item_that_was_cut_off_is_incomplete(streams: bool) -> None:
    """OpenAI API reference, "Create a model response": an item's status, "in_progress", "completed" or "incomplete"."""
    function = {"name": "f", "arguments": '{"a": "b'}
    call_piece = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    whole = {"choices": [{"index": 0, "message": {"content": "Hm", **call_piece}, "finish_reason": "length"}]}
    pieces = events(choice({"content": "Hm"}), choice(call_piece), choice({}, "length"))
    gate = Gate({"m": lambda body: (200, pieces if streams else whole)}, endpoints=frozenset({"/v1/chat/completions"}))
    content = gate.ask({**BODIES["/v1/responses"], "stream": streams}, "/v1/responses")[1]
    response = json.loads(content.decode().rpartition("data: ")[2] if streams else content)
    response = response.get("response", response)
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]
    assert response["output"][1]["arguments"] == '{"a": "b'


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("told", "stop_reason", "status"),
    [
        ("length", "max_tokens", "incomplete"),
        ("model_length", "max_tokens", "incomplete"),  # Mistral API reference, "finish_reason"
        ("max_tokens", "max_tokens", "incomplete"),  # Anthropic's and Bedrock's, through proxies
        ("MAX_TOKENS", "max_tokens", "incomplete"),  # Gemini API reference, "FinishReason"; Cohere
        ("SAFETY", "refusal", "incomplete"),
        ("end_turn", "end_turn", "completed"),
        ("eos_token", "end_turn", "completed"),  # Text Generation Inference
        ("COMPLETE", "end_turn", "completed"),
        ("never heard of", "end_turn", "completed"),
    ],
)
def test_c10_an_end_is_told_however_it_is_spelt(told: str, stop_reason: str, status: str, streams: bool) -> None:
    message = {"role": "assistant", "content": "Yes."}
    answer = {"id": "c", "model": "up", "choices": [{"index": 0, "message": message, "finish_reason": told}]}
    reply: Any = events(choice(message), choice({}, told)) if streams else answer
    ends = []
    for endpoint in ("/v1/messages", "/v1/responses"):
        gate = Gate({"m": lambda body: (200, reply)}, endpoints=frozenset({"/v1/chat/completions"}))
        content = gate.ask({**BODIES[endpoint], "stream": streams}, endpoint)[1].decode()
        ends += re.findall(r'"(?:stop_reason|status)":"([a-z_]+)"', content)[-1:] if endpoint == "/v1/messages" else []
        if endpoint == "/v1/responses":
            last = json.loads(content.splitlines()[-2][6:])["response"] if streams else json.loads(content)
            ends.append(last["status"])
    assert ends == [stop_reason, status]


@pytest.mark.parametrize("told", ["model_length", "max_tokens", "length"])
@pytest.mark.parametrize("streams", [False, True])
def test_s9_no_answer_that_was_cut_off_teaches_a_length(told: str, streams: bool) -> None:
    message = {"role": "assistant", "content": "Yes."}
    answer = {"choices": [{"index": 0, "message": message, "finish_reason": told}]}
    reply: Any = events(choice(message), choice({}, told)) if streams else answer
    gate = Gate({"m": lambda body: (200, reply)})
    gate.ask({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": streams})
    assert gate.exchange.shortened


@pytest.mark.parametrize("told", ["tool_use", "eos", "STOP"])
def test_c9_a_call_is_told_where_the_end_is_spelt_otherwise(told: str) -> None:
    called = {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    answer = {"choices": [{"index": 0, "message": called, "finish_reason": told}]}
    gate = Gate({"m": lambda body: (200, answer)}, endpoints=frozenset({"/v1/chat/completions"}))
    content = gate.ask({**BODIES["/v1/messages"], "stream": False}, "/v1/messages")[1]
    assert json.loads(content)["stop_reason"] == "tool_use"
