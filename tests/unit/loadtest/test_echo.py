import asyncio

import msgspec

from steward.loadtest.echo import EchoConnection, EchoServer, EchoTiming, make_answer, make_event, make_last_events
from steward.loadtest.response import ResponseParser
from steward.loadtest.timer import clock


class Written:
    def __init__(self):
        self.data = b""
        self.times = []

    def write(self, data):
        self.data += data
        self.times.append(clock())


def connect(server):
    made = EchoConnection(server)
    made.transport = Written()
    return made


def ask(connection, tokens=3, stream=True, get=None):
    body = msgspec.json.encode({"max_tokens": tokens, "stream": stream, "prompt": "a b c"})
    head = b"POST /v1 HTTP/1.1" if get is None else b"GET %b HTTP/1.1" % get
    connection.times.append(clock())
    data = b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, 0 if get else len(body), b"" if get else body)
    connection.pieces.append(data)
    connection.on_data(data)


def parse(data):
    found = ResponseParser(keep_text=True)
    found.feed([1.0], [data])
    found.finish(2.0)
    return found


def serve(timing, *asked, **options):
    """Ask on connections of their own, and wait until all have their end."""

    async def go():
        server = EchoServer(timing, asyncio.get_running_loop())
        connections = [connect(server) for _ in asked]
        began = clock()
        for one, tokens in zip(connections, asked, strict=True):
            ask(one, tokens, **options)
        end = b"0\r\n\r\n" if options.get("stream", True) else b"}"
        while not all(one.transport.data.endswith(end) for one in connections):
            await asyncio.sleep(0.001)
        return server, [one.transport for one in connections], began

    return asyncio.run(asyncio.wait_for(go(), 10))


def test_tokens_come_at_their_times():
    server, (written,), began = serve(EchoTiming(first_ms=20, gap_ms=10), 4)
    found = parse(written.data)
    assert found.text == ["w0 ", "w1 ", "w2 ", "w3 "] and found.usage.completion_tokens == 4 and found.cause == "ok"
    late = [at - began - 0.02 - 0.01 * number for number, at in enumerate(written.times)]
    assert min(late) > -0.001 and len(late) == 4 and server.requests == 1 and len(server.lateness) == 4


def test_several_tokens_in_an_event():
    _, (written,), _ = serve(EchoTiming(first_ms=1, gap_ms=1, per_event=2), 5)
    assert parse(written.data).text == ["w0 w1 ", "w2 w3 ", "w4 "]


def test_a_whole_answer():
    _, (written,), _ = serve(EchoTiming(first_ms=1, gap_ms=1), 3, stream=False)
    found = parse(written.data)
    assert found.text == ["w0 w1 w2"] and found.usage.completion_tokens == 3 and not found.streamed


def test_one_slot_serves_one_after_another():
    server, written, began = serve(EchoTiming(first_ms=10, gap_ms=5, slots=1), 2, 2)
    first, second = (one.times for one in written)
    assert first[-1] <= second[0] and second[-1] - began > 0.0299 and server._busy == 0  # twice 10 + 5 ms


def test_a_fixed_number_of_tokens_overrides_what_is_asked():
    _, (written,), _ = serve(EchoTiming(first_ms=1, gap_ms=1, tokens=2), 9)
    assert parse(written.data).usage.completion_tokens == 2


def test_a_request_in_two_pieces_and_one_behind_another():
    async def go():
        server = EchoServer(EchoTiming(first_ms=0, gap_ms=0), asyncio.get_running_loop())
        one = connect(server)
        for piece in (b"POST / HTTP/1.1\r\ncontent-len", b"gth: 2\r\n\r\n{", b"}GET /x"):
            one.times.append(clock())
            one.pieces.append(piece)
            one.on_data(piece)
        return server.requests, one.pieces

    assert asyncio.run(go()) == (1, [b"GET /x"])


def test_lateness_is_told_and_forgotten():
    async def go():
        server = EchoServer(EchoTiming(), asyncio.get_running_loop())
        server.lateness = [1000, 3000, 2000]
        one = connect(server)
        ask(one, get=b"/lateness")
        return one.transport.data.partition(b"\r\n\r\n")[2], server.take_lateness_ms()

    told, rest = asyncio.run(go())
    assert msgspec.json.decode(told) == {"p50": 2.0, "p90": 3.0, "p99": 3.0, "max": 3.0} and rest == {}


def test_other_pages_name_the_model():
    async def go():
        one = connect(EchoServer(EchoTiming(), asyncio.get_running_loop()))
        ask(one, get=b"/v1/models")
        return one.transport.data

    assert b'"id":"echo"' in asyncio.run(go())


