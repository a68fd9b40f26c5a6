import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from steward.core.errors import Blocked, Refused
from steward.core.extend import GuardContext, Verdict
from steward.gateway.exchange import Exchange
from steward.gateway.guards import GuardedStream, close, guard_answer, guard_request, refuse_unread
from steward.gateway.sse import Scanner, event_data


class Shout:
    """Upper-cases requests; holds back one character of answers."""

    name = "shout"

    def __init__(self) -> None:
        self.held: dict[tuple[int, str], str] = {}

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        return Verdict("rewrite", texts=tuple(text.upper() for text in fields))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        whole = self.held.pop((choice, field), "") + text.lower()
        if last:
            return whole
        self.held[choice, field] = whole[-1:]
        return whole[:-1]

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


class Broken(Shout):
    name = "broken"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        raise RuntimeError("cannot decide")


def exchange(body: object, endpoint: str = "/v1/chat/completions") -> Exchange:
    return Exchange("req", endpoint, {}, json.dumps(body).encode(), 0.0, 0.0)


def events(stream: GuardedStream, *values: dict[str, Any]) -> list[dict[str, Any]]:
    """What comes out of a stream for `values`."""
    out = b"".join(stream.feed(b"data: " + json.dumps(value).encode() + b"\n\n") for value in values)
    return [json.loads(event_data(event)) for event in Scanner().feed(out)]


def test_every_text_of_a_request_is_seen() -> None:
    call = {"function": {"name": "f", "arguments": '{"a":"b"}'}}
    parts = [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": "u"}}]
    it = exchange({"messages": [{"content": "a"}, {"content": parts}, {"tool_calls": [call]}], "input": ["c"]})
    guard_request([Shout()], it)
    text = it.body.decode()
    assert '"A"' in text and '"B"' in text and '"C"' in text and '{\\"A\\":\\"B\\"}' in text and '"U"' in text
    assert it.guards == ["shout=rewrite"]


def test_a_guard_that_fails_blocks() -> None:
    with pytest.raises(Refused, match="the guard failed"):
        guard_request([Broken()], exchange({"messages": [{"content": "a"}]}))


def test_answers_are_rewritten_and_lose_their_logprobs() -> None:
    body = {"choices": [{"index": 0, "message": {"content": "HELLO"}, "logprobs": {"content": []}}]}
    answer = json.loads(guard_answer([Shout()], exchange({}), json.dumps(body).encode()))
    assert answer["choices"] == [{"index": 0, "message": {"content": "hello"}}]


def test_streams_are_guarded_per_choice_and_flushed() -> None:
    stream = GuardedStream([Shout()], exchange({}))
    texts = {0: "", 1: ""}
    for choice, text, reason in [(0, "AB", None), (1, "XY", None), (0, "C", None), (1, "", "stop"), (0, "", "stop")]:
        chunk = {"choices": [{"index": choice, "delta": {"content": text}, "finish_reason": reason}]}
        event = stream.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        delta = json.loads(event[6:])["choices"][0]["delta"]
        texts[choice] += delta.get("content") or ""
    assert texts == {0: "abc", 1: "xy"}


def test_every_text_of_anthropics_requests_is_seen() -> None:
    content = [
        {"type": "text", "text": "b"},
        {"type": "tool_use", "id": "i", "name": "n", "input": {"k": ["v", 7]}},
        {"type": "tool_result", "tool_use_id": "i", "content": [{"type": "text", "text": "c"}]},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}},
        {"type": "document", "title": "e", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
    ]
    body = {
        "model": "m",
        "system": "a",
        "messages": [{"role": "user", "content": content}],
        "metadata": {"user_id": "u"},
    }
    it = exchange(body, "/v1/messages")
    guard_request([Shout()], it)
    seen = json.loads(it.body)
    assert seen["system"] == "A" and seen["metadata"] == {"user_id": "U"} and seen["model"] == "m"
    text, use, result, image, document = seen["messages"][0]["content"]
    assert text["text"] == "B" and use == {"type": "tool_use", "id": "I", "name": "N", "input": {"K": ["V", 7]}}
    assert result["content"][0]["text"] == "C" and image == content[3]
    assert document["title"] == "E" and document["source"]["data"] == "D"


def test_every_text_of_responses_requests_is_seen() -> None:
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "input_text", "text": "b"}]},
        {"type": "function_call", "call_id": "i", "name": "n", "arguments": '{"k":"\\u0061"}'},
        {"type": "function_call_output", "call_id": "i", "output": "c"},
    ]
    it = exchange({"model": "m", "instructions": "a", "input": items, "user": "u"}, "/v1/responses")
    guard_request([Shout()], it)
    seen = json.loads(it.body)
    assert seen["instructions"] == "A" and seen["user"] == "U" and seen["input"][0]["content"][0]["text"] == "B"
    called = {"type": "function_call", "call_id": "I", "name": "N", "arguments": '{"K":"A"}'}
    assert seen["input"][1] == called and seen["input"][2] == {**items[2], "call_id": "I", "output": "C"}


