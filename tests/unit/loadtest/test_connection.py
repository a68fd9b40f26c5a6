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