def test_a_stream_that_is_gone_gives_its_slot_to_the_next():
    async def go():
        server = EchoServer(EchoTiming(first_ms=5, gap_ms=5, slots=1), asyncio.get_running_loop())
        gone, waiting, last = (connect(server) for _ in range(3))
        for one in (gone, waiting, last):
            ask(one, 2)
        gone.on_lost()
        waiting.on_lost()
        while not last.transport.data.endswith(b"0\r\n\r\n"):
            await asyncio.sleep(0.001)
        return gone.transport.data, waiting.transport.data

    assert asyncio.run(asyncio.wait_for(go(), 10)) == (b"", b"")


def test_the_bytes_of_events_and_answers():
    found = ResponseParser(keep_text=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    found.feed([1.0, 2.0], [head + make_event(7, 2), make_last_events(5, 2)])
    found.finish(3.0)
    assert found.text == ["w7 w8 "] and found.usage.total_tokens == 7 and found.ended
    whole = parse(make_answer(5, 2))
    assert whole.usage.total_tokens == 7 and whole.text == ["w0 w1"]


def in_loop(act, timing=None):
    """What `act` does with a server, whose timer is not waited for."""

    async def go():
        return act(EchoServer(timing or EchoTiming(first_ms=20, gap_ms=10), asyncio.get_running_loop()))

    return asyncio.run(go())


def due(server, at, tokens=2):
    """A connection whose next event is due at that time."""
    one = connect(server)
    one._tokens, one.due = tokens, at
    server._busy += 1
    server._schedule(one)
    return one


def test_the_first_token_is_due_after_its_time_and_the_others_after_their_gap():
    def act(server):
        one = connect(server)
        one._tokens = 3
        at = clock() - 0.02
        server._serve(one, at)
        first = server._due[0][0] - at
        server._write_due()
        return first, server._due[0][0] - at, one.transport.data.count(b"delta")

    first, second, written = in_loop(act)
    assert abs(first - 0.02) < 1e-9 and abs(second - 0.03) < 1e-9 and written == 1


def test_what_is_due_within_a_tenth_of_a_millisecond_is_written_together():
    def act(server):
        now = clock()
        ones = [due(server, now + ahead) for ahead in (-0.5, 5e-5, 0.5)]
        server._write_due()
        return [bool(one.transport.data) for one in ones], server.lateness[0]

    written, late_us = in_loop(act)
    assert written == [True, True, False] and 500_000 <= late_us < 600_000


def test_half_of_too_many_latenesses_are_forgotten(monkeypatch):
    monkeypatch.setattr("steward.loadtest.echo._MOST_KEPT", 4)

    def act(server):
        kept = []
        for before in ([1, 2, 3], [1, 2, 3, 4]):
            server.lateness = before
            due(server, clock() - 0.001, tokens=1)
            server._write_due()
            kept.append(server.lateness[:-1])
        return kept

    assert in_loop(act) == [[1, 2, 3], [3, 4]]


def test_quantiles_of_a_hundred_latenesses():
    def act(server):
        server.lateness = [1000 * number for number in range(100, 0, -1)]
        return server.take_lateness_ms()

    assert in_loop(act) == {"p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 100.0}


def test_a_request_is_read_with_and_without_blanks():
    def act(server):
        for head, body in ((b"Content-Length:14", b'{"max_tokens":'), (b"content-length: 2", b"{}"), (b"x: y", b"")):
            one = connect(server)
            one.times.append(clock())
            one.pieces.append(b"POST / HTTP/1.1\r\n%b\r\n\r\n%b" % (head, body[:-1]))
            one.on_data(one.pieces[-1])
            before = server.requests
            if body:
                one.times.append(clock())
                one.pieces.append(body[-1:])
                one.on_data(one.pieces[-1])
            yield before, server.requests, one._tokens

    found = in_loop(lambda server: list(act(server)))
    assert found == [(0, 1, 16), (1, 2, 16), (3, 3, 16)]  # sixteen where no number is asked for


def test_words_are_counted_by_their_blanks():
    _, (written,), _ = serve(EchoTiming(first_ms=1, gap_ms=1), 1)
    assert parse(written.data).usage.prompt_tokens == 3  # "a b c"


def test_a_server_answers_after_50_ms_and_every_10_ms_unless_told():
    """`steward load echo --help`."""
    assert (EchoTiming().first_ms, EchoTiming().gap_ms, EchoTiming().per_event) == (50.0, 10.0, 1)


def test_the_99th_percentile_is_not_the_worst():
    def act(server):
        server.lateness = [1000 * number for number in range(1000)]
        return server.take_lateness_ms()

    assert in_loop(act) == {"p50": 500.0, "p90": 900.0, "p99": 990.0, "max": 999.0}


def test_what_follows_a_request_has_one_arrival_time():
    def act(server):
        one = connect(server)
        for piece in (b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{", b"}GET /x"):
            one.times.append(clock())
            one.pieces.append(piece)
            one.on_data(piece)
        return len(one.pieces), len(one.times)

    assert in_loop(act) == (1, 1)
