"""What becomes of an upstream's answer: which bytes pass, what is metered, and when an answer is a failure.

Events: OpenAI API reference, "The chat completion chunk object"; Anthropic API reference, "Streaming messages".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from compatibility.scripted_engine import ScriptedAnswer, whole
from steward.core.errors import Refused
from steward.gateway.dialects import find_translation
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing
from steward.gateway.relay import (
    Relay,
    convert_answer,
    is_form_of_stream,
    is_stream,
    is_utf8,
    ledger_usage,
    select_headers,
    was_shortened,
)
from steward.gateway.wire import decode_request
from steward.gateway.wire_fields import TokenUsage

CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
FIRST = {"id": "c1", "model": "up", "choices": [{"index": 0, "delta": {"content": "a"}}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
DONE = b"data: [DONE]\n\n"


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def make(endpoint: str = CHAT, **fields: Any) -> Exchange:
    body = json.dumps({"model": "m", "messages": [], "input": "x", "max_tokens": 9, **fields}).encode()
    exchange = Exchange("req_1", endpoint, {}, body, 5.0, 0.0)
    exchange.request = decode_request(endpoint, body)
    exchange.fields = frozenset(fields)
    exchange.model = "m"
    return exchange


def relayed(exchange: Exchange, *pieces: bytes, upstream: str = "") -> bytes:
    """What the client gets of a stream in these pieces, to its end."""
    translation = find_translation(exchange.endpoint, frozenset({upstream})) if upstream else None
    outgoing = Outgoing(upstream or exchange.endpoint, b"{}", translation, {"model": "m"})
    relay = Relay(exchange, outgoing)
    return b"".join([relay.feed(piece) for piece in pieces]) + relay.end()


def code_of(event: bytes) -> str:
    """The code of the error that ends a chat completion's stream."""
    *_, error, done = event.removesuffix(b"\n\n").split(b"\n\n")
    assert done == b"data: [DONE]"
    told: str = json.loads(error.removeprefix(b"data: "))["error"]["code"]
    return told


# ---- whole answers


@pytest.mark.parametrize(
    ("kind", "streamed", "streams"),
    [
        ("text/event-stream; charset=utf-8", True, True),
        ("text/plain", True, True),
        ("", True, True),
        ("application/json", False, False),
        ("text/plain", False, False),
    ],
)
def test_what_streams_is_told_by_the_content_type(kind: str, streamed: bool, streams: bool) -> None:
    answer = ScriptedAnswer(200, b"")
    answer.headers = {"content-type": kind}
    assert is_stream(make(stream=streamed), answer) is streams


@pytest.mark.parametrize(
    ("kind", "streamed"), [("text/event-stream", False), ("application/json", True), ("application/x-ndjson", True)]
)
def test_an_answer_of_the_other_form_is_made_what_was_asked_for(kind: str, streamed: bool) -> None:
    answer = ScriptedAnswer(200, b"")
    answer.headers = {"content-type": kind}
    assert is_stream(make(stream=streamed), answer) is streamed
    assert is_form_of_stream(kind, b"") is (kind != "application/json")
    assert (is_form_of_stream("", b"data: {}"), is_form_of_stream("", b"{}")) == (True, False)


def test_a_page_is_the_upstreams_failure() -> None:
    answer = ScriptedAnswer(200, b"")
    answer.headers = {"content-type": "text/html"}
    with pytest.raises(Refused) as caught:
        is_stream(make(stream=True), answer)
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")
    assert caught.value.message == "The upstream answered with 'text/html' where text/event-stream was expected."
    assert is_stream(make(stream=False), answer) is False


def test_a_long_content_type_is_told_in_part() -> None:
    answer = ScriptedAnswer(200, b"")
    answer.headers = {"content-type": "text/html" + "x" * 92}
    with pytest.raises(Refused, match=f"'text/html{'x' * 90}…' where"):
        is_stream(make(stream=True), answer)


def test_a_whole_answer_passes_as_it_is_and_is_metered() -> None:
    exchange = make()
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    body = json.dumps(whole(id="c1", usage=usage, system_fingerprint="fp")).encode()
    answer = convert_answer(exchange, Outgoing(CHAT, b"{}"), body)
    assert answer.status == 200 and answer.body is body
    assert exchange.usage is not None and exchange.usage.completion_tokens == 2
    assert (exchange.upstream_id, exchange.answered_by, exchange.shortened) == ("c1", "up fp", False)


