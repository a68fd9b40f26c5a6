import itertools

import msgspec
import pytest

from steward.loadtest.response import (
    ResponseParser,
    StreamedChoice,
    count_text_bytes,
    describe_error,
    find_frame,
    read_head,
)

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
    assert describe_error("x" * 500) == "x" * 199 + "…" and list(
        itertools.islice(describe_error({"type": "a"}), 1)
    ) == ["a"]


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


def test_a_failure_in_the_shape_of_events_is_a_failure():
    found = read([HEAD.replace(b"200 OK", b"503 Busy"), chunk(event("a", "stop")), b"0\r\n\r\n"])
    assert (found.cause, found.status, found.text_times) == ("http", 503, [])


def test_the_text_of_the_first_time_is_counted_apart():
    pieces = [HEAD, chunk(event("ab") + event("cde")), chunk(event("f", "stop")), b"0\r\n\r\n"]
    found = read(pieces, keep_text=True)
    assert (found.first_characters, found.characters) == (5, 6)


def test_the_servers_stamp_is_kept():
    data = b'data: {"stamp": [1.5, 2.5]}\n\n'
    found = read([HEAD, chunk(data), chunk(event("a", "stop")), b"0\r\n\r\n"])
    assert found.stamp == (1.5, 2.5) and found.first == 2.0


@pytest.mark.parametrize(
    "delta, first, characters",
    [
        ({"tool_calls": None}, None, 0), ({"tool_calls": []}, None, 0), ({"tool_calls": [1, 2]}, 1.0, 5),
        ({"content": "abc", "tool_calls": [1, 2]}, 1.0, 3), ({"content": [{"text": "abc"}]}, None, 0),
        ({"reasoning": "hm"}, 1.0, 2),
    ],
)  # fmt: skip
def test_what_counts_as_text(delta, first, characters):
    data = b"data: " + msgspec.json.encode({"choices": [{"delta": delta, "finish_reason": "stop"}]}) + b"\n\n"
    found = read([HEAD, chunk(data), b"0\r\n\r\n"])
    assert (found.first, found.characters) == (first, characters)


def test_the_first_output_is_the_first_that_is_not_reasoning():
    def thought(text):
        return b"data: " + msgspec.json.encode({"choices": [{"delta": {"reasoning_content": text}}]}) + b"\n\n"

    pieces = [HEAD, chunk(thought("hm")), chunk(event("a")), chunk(event("b", "stop")), b"0\r\n\r\n"]
    found = read(pieces, keep_text=True)
    assert (found.first, found.first_output) == (1.0, 2.0)
    only = read([HEAD, chunk(thought("hm")), chunk(event(None, "stop")), b"0\r\n\r\n"])
    assert (only.first, only.first_output) == (1.0, None)


@pytest.mark.parametrize("size, cause", [(65_536, "ok"), (65_537, "malformed")])
def test_a_head_is_64_kib_at_most(size, cause):
    answer = ResponseParser()
    answer.feed([0.0], [b"HTTP/1.1 200 OK\r\nx: ".ljust(size, b"x")])
    assert answer.cause == cause


CHOICE = StreamedChoice()


@pytest.mark.parametrize(
    "payload, framed",
    [
        (b'{"choices":[{"delta":{"content":"a"}}]}', True), (b'{"content":"a"}', True), (b'{"content":""}', False),
        (b'{"text":"a"}', False), (b'{"content":"a","x":{"content":"b"}}', False), (b'{"content":"a\\n"}', False),
        (b'"content":"a"', True),
    ],
)  # fmt: skip
def test_a_frame_is_what_stands_around_one_text(payload, framed):
    found = find_frame(payload, CHOICE)
    if not framed:
        assert found is None
        return
    before, after = found
    assert before + b"a" + after == b"data: " + payload + b"\n\n\r\n"
    assert find_frame(payload, StreamedChoice(finish_reason="stop")) is None


def test_texts_of_every_length_are_counted_in_their_frame():
    """The line with a chunk's size grows by a digit at 16, 256 and 4096 bytes."""
    frame = find_frame(event("one")[6:-2], CHOICE)
    for length in [*range(1, 300), *range(3950, 4150), 65_400, 70_000]:
        piece = chunk(event("x" * length))
        assert count_text_bytes(piece, frame) == length == count_text_bytes(piece, frame), length


@pytest.mark.parametrize(
    "head, length, closes",
    [
        (b"HTTP/1.1 200", None, False), (b"HTTP/1.1 200 OK\r\nConnection: close", None, True),
        (b"HTTP/1.0 200 OK", None, True), (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", None, False),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9", 0, False), (b"HTTP/1.1 199 x", 0, False),
        (b"HTTP/1.1 205 x\r\nContent-Length: 3", 3, False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", None, False),
    ],
)  # fmt: skip
def test_a_head_says_how_long_the_body_is_and_what_comes_after(head, length, closes):
    found = read_head(head)
    assert (found.length, found.closes) == (length, closes)


@pytest.mark.parametrize("head", [b"HTTP/1.1", b"HTTP/1.1 ok", b"HTTP/2 200", b""])
def test_what_is_no_head_of_http_1(head):
    assert read_head(head) is None


def test_errors_are_cut_and_on_one_line():
    assert describe_error({"code": "c", "message": "x" * 200}) == "c: " + "x" * 196 + "…"
    assert describe_error({"detail": "d"}) == "d" and describe_error(" a \n b ") == "a b"
