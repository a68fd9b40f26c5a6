"""A stream that is pulled and one that flows give the client the same, whatever interrupts it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.core.errors import Unavailable
from steward.core.records import Attempt
from steward.gateway.exchange import Exchange
from steward.gateway.outgoing import Outgoing
from steward.gateway.relay import Relay
from steward.gateway.sse import MOST_AT_ONCE, SHORT_BYTES
from steward.gateway.stream import Stream, is_long
from steward.gateway.wire_fields import Request

FIRST = b'data: {"id":"a","choices":[{"delta":{"content":"1"}}]}\n\n'
REST = (
    b'data: {"choices":[{"delta":{"content":"2"}}]}\n\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


class Upstream:
    """Pieces that come one by one; an exception among them breaks the connection."""

    status, headers = 200, {}  # type: ignore[var-annotated]

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)
        self._take: Callable[[bytes], bool] | None = None
        self.closed = self.finished = False

    async def read(self) -> bytes:
        raise AssertionError("a stream is not read whole")

    async def read_piece(self) -> bytes:
        await asyncio.sleep(0)
        found = self.take_arrived()
        assert found is not None
        return found

    def take_arrived(self) -> bytes | None:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        self._take = take
        if take is not None:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        if self._take is not None:
            broken = not self._pieces or isinstance(self._pieces[0], Exception)
            if self._take(b"" if broken else self.take_arrived() or b""):
                asyncio.get_running_loop().call_soon(self._tell)
            else:
                self._take = None

    def finish(self) -> None:
        self.finished = True

    def close(self) -> None:
        self.closed = True


class Budget:
    """Every event costs a token; `room` of them can be had, two at a time."""

    def __init__(self, room: int) -> None:
        self._room, self._reserved, self._seen = room, 1, 0

    def count_missing(self, events: bytes) -> int:
        self._seen += events.count(b"data:")
        return self._seen - self._reserved

    async def grow(self, tokens: int) -> bool:
        await asyncio.sleep(0)
        if self._seen > self._room:
            return False
        self._reserved = min(self._room, self._seen + 2)
        return True

    def cut_off(self) -> bytes:
        return b"cut off"


def begin_exchange() -> Exchange:
    """Of a chat whose first attempt has begun to answer."""
    exchange = Exchange("req", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.request = Request(model="m", stream=True)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    return exchange


def begin_stream(upstream: Upstream, exchange: Exchange) -> Stream:
    """Of an answer whose first event has come."""
    return Stream(exchange, upstream, Relay(exchange, Outgoing(exchange.endpoint, b"{}")), [FIRST])


def received(upstream: Upstream, slow_at: int | None = None, room: int | None = None, flows: bool = True) -> bytes:
    """What the client gets; it is slow from time to time where `slow_at` says how often."""

    async def go() -> bytes:
        stream = begin_stream(upstream, begin_exchange())
        stream.budget = None if room is None else Budget(room)
        got: list[bytes] = []

        def write(events: bytes) -> bool:
            got.append(events)
            return slow_at is None or len(got) % slow_at != 0

        async for events in stream:
            got.append(events)
            if flows:
                await stream.forward(write)
        stream.close()
        return b"".join(got)

    return asyncio.run(go())


def cut(cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(set(cuts)), len(REST)]
    return [REST[a:b] for a, b in itertools.pairwise(edges)]


@settings(deadline=None)
@given(
    st.lists(st.integers(1, len(REST) - 1), max_size=6), st.none() | st.integers(1, 3), st.none() | st.integers(1, 5)
)
def test_flowing_gives_what_pulling_gives(cuts: list[int], slow_at: int | None, room: int | None) -> None:
    pulled = received(Upstream(*cut(cuts)), None, room, flows=False)
    assert received(Upstream(*cut(cuts)), slow_at, room) == pulled
    assert (pulled == FIRST + REST) == (room is None or room >= 4)


@pytest.mark.parametrize("flows", [True, False])
def test_what_waits_for_its_turn_is_passed_on_before_what_comes_later(flows: bool) -> None:
    few_bytes = b": w\n\n" * (2 * MOST_AT_ONCE + 1)
    assert len(few_bytes) <= SHORT_BYTES
    assert received(Upstream(few_bytes, REST[:47], REST[47:]), flows=flows) == FIRST + few_bytes + REST


def test_a_whole_stream_lets_its_connection_be_used_again() -> None:
    upstream = Upstream(REST)
    assert received(upstream).endswith(b"data: [DONE]\n\n")
    assert upstream.finished and not upstream.closed


@pytest.mark.parametrize("flows", [True, False])
def test_a_connection_that_breaks_is_told_in_the_stream(flows: bool) -> None:
    out = received(Upstream(REST[:48], Unavailable("the connection broke")), flows=flows)
    assert out.startswith(FIRST + REST[:47]) and b"the connection broke" in out and out.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("last", [REST, ZeroDivisionError()])
def test_what_arrives_after_a_client_left_and_before_its_task_hears_of_it_breaks_nothing(
    last: bytes | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is cancelled runs on in the loop's next round only; the connection hands on what comes till then."""
    upstream = Upstream()

    async def go() -> None:
        stream = begin_stream(upstream, begin_exchange())
        await anext(stream)
        takes: list[Callable[[bytes], bool] | None] = []
        monkeypatch.setattr(upstream, "listen", takes.append)

        def write(events: bytes) -> bool:
            if isinstance(last, Exception):
                raise last
            return True

        forwarding = asyncio.create_task(stream.forward(write))
        await asyncio.sleep(0)
        (take,) = takes
        forwarding.cancel()
        assert take is not None and not take(REST)
        with pytest.raises(asyncio.CancelledError):
            await forwarding
        assert takes[-1] is None

    asyncio.run(go())