def test_whole_answers_of_every_dialect_are_seen() -> None:
    blocks = [{"type": "thinking", "thinking": "T", "signature": "SIG"}, {"type": "tool_use", "input": {"K": "V"}}]
    message = json.loads(
        guard_answer([Shout()], exchange({}, "/v1/messages"), json.dumps({"content": blocks}).encode())
    )
    assert message["content"][0] == {"type": "thinking", "thinking": "t", "signature": "SIG"}
    assert message["content"][1]["input"] == {"k": "v"}
    part = {"type": "output_text", "text": "T", "annotations": [], "logprobs": [{"token": "T"}]}
    output = [{"type": "message", "content": [part]}, {"type": "function_call", "name": "N", "arguments": '{"K":1}'}]
    answer = json.loads(guard_answer([Shout()], exchange({}, "/v1/responses"), json.dumps({"output": output}).encode()))
    assert answer["output"][0]["content"][0] == {**part, "text": "t", "logprobs": []}
    assert answer["output"][1]["arguments"] == '{"k":1}'


def test_tool_call_arguments_are_guarded_in_plain_values() -> None:
    stream = GuardedStream([Shout()], exchange({}))
    pieces = ['{"CITY": "\\u', "0041B", 'C"', "}"]
    chunks = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]}
        for piece in pieces
    ]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    out = ""
    for chunk in events(stream, *chunks, last):
        for call in chunk["choices"][0]["delta"].get("tool_calls", ()):
            out += call["function"]["arguments"]
    assert out == '{"city": "abc"}'


def test_anthropics_blocks_are_guarded_apart_and_flushed_before_they_end() -> None:
    stream = GuardedStream([Shout()], exchange({}, "/v1/messages"))
    deltas = [("text_delta", "text", ["AB", "C"]), ("input_json_delta", "partial_json", ['{"K":"V', '"}'])]
    out: dict[int, str] = {}
    for index, (kind, field, pieces) in enumerate(deltas):
        values = [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, field: piece}} for piece in pieces
        ]
        seen = events(stream, *values, {"type": "content_block_stop", "index": index})
        assert seen[-1]["type"] == "content_block_stop"
        out[index] = "".join(event["delta"][field] for event in seen[:-1])
    assert out == {0: "abc", 1: '{"k":"v"}'}


def test_responses_repeat_what_was_sent_of_them() -> None:
    stream = GuardedStream([Shout()], exchange({}, "/v1/responses"))
    place = {"item_id": "m", "output_index": 0, "content_index": 0}
    item = {"type": "message", "content": [{"type": "output_text", "text": "ABC", "annotations": []}]}
    values: list[dict[str, Any]] = [
        {"type": "response.output_text.delta", **place, "delta": "AB"},
        {"type": "response.output_text.delta", **place, "delta": "C"},
        {"type": "response.output_text.done", **place, "text": "ABC"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"output": [item]}},
    ]
    seen = events(stream, *({**value, "sequence_number": number} for number, value in enumerate(values)))
    assert "".join(event.get("delta", "") for event in seen) == "abc" and seen[3]["text"] == "abc"
    assert seen[4]["item"]["content"][0]["text"] == seen[5]["response"]["output"][0]["content"][0]["text"] == "abc"
    assert [event["sequence_number"] for event in seen] == list(range(6))


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_events_that_are_no_json_end_the_stream(endpoint: str) -> None:
    stream = GuardedStream([Shout()], exchange({}, endpoint))
    for data in (b'{"a"', b"[]", b"\xff"):
        with pytest.raises(Refused) as caught:
            stream.feed(b"data: " + data + b"\n\n")
        assert caught.value.code == "upstream_malformed"


class Says(Shout):
    """Gives one verdict on everything."""

    name = "says"

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        return self.verdict

    def close(self, exchange: GuardContext) -> Verdict:
        return self.verdict


@pytest.mark.parametrize(
    ("verdict", "receipt"),
    [
        (Verdict("allow"), "allow"),
        (Verdict("allow", reason="too long to read"), "allow(too long to read)"),
        (Verdict("rewrite", texts=("b",), reason="names"), "rewrite(names)"),
    ],
)
def test_the_receipt_tells_why_something_was_let_through(verdict: Verdict, receipt: str) -> None:
    it = exchange({"prompt": "a"}, "/v1/completions")
    guard_request([Says(verdict)], it)
    assert it.guards == [f"says={receipt}"]
    close([Says(verdict)], it)
    assert it.guards[1:] == [f"says:answer={receipt}"]


