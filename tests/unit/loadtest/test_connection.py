"""A connection without a socket: pieces are put in by hand, as a sweep does."""

import time
from typing import Any

import pytest

from steward.loadtest import echo
from steward.loadtest.connection import ClientConnection
from steward.loadtest.response import count_text_bytes

TOKENS = 5
PIECES = [echo._HEAD + echo.make_stamp(1.0, 2.0) + echo.make_event(0, 1)]
PIECES += [echo.make_event(number, 1) for number in range(1, TOKENS)]
PIECES[-1] += echo.make_last_events(7, TOKENS)


class Sent:
    def write(self, data):
        self.data = data

    def abort(self):
        self.aborted = True


def connection():
    ends: list[Any] = []
    work: list[Any] = []
    made = ClientConnection(lambda one, error: ends.append(error), lambda one: None, work.append)
    made.transport = Sent()
    made.send(b"POST", "ticket", keep_text=False)
    return made, ends, work


def take(one, pieces):
    """What Wires.sweep does with each."""
    for piece in pieces:
        one.times.append(time.monotonic())
        if one.frame is not None and (text := count_text_bytes(piece, one.frame)):
            one.pieces.append(text)
            continue
        one.pieces.append(piece)
        if not one.only_ends or piece.endswith(b"\r\n\r\n") or len(piece) < 4:
            one.on_data(piece)


@pytest.mark.parametrize("looked", [False, True])
def test_an_answer_is_whole_before_it_is_read(looked):
    one, ends, work = connection()
    take(one, PIECES[:1])
    if looked:
        work[0]()  # from now on only the length of a text is kept
    take(one, PIECES[1:])
    assert ends == [""] and one.response.pieces.count(3) == (TOKENS - 2 if looked else 0)
    one.response.parse_to_end()
    found = one.response
    assert (found.cause, len(found.text_times), found.usage.completion_tokens) == ("ok", TOKENS, TOKENS)
    assert found.characters >= 2 * TOKENS and found.stamp == (1.0, 2.0)


@pytest.mark.parametrize("size", [1, 3, 50])
def test_pieces_of_any_size_end_once(size):
    one, ends, _ = connection()
    whole = b"".join(PIECES)
    take(one, [whole[at : at + size] for at in range(0, len(whole), size)])
    one.response.parse_to_end()
    assert ends == [""] and one.response.cause == "ok" and len(one.response.text_times) == TOKENS


def test_events_whose_lines_end_in_crlf_are_not_the_end():
    one, ends, _ = connection()
    data = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\r\n\r\n'
    take(one, [echo._HEAD, echo.make_chunk(data), echo.make_chunk(data)])
    assert ends == [] and len(one.pieces) == 3
    take(one, [b"0\r\n\r\n"])
    one.response.parse_to_end()
    assert ends == [""] and one.response.cause == "ok" and len(one.response.text_times) == 2


def test_a_connection_that_ends_early_says_where():
    one, ends, _ = connection()
    one.on_lost()
    other, others, _ = connection()
    take(other, PIECES[:2])
    other.on_lost()
    assert ends == ["closed"] and others == ["closed_mid_answer"]


def head(*fields, status=b"200 OK"):
    return b"HTTP/1.1 %b\r\n%b\r\n" % (status, b"".join(field + b"\r\n" for field in fields))


@pytest.mark.parametrize("pieces", [[b"ab"], [b"a", b"b"], [b"", b"a", b"b"]])
def test_a_body_of_known_length_ends_with_its_last_byte(pieces):
    one, ends, _ = connection()
    first, *rest = pieces
    take(one, [head(b"Content-Length: 2") + first])
    for number, piece in enumerate(rest, 1):
        assert ends == []
        take(one, [piece])
        assert len(one.response.pieces) == number + 1
    assert ends == [""] and not one.busy


def test_an_empty_body_ends_with_its_head():
    one, ends, _ = connection()
    take(one, [head(b"Content-Length: 0")])
    assert ends == [""]


def test_informational_answers_are_skipped_and_heads_may_come_in_parts():
    one, ends, _ = connection()
    whole = head(status=b"100 Continue") + head(b"Content-Length: 2") + b"ok"
    take(one, [whole[:30], whole[30:60], whole[60:]])
    assert ends == [""]
    one.response.parse_to_end()
    assert one.response.status == 200


@pytest.mark.parametrize("size, ends_said", [(65_536, []), (65_537, ["malformed"])])
def test_a_head_without_end_is_given_up_after_64_kib(size, ends_said):
    one, ends, _ = connection()
    take(one, [b"HTTP/1.1 200 OK\r\nx: ".ljust(size, b"x")])
    assert ends == ends_said and hasattr(one.transport, "aborted") == bool(ends_said)


def test_what_is_no_http_is_malformed():
    one, ends, _ = connection()
    take(one, [b"SSH-2.0\r\n\r\n"])
    assert ends == ["malformed"] and one.transport.aborted and not one.busy


def test_what_nobody_asked_for_ends_the_connection_and_no_request():
    one, ends, _ = connection()
    take(one, [head(b"Content-Length: 0")])
    take(one, [head(b"Content-Length: 0", status=b"408 Timeout")])
    assert ends == [""] and one.transport.aborted


def test_a_body_without_length_ends_with_the_connection_and_a_shorter_one_is_broken_off():
    one, ends, _ = connection()
    take(one, [head() + b"text", b"more"])
    assert ends == [] and one.busy
    one.on_lost()
    other, others, _ = connection()
    take(other, [head(b"Content-Length: 9") + b"text"])
    other.on_lost()
    chunked, chunks, _ = connection()
    take(chunked, [head(b"Transfer-Encoding: chunked") + b"4\r\ntext\r\n"])
    chunked.on_lost()
    assert (ends, others, chunks) == ([""], ["closed_mid_answer"], ["closed_mid_answer"])


@pytest.mark.parametrize("fields, closed", [([], False), ([b"Connection: close"], True)])
def test_a_server_that_closes_after_its_answer_is_believed(fields, closed):
    one, ends, _ = connection()
    one.transport.close = lambda: setattr(one.transport, "closed", True)
    take(one, [head(b"Content-Length: 1", *fields) + b"x"])
    assert ends == [""] and hasattr(one.transport, "closed") == closed


def test_other_bodies_in_chunks_end_where_parsing_says():
    """Their text may look like the end: the last bytes of a chunk that ends with a 0, a line and an empty one."""
    one, ends, work = connection()
    body = b'{"a": "0\r\n\r\n'
    take(one, [head(b"Transfer-Encoding: chunked", b"Content-Type: application/json") + echo.make_chunk(body)])
    take(one, [b"5\r\n0\r\n\r\n", b"\r\n"])
    assert ends == [] and work == []
    take(one, [b"0\r\n", b"\r\n"])
    assert ends == [""]


def test_silence_counts_from_the_last_piece_or_the_request():
    one, _, _ = connection()
    assert one.used == 1 and one.response.silent_since() == one.response.sent_at
    take(one, PIECES[:1])
    arrived = one.response.silent_since()
    assert arrived >= one.response.sent_at
    one.response.parse_buffered()
    assert one.response.times == [] and one.response.silent_since() == arrived == one.response.last_byte_at
    one.busy = False
    one.send(b"POST", "ticket", keep_text=False)
    assert one.used == 2