def answer_twice(told: int, predicted: int | None, padding: int = 0) -> tuple[Exchange, bytes]:
    """Two answers of ten letters, from a server of llama.cpp, which tells the usage of the first."""
    choices = [{"index": number, "message": {"content": "a" * 10}, "finish_reason": "stop"} for number in range(2)]
    body = {"id": "c1", "model": "up", "choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": told}}
    timings = {} if predicted is None else {"timings": {"predicted_n": predicted, "padding": "x" * padding}}
    exchange, encoded = make(n=2), json.dumps(body | timings).encode()
    assert convert_answer(exchange, Outgoing(CHAT, b"{}"), encoded).body is encoded
    return exchange, encoded


@pytest.mark.parametrize(
    ("predicted", "completion", "reckoned"),
    [(7, 14, True), (9, 7, False), (None, 7, False)],  # another number: the server added up itself
)
def test_a_llama_cpp_server_elsewhere_is_billed_for_all_its_answers(
    predicted: int | None, completion: int, reckoned: bool
) -> None:
    exchange, _ = answer_twice(7, predicted)
    assert exchange.usage is not None
    assert (exchange.usage.completion_tokens, exchange.usage.prompt_tokens) == (completion, 3)
    assert exchange.reckoned is reckoned


def test_what_is_too_long_to_look_into_is_billed_by_its_length() -> None:
    exchange, body = answer_twice(7, 7, padding=4 * 1024 * 1024)
    assert exchange.usage is None and exchange.estimate_output() > len(body) // 8


@pytest.mark.parametrize(("size", "tokens"), [(2, 1), (200, 1), (203, 1), (204, 2), (1_000, 201)])
def test_an_answer_without_a_usage_is_billed_by_its_length(size: int, tokens: int) -> None:
    """A token, and one for every 4 bytes beyond the 200 that are around a text."""
    exchange = make()
    body = b"{" + b" " * (size - 2) + b"}"
    convert_answer(exchange, Outgoing(CHAT, b"{}"), body)
    assert exchange.events == tokens and exchange.usage is None
    exchange = make(EMBEDDINGS)
    convert_answer(exchange, Outgoing(EMBEDDINGS, b"{}"), body)
    assert exchange.events == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"a":1', b'"a"}', b'{"a":"\xff"}'])