@pytest.mark.parametrize(("reason", "told"), [("", "the guard gave no reason"), ("it insults", "it insults")])
def test_a_block_is_a_400_that_tells_the_reason(reason: str, told: str) -> None:
    for act in (lambda: guard_request([Says(Verdict("block", reason=reason))], exchange({"prompt": "a"})),
                lambda: close([Says(Verdict("block", reason=reason))], exchange({}))):  # fmt: skip
        with pytest.raises(Refused) as caught:
            act()
        assert (caught.value.status, caught.value.message) == (400, f"Blocked by the guard 'says': {told}.")


@pytest.mark.parametrize("texts", [(), ("a", "b")])
def test_a_rewrite_has_a_text_for_every_field(texts: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=f"returned {len(texts)} texts for 1 fields"):
        guard_request([Says(Verdict("rewrite", texts=texts))], exchange({"prompt": "a"}, "/v1/completions"))


def test_masked_values_of_several_guards_add_up_on_the_exchange() -> None:
    first, second = (
        Says(Verdict("rewrite", texts=("b",), masked={"email": 2})),
        Says(Verdict("rewrite", texts=("c",), masked={"email": 1, "phone": 4})),
    )
    seen = exchange({"prompt": "a"}, "/v1/completions")
    guard_request([first, second], seen)
    assert seen.masked == {"email": 3, "phone": 4}
    assert exchange({"prompt": "a"}).masked == {}


class Caller(Shout):
    """Lets `pay` be called with seven alone."""

    name = "caller"

    def __init__(self) -> None:
        super().__init__()
        self.declared: dict[str, Any] = {}

    def judges_arguments(self, route: str) -> bool:
        return True

    def declare(self, exchange: GuardContext, schemas: Mapping[str, Any]) -> None:
        self.declared.update(schemas)

    def call(self, exchange: GuardContext, name: str, arguments: Any) -> None:
        if (name, arguments) != ("pay", {"sum": 7}):
            raise Blocked("wrong arguments")


def test_a_guard_is_told_the_schemas_as_the_client_wrote_them() -> None:
    guard = Caller()
    schema = {"type": "object", "description": "pays"}
    it = exchange({"messages": [], "tools": [{"type": "function", "function": {"name": "pay", "parameters": schema}}]})
    guard_request([guard], it)
    assert guard.declared == {"pay": schema}
    assert b"PAYS" in it.body


CALLS: list[tuple[str, Any]] = [
    ("/v1/chat/completions", lambda sum_: {"choices": [{"index": 0, "message": {"tool_calls": [
        {"index": 0, "function": {"name": "pay", "arguments": json.dumps({"sum": sum_})}}]}}]}),
    ("/v1/messages", lambda sum_: {"content": [
        {"type": "tool_use", "id": "i", "name": "pay", "input": {"sum": sum_}}]}),
    ("/v1/responses", lambda sum_: {"output": [
        {"type": "function_call", "name": "pay", "arguments": json.dumps({"sum": sum_})}]}),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "make"), CALLS)
def test_a_call_with_wrong_arguments_ends_an_answer_of_any_dialect(endpoint: str, make: Any) -> None:
    guard_answer([Caller()], exchange({}, endpoint), json.dumps(make(7)).encode())
    with pytest.raises(Refused, match="wrong arguments"):
        guard_answer([Caller()], exchange({}, endpoint), json.dumps(make(8)).encode())


STREAMS: list[tuple[str, Any]] = [
    ("/v1/chat/completions", lambda sum_: [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"name": "pay"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": f'{{"sum":{sum_}}}'}}]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]),
    ("/v1/messages", lambda sum_: [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "pay", "input": {}}},
        {"type": "content_block_delta", "index": 0,
         "delta": {"type": "input_json_delta", "partial_json": f'{{"sum":{sum_}}}'}},
        {"type": "content_block_stop", "index": 0}]),
    ("/v1/responses", lambda sum_: [
        {"type": "response.output_item.done", "output_index": 0,
         "item": {"type": "function_call", "id": "i", "name": "pay", "arguments": f'{{"sum":{sum_}}}'}}]),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "make"), STREAMS)
def test_a_call_with_wrong_arguments_ends_a_stream_before_it_is_whole(endpoint: str, make: Any) -> None:
    assert len(events(GuardedStream([Caller()], exchange({}, endpoint)), *make(7))) >= len(make(7))
    stream, (*before, last) = GuardedStream([Caller()], exchange({}, endpoint)), make(8)
    events(stream, *before)
    assert stream.feed(b": a comment\n\n") == b": a comment\n\n"
    with pytest.raises(Refused, match="wrong arguments"):
        events(stream, last)


def test_what_no_guard_could_read_is_the_clients_to_change() -> None:
    asked = exchange({"messages": []})
    asked.guards += ["says=allow", "unread=audio+image"]
    with pytest.raises(Refused, match=r"pictures, sounds or files \(audio, image\) that no guard can read") as caught:
        refuse_unread(asked)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    asked.guards.remove("unread=audio+image")
    refuse_unread(asked)
