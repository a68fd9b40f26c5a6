import itertools

import msgspec
import pytest

from steward.loadtest.response import ResponseParser, count_text_bytes, describe_error, read_head

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(text=None, reason=None, **more):
    delta = {} if text is None else {"content": text}
    value = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENTS = [event(""), event("Hel"), event("lo"), event(None, "stop")]
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\ndata: [DONE]\n\n'
STREAM = HEAD + b"".join(chunk(data) for data in [*EVENTS, USAGE]) + b"0\r\n\r\n"


def read(pieces, times=None, **options):
    answer = ResponseParser(**options)
    answer.feed(times or [float(number) for number in range(len(pieces))], pieces)
    answer.finish(99.0)
    return answer


def test_times_are_those_of_the_pieces():
    found = read([HEAD + chunk(EVENTS[0]), *map(chunk, EVENTS[1:]), chunk(USAGE), b"0\r\n\r\n"], keep_text=True)
    assert (found.first, found.last, found.text_times) == (1.0, 3.0, [1.0, 2.0])  # the first event is only a role
    assert found.usage.completion_tokens == 2 and found.ended and found.cause == "ok" and found.text == ["Hel", "lo"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_pieces_of_any_size_say_the_same(size):
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    found = read(pieces, keep_text=True)
    assert found.text == ["Hel", "lo"] and found.usage.prompt_tokens == 7 and found.ended and found.cause == "ok"


def test_an_event_in_two_chunks_counts_when_it_is_whole():
    whole = event("word", "stop")
    found = read([HEAD, chunk(whole[:20]), chunk(whole[20:]), b"0\r\n\r\n"])
    assert found.text_times == [2.0] and found.cause == "ok"


def test_several_events_in_one_piece_share_its_time():
    found = read([HEAD, chunk(event("a") + event("b") + event("c", "stop")), b"0\r\n\r\n"])
    assert found.text_times == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("delta", [{"reasoning_content": "hm"}, {"tool_calls": [{"index": 0}]}, {"refusal": "no"}])
def test_reasoning_tools_and_refusals_are_output_too(delta):
    data = b"data: " + msgspec.json.encode({"choices": [{"delta": delta, "finish_reason": "stop"}]}) + b"\n\n"
    assert read([HEAD, chunk(data), b"0\r\n\r\n"]).first == 1.0


def test_trailers_and_carriage_returns():
    body = event("a", "stop").replace(b"\n", b"\r\n")
    found = read([HEAD, chunk(body), b"0\r\nx-took: 3\r\n\r\n"])
    assert found.ended and found.first == 1.0 and found.cause == "ok"


def test_a_completions_stream():
    data = b'data: {"choices":[{"text":"x","finish_reason":"length"}]}\n\n'
    assert read([HEAD, chunk(data), b"0\r\n\r\n"]).first == 1.0


@pytest.mark.parametrize(
    "events, cause",
    [
        ([b'data: {"error":{"message":"lost a worker"}}\n\n'], "error_event"),
        ([b"data: {oops\n\n"], "malformed"),
        ([b"data: [DONE]\n\n"], "empty"),
        ([event("half an ans")], "closed_mid_answer"),
    ],
)
def test_streams_that_go_wrong(events, cause):
    assert read([HEAD, *map(chunk, events), b"0\r\n\r\n"]).cause == cause


def test_a_whole_answer_and_a_refusal():
    body = b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    found = read([head + body])
    assert (found.last, found.first, found.usage.completion_tokens) == (99.0, None, 1)
    refused = read([b'HTTP/1.1 429 Too Many\r\ncontent-length: 9\r\n\r\n{"error":{"code":"slow","message":"down"}}'])
    assert (refused.cause, refused.status, refused.error_text) == ("http", 429, "slow: down")


def test_embeddings():
    body = b'{"object":"list","data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}'
    found = read([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body])
    assert found.cause == "ok" and found.usage.prompt_tokens == 3


def test_a_stream_of_another_status_than_2xx_is_a_failure_with_its_words():
    head = HEAD.replace(b"200 OK", b"503 Busy")
    found = read([head, chunk(b'{"error":{"message":"busy"}}'), b"0\r\n\r\n"])
    assert (found.cause, found.status, found.error_text, found.text_times) == ("http", 503, "busy", [])


def test_a_body_that_looks_like_a_chunk_but_has_a_length():
    found = read([b"HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n", b"4\r\noops\r\n"])
    assert found.cause == "http" and found.error_text == "4 oops"


def test_what_is_no_http():
    assert read([b"SSH-2.0-OpenSSH\r\n\r\n"]).cause == "malformed"
    assert read([]).cause == "closed"


def test_continue_is_skipped():
    assert read([b"HTTP/1.1 100 Continue\r\n\r\n", STREAM]).cause == "ok"


def test_heads():
    found = read_head(b"HTTP/1.0 200 OK\r\nContent-Length: 5")
    assert found.length == 5 and found.closes and not found.chunked
    assert read_head(b"HTTP/1.1 204 No Content").length == 0
    assert describe_error("x" * 500) == "x" * 160 and list(itertools.islice(describe_error({"type": "a"}), 1)) == ["a"]


def test_events_that_differ_in_their_text_only_are_read_as_if_decoded():
    events = [event(word) for word in ("one", "two ", "th\\ree", 'f"our"', "ü", "")] + [
        event("six", "stop"),
        event(None),
    ]
    pieces = [HEAD, *map(chunk, events), b"0\r\n\r\n"]
    fast, whole = read(pieces), read(pieces, keep_text=True)  # kept text means that every event is decoded
    assert fast.text_times == whole.text_times == [1.0, 2.0, 3.0, 4.0, 5.0, 7.0]
    assert (fast.first, fast.last, fast.done) == (whole.first, whole.last, whole.done) == (1.0, 8.0, True)


def test_a_usage_in_every_event_is_not_overlooked():
    events = [event("a", None, usage={"prompt_tokens": 1, "completion_tokens": n}) for n in (1, 2, 3)]
    assert read([HEAD, *map(chunk, events), chunk(event("b", "stop")), b"0\r\n\r\n"]).usage.completion_tokens == 3


def test_a_piece_like_the_frame_says_how_long_its_text_is():
    answer = read([HEAD, chunk(event("one"))])
    alike = chunk(event("four"))
    assert count_text_bytes(alike, answer.frame) == 4 and count_text_bytes(chunk(event("")), answer.frame) == 0
    for other in (chunk(event("a") + event("b")), chunk(event("four", "stop")), alike[:-1], b"1" + alike, alike[1:]):
        assert count_text_bytes(other, answer.frame) == 0