def test_what_is_no_json_object_in_utf8_is_the_upstreams_failure(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        convert_answer(make(), Outgoing(CHAT, b"{}"), body)
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")


@pytest.mark.parametrize(
    ("body", "shortened"),
    [
        (b'{"finish_reason": "length"}', True),
        (b'{"stop_reason":"max_tokens"}', True),
        (b'{"status" : "incomplete"}', True),
        (b'{"finish_reason":"stop","content":"length"}', False),
        (b'{"finish_reason":"stop"}', False),
    ],
)
def test_an_answer_that_met_its_maximum_is_known_in_every_dialect(body: bytes, shortened: bool) -> None:
    assert was_shortened(body) is shortened


def test_a_translated_answer_without_a_usage_has_the_estimate() -> None:
    exchange = make(MESSAGES, messages=[{"role": "user", "content": "x" * 21}])
    translation = find_translation(MESSAGES, frozenset({CHAT}))
    outgoing = Outgoing(CHAT, b"{}", translation, {"model": "m"})
    answer = convert_answer(exchange, outgoing, json.dumps(whole()).encode())
    message = json.loads(answer.body)
    assert answer.status == 200
    # 54 bytes of messages and 3 of `input` are 57: 15 tokens of 4 bytes
    assert message["usage"]["input_tokens"] == exchange.estimate_input() == 15
    assert message["usage"]["output_tokens"] == exchange.events == exchange.estimate_output()
    told = {**whole(), "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
    message = json.loads(convert_answer(exchange, outgoing, json.dumps(told).encode()).body)
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (7, 5)
    exchange.events, exchange.usage = 3, None
    assert ledger_usage(exchange)["input_tokens"] == ledger_usage(exchange)["prompt_tokens"] == 15
    assert ledger_usage(exchange)["output_tokens"] == ledger_usage(exchange)["completion_tokens"] == 3
    details = {"cached_tokens": 2, "cache_write_tokens": 4}
    exchange.usage = TokenUsage(10, 5, 15, details, {"reasoning_tokens": 1})
    assert ledger_usage(exchange) == {
        "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": 1}, "input_tokens": 4, "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 4, "output_tokens": 5,
    }  # fmt: skip


@pytest.mark.parametrize("chat", [{}, {"choices": 7}, {"choices": [{"message": 7}]}])
def test_what_cannot_be_translated_is_the_upstreams_failure(chat: dict[str, Any]) -> None:
    translation = find_translation(MESSAGES, frozenset({CHAT}))
    with pytest.raises(Refused) as caught:
        convert_answer(make(MESSAGES), Outgoing(CHAT, b"{}", translation, {}), json.dumps(chat).encode())
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")


def embedded(endpoint: str) -> Outgoing:
    outgoing = Outgoing(endpoint, b"{}")
    outgoing.embedded = True
    return outgoing


def test_an_embedded_answer_gets_what_its_schema_requires() -> None:
    answer = convert_answer(make(), embedded(CHAT), json.dumps(whole()).encode())
    assert answer.status == 200 and json.loads(answer.body)["choices"][0]["logprobs"] is None
    vectors = json.dumps({"data": [{"index": 0, "embedding": [0.5] * 8}]}).encode()
    answer = convert_answer(make(EMBEDDINGS, dimensions=8), embedded(EMBEDDINGS), vectors)
    assert answer.status == 200 and answer.body == vectors
    assert convert_answer(make(EMBEDDINGS, dimensions=None), embedded(EMBEDDINGS), vectors).body == vectors
    assert convert_answer(make(EMBEDDINGS), embedded(EMBEDDINGS), vectors).body == vectors
    with pytest.raises(Refused, match="8 numbers, not 4"):
        convert_answer(make(EMBEDDINGS, dimensions=4), embedded(EMBEDDINGS), vectors)


def test_text_in_utf8() -> None:
    assert is_utf8(b"abc") and is_utf8("é".encode()) and not is_utf8(b"\xc3") and not is_utf8(b"\xff")


def test_headers_that_the_client_sees() -> None:
    headers = {"retry-after": "5", "x-should-retry": "true", "x-request-id": "r1", "request-id": "r2", "server": "s"}
    named = [(b"x-upstream-request-id", b"r1")]
    assert select_headers(headers, 399) == named
    assert select_headers(headers, 400) == [(b"retry-after", b"5"), (b"x-should-retry", b"true"), *named]
    assert select_headers({"request-id": "r2 €"}, 200) == [(b"x-upstream-request-id", b"r2 ?")]
    assert select_headers({"retry-after-ms": "7"}, 429) == [(b"retry-after-ms", b"7")]


# ---- streams


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_a_stream_passes_as_it_is_in_any_pieces(step: int) -> None:
    exchange = make(stream=True)
    exchange.asked_usage = True
    stream = sse(FIRST, FIRST, LAST, USAGE) + DONE
    assert relayed(exchange, *(stream[at : at + step] for at in range(0, len(stream), step))) == stream
    assert exchange.usage is not None and exchange.usage.completion_tokens == 2
    assert (exchange.upstream_id, exchange.answered_by) == ("c1", "up")
    assert (exchange.events, exchange.failed, exchange.truncated) == (3, False, False)


def test_a_usage_that_nobody_asked_for_is_left_out() -> None:
    stream = sse(FIRST, LAST)
    exchange = make(stream=True)
    assert relayed(exchange, stream + sse(USAGE) + DONE) == stream + DONE
    assert exchange.usage is not None and exchange.usage.prompt_tokens == 3


def test_events_are_counted_with_their_bytes() -> None:
    exchange = make(stream=True)
    short, long = sse(FIRST), sse({**FIRST, "x": "y" * 50})
    relayed(exchange, long, short, long, b": comment\n\n", sse(LAST), DONE)
    assert exchange.events == 4 and exchange.event_bytes == 2 * len(long) + len(short) + len(sse(LAST))
    assert exchange.shortest_event == min(len(short), len(sse(LAST)) + 14)


@pytest.mark.parametrize(("text", "tokens"), [("word ", 40), (" word" * 10, 400)])
def test_a_stream_without_a_usage_is_estimated_near_its_words(text: str, tokens: int) -> None:
    """A word is a token here; OpenAI's rule of thumb, four letters a token, is within half of it."""
    plain = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    deltas = [{"role": "assistant", "content": ""}, *[{"content": text}] * 40]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    exchange = make(stream=True)
    relayed(exchange, *(sse({**plain, "choices": [choice]}) for choice in choices), DONE)
    assert tokens <= exchange.estimate_output() <= tokens * 8 // 5


def test_plain_events_are_counted_one_by_one() -> None:
    exchange = make(stream=True)
    relay = Relay(exchange, Outgoing(CHAT, b"{}"))
    relay.feed(sse(FIRST))
    assert relay.count_plain(sse(FIRST)) and exchange.events == 2 and exchange.event_bytes == 2 * len(sse(FIRST))
    exchange.shortest_event = 10_000
    assert relay.count_plain(sse(FIRST)) and exchange.shortest_event == len(sse(FIRST))
    assert not relay.count_plain(sse(LAST)) and not relay.count_plain(b'data: {"a":"\xff"}\n\n')
    assert relay.count_plain('data: {"a":"é"}\n\n'.encode()) and exchange.events == 4


@pytest.mark.parametrize("event", [b'data: {"a"\n\n', b"data: hello\n\n", b"data: [1]\n\n", b'data: {"a":"\xff"}\n\n'])
def test_an_event_that_is_not_what_it_should_be_ends_the_stream(event: bytes) -> None:
    exchange = make(stream=True)
    out = relayed(exchange, sse(FIRST) + event + sse(FIRST))
    assert out.startswith(sse(FIRST)) and out.count(b'"c1"') == 1 and code_of(out) == "upstream_malformed"
    assert exchange.failed and not exchange.truncated


def test_null_is_no_event() -> None:
    assert relayed(make(stream=True), b"data: null\n\n" + sse(FIRST, LAST) + DONE) == sse(FIRST, LAST) + DONE


def test_an_end_without_a_reason_is_a_failure() -> None:
    for pieces in ((sse(FIRST), DONE), (sse(FIRST),)):
        exchange = make(stream=True)
        out = relayed(exchange, *pieces)
        assert code_of(out) == "stream_truncated" and exchange.truncated
        assert b"The upstream ended the stream without a finish_reason." in out


def test_every_answer_that_was_asked_for_needs_an_end() -> None:
    exchange = make(stream=True, n=2)
    assert code_of(relayed(exchange, sse(FIRST, LAST))) == "stream_truncated"
    other = {"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}
    exchange = make(stream=True, n=2)
    assert relayed(exchange, sse(FIRST, LAST, other)) == sse(FIRST, LAST, other) + DONE and not exchange.truncated


def test_an_upstream_that_forgets_done_is_forgiven() -> None:
    assert relayed(make(stream=True), sse(FIRST, LAST)) == sse(FIRST, LAST) + DONE
    assert relayed(make(stream=True), sse(FIRST, LAST).removesuffix(b"\n")) == sse(FIRST, LAST) + DONE


def test_an_error_of_the_upstream_passes_and_needs_no_reason() -> None:
    exchange = make(stream=True)
    error = {"error": {"message": "m"}}
    assert relayed(exchange, sse(FIRST, error)) == sse(FIRST, error) + DONE
    assert exchange.failed and not exchange.truncated
    assert relayed(make(stream=True), sse(FIRST, error) + DONE) == sse(FIRST, error) + DONE


def test_calls_under_one_index_get_numbers_of_their_own() -> None:
    def called(name: str) -> dict[str, Any]:
        call = {"index": 0, "id": name, "function": {"name": "f", "arguments": "{}"}}
        return {"id": "c1", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}

    out = relayed(make(stream=True), sse(called("a"), called("b"), LAST) + DONE)
    events = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
    assert [event["choices"][0]["delta"]["tool_calls"][0]["index"] for event in events[:2]] == [0, 1]
    broken = b'data: {"tool_calls": [}\n\n'
    assert code_of(relayed(make(stream=True), sse(FIRST) + broken)) == "upstream_malformed"


def test_anthropics_own_stream_ends_with_its_last_event() -> None:
    start = {"type": "message_start", "message": {"id": "msg", "usage": {"input_tokens": 3}}}
    stop = {"type": "message_stop"}
    exchange = make(MESSAGES, stream=True)
    assert relayed(exchange, sse(start, stop)) == sse(start, stop)  # no [DONE], which it does not know
    exchange = make(MESSAGES, stream=True)
    out = relayed(exchange, sse(start))
    assert exchange.truncated and b"without its last event" in out and out.startswith(sse(start) + b"event: error\n")


def test_a_translated_stream_is_the_clients_dialect() -> None:
    exchange = make(MESSAGES, stream=True)
    out = relayed(exchange, b": wait\n\n" + sse(FIRST, LAST, USAGE) + DONE, upstream=CHAT)
    kinds = [line[7:] for line in out.decode().splitlines() if line.startswith("event: ")]
    assert kinds == ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
                     "message_delta", "message_stop"]  # fmt: skip
    assert out.startswith(b": wait\n\n") and DONE not in out
    assert relayed(make(MESSAGES, stream=True), sse(FIRST, LAST), upstream=CHAT).endswith(
        b'{"type":"message_stop"}\n\n'
    )


def test_a_ping_of_anthropic_is_a_comment_elsewhere() -> None:
    start = {"type": "message_start", "message": {"id": "msg"}}
    stop = {"type": "message_stop"}
    out = relayed(make(stream=True), sse(start, {"type": "ping"}) + b"event: x\n\n" + sse(stop), upstream=MESSAGES)
    assert b": ping\n\n" in out and b"event: x" not in out and out.endswith(DONE)


@pytest.mark.parametrize("event", [{"choices": 7}, {"choices": [7]}, {"choices": [{"delta": 7}]}])
def test_a_chunk_that_cannot_be_translated_ends_the_stream(event: dict[str, Any]) -> None:
    exchange = make(MESSAGES, stream=True)
    out = relayed(exchange, sse(event), upstream=CHAT)
    assert b"an event that is not a chat completion chunk" in out and exchange.failed


def test_an_error_in_a_translated_stream_keeps_its_words() -> None:
    exchange = make(MESSAGES, stream=True)
    out = relayed(exchange, sse(FIRST, {"error": {"message": "busy", "code": 429}}), upstream=CHAT)
    assert b'"rate_limit_error"' in out and b'"busy"' in out and exchange.failed


def test_comments_count_for_nothing() -> None:
    exchange = make(stream=True)
    relay = Relay(exchange, Outgoing(CHAT, b"{}"))
    relay.feed(b": ping\n\n" * 50 + b'data: {"id":"1","choices":[{"delta":{"content":"a"}}]}\n\n')
    assert exchange.events == 1


# ---- several choices, of which llama.cpp tells the usage one at a time


def several(embedded_engine: bool, n: int, *usages: tuple[int, int]) -> tuple[list[dict[str, Any]], Exchange]:
    """The usages that the client sees of a stream of `n` choices, and the exchange."""
    exchange = make(stream=True, n=n)
    exchange.asked_usage = True
    outgoing = Outgoing(CHAT, b"{}")
    outgoing.embedded = embedded_engine
    relay = Relay(exchange, outgoing)
    counts = [{"prompt_tokens": i, "completion_tokens": o, "total_tokens": i + o} for i, o in usages]
    told = [{"choices": [], "usage": count} for count in counts]
    ends = [{"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]} for index in range(n)]
    out = relay.feed(sse(FIRST, *ends, *told) + DONE) + relay.end()
    events = [json.loads(line[6:]) for line in out.decode().splitlines() if line.startswith("data: {")]
    return [event["usage"] for event in events if "usage" in event], exchange


def test_an_engine_of_our_own_tells_the_sum_once() -> None:
    told, exchange = several(True, 2, (3, 2), (3, 4))
    assert told == [{"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}]  # one prompt, two answers
    assert exchange.usage is not None and (exchange.usage.prompt_tokens, exchange.usage.completion_tokens) == (3, 6)


def test_anothers_usages_pass_as_they_are_and_add_up_where_each_is_told() -> None:
    told, exchange = several(False, 2, (3, 2), (3, 4))
    assert [usage["completion_tokens"] for usage in told] == [2, 4]
    assert exchange.usage is not None and (exchange.usage.prompt_tokens, exchange.usage.completion_tokens) == (3, 6)
    told, exchange = several(False, 2, (3, 6))
    assert exchange.usage is not None and (len(told), exchange.usage.completion_tokens) == (1, 6)


def test_of_one_choice_the_usage_is_what_it_is() -> None:
    for own in (True, False):
        told, exchange = several(own, 1, (3, 2))
        assert [usage["completion_tokens"] for usage in told] == [2]
        assert exchange.usage is not None and exchange.usage.completion_tokens == 2


def test_a_whole_answer_of_several_choices_is_reckoned_by_its_texts() -> None:
    """10 tokens are 4 letters: 2 letters more are 5."""
    usage = {"prompt_tokens": 3, "completion_tokens": 10, "total_tokens": 13}
    texts = enumerate(["aaaa", "bb"])
    choices = [{"index": index, "message": {"content": text}, "finish_reason": "stop"} for index, text in texts]
    body = json.dumps({"id": "c", "choices": choices, "usage": usage}).encode()
    for own, n, completion in ((True, 2, 15), (True, 1, 10), (False, 2, 10)):
        exchange = make(n=n)
        outgoing = embedded(CHAT) if own else Outgoing(CHAT, b"{}")
        answer = json.loads(convert_answer(exchange, outgoing, body).body)
        assert answer["usage"]["completion_tokens"] == completion and exchange.reckoned is (completion == 15)
        assert exchange.usage is not None and exchange.usage.completion_tokens == completion


def test_the_usage_of_one_choice_keeps_its_bytes() -> None:
    exchange = make(stream=True)
    exchange.asked_usage = True
    outgoing = Outgoing(CHAT, b"{}")
    outgoing.embedded = True
    assert Relay(exchange, outgoing).feed(sse(FIRST, LAST, USAGE)) == sse(FIRST, LAST, USAGE)