@pytest.mark.parametrize("flows", [True, False])
def test_a_mistake_of_ours_is_no_end(flows: bool) -> None:
    with pytest.raises(ZeroDivisionError):
        received(Upstream(REST[:48], ZeroDivisionError()), flows=flows)


class Holding:
    """A filter that holds the last event back, and ends the answer at the word "stop here"."""

    def __init__(self) -> None:
        self.over, self._held, self.ends = False, b"", 0

    def feed(self, events: bytes) -> bytes:
        self.over = self.over or b"stop here" in events
        out, self._held = (self._held + events, b"") if self.over else (self._held, events)
        return out

    def end(self) -> bytes:
        self.ends += 1
        return self._held


def through(
    upstream: Upstream, events: Holding | None = None, truncated: bool = False
) -> tuple[bytes, str | None, bool]:
    """What the client gets through a filter, the attempt's error, and whether it ended."""

    async def go() -> tuple[bytes, str | None, bool]:
        exchange = begin_exchange()
        stream = begin_stream(upstream, exchange)
        stream.filter = events
        out = b""
        async for piece in stream:
            out += piece
        exchange.truncated = exchange.truncated or truncated
        ended = stream.ended
        stream.close()
        return out, exchange.attempts[-1].error, ended

    return asyncio.run(go())


def test_the_first_token_is_the_first_content_after_a_role_that_was_let_through() -> None:
    role = b'data: {"id":"a","choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
    exchange = Exchange("req", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.request = Request(model="m", stream=True)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.0))
    relay = Relay(exchange, Outgoing("/v1/chat/completions", b"{}", None))
    upstream = Upstream(b": wait\n\n", role, FIRST, REST)

    async def read() -> list[tuple[bytes, bool]]:
        stream = Stream(exchange, upstream, relay, [role], 30.0)
        return [(events, exchange.ttft_s is not None) async for events in stream]

    seen = asyncio.run(read())
    assert seen == [(role, False), (b": wait\n\n", False), (role, False), (FIRST, True), (REST, True)]


def test_what_a_filter_held_back_comes_at_the_end_once() -> None:
    events = Holding()
    assert through(Upstream(REST), events) == (FIRST + REST, None, True) and events.ends == 1


def test_a_filter_may_end_the_answer() -> None:
    events = Holding()
    last = b'data: {"choices":[{"delta":{"content":"stop here"}}]}\n\n'
    out, _, ended = through(Upstream(last, REST), events)
    assert out == FIRST + last and events.ends == 0 and ended


def test_an_attempt_whose_stream_broke_is_marked() -> None:
    assert through(Upstream(REST))[1] is None
    assert through(Upstream(REST[:47], Unavailable("the connection broke")))[1] == "the stream broke off"
    assert through(Upstream(b'data: {"error":{"message":"m"}}\n\n'))[1] == "the stream broke off"


def test_a_stream_that_stops_without_its_last_event_ends() -> None:
    upstream = Upstream(REST[:48])
    out, _, ended = through(upstream)
    assert out.startswith(FIRST + REST[:47]) and ended and upstream.finished


def test_a_connection_on_which_more_may_come_is_not_used_again() -> None:
    left = Upstream(REST)

    async def leave() -> None:
        stream = begin_stream(left, begin_exchange())
        await anext(stream)
        stream.close()  # the client has gone

    asyncio.run(leave())
    assert left.closed and not left.finished
    malformed = Upstream(b"data: no JSON\n\n", REST)
    out, _, ended = through(malformed)
    assert b"not a JSON object" in out and ended and malformed.closed


@pytest.mark.parametrize("is_taken", [False, True])
def test_what_arrives_flows_once_the_first_event_has_been_passed_on(is_taken: bool) -> None:
    """Before that a piece would be sent ahead of it."""

    async def flow() -> list[bytes]:
        stream = begin_stream(Upstream(REST), begin_exchange())
        written: list[bytes] = []
        if is_taken:
            assert await anext(stream) == FIRST
        await stream.forward(lambda out: written.append(out) is None)
        stream.close()
        return written

    assert bool(asyncio.run(flow())) is is_taken


@pytest.mark.parametrize(("slow_at", "pulled"), [(None, 1), (2, 2)])
def test_a_client_that_keeps_up_gets_all_pieces_without_a_task_that_wakes_for_each(
    slow_at: int | None, pulled: int
) -> None:
    """The first event is pulled; then only a slow client brings the stream back to its task."""

    async def flow() -> tuple[int, list[bytes]]:
        stream = begin_stream(Upstream(*cut([47, 100, 130])), begin_exchange())
        written: list[bytes] = []

        def write(events: bytes) -> bool:
            written.append(events)
            return len(written) != slow_at

        times = 0
        async for events in stream:
            times += 1
            written.append(events)
            await stream.forward(write)
        stream.close()
        return times, written

    times, written = asyncio.run(flow())
    assert b"".join(written) == FIRST + REST and times == pulled


@pytest.mark.parametrize(("size", "expected"), [(16_384, False), (16_385, True)])
def test_others_have_a_turn_where_more_than_16_kib_came_at_once(size: int, expected: bool) -> None:
    assert is_long(b"x" * size, []) is expected
    assert is_long(b"x", [b"x" * size]) is expected  # most of the event came before
    assert not is_long(b"x", [b"x", b"x" * size])
