"""Real sockets on the loopback; the kernel's stamps are held against the clock around the send (Linux only)."""

import asyncio
import os
import socket
import struct
import time

import pytest

from steward.loadtest.sockets import BUSY_WAKEUPS, HAS_EPOLL, Receiver, SocketPoller, TransportReceiver, to_clock_times

pytestmark = pytest.mark.skipif(not HAS_EPOLL, reason="no epoll on this system")


class Ear(Receiver):
    def __init__(self):
        super().__init__()
        self.heard, self.gone = asyncio.Event(), asyncio.Event()

    def on_data(self, data):
        self.heard.set()

    def on_lost(self):
        self.gone.set()


def run(test):
    async def go():
        poller = SocketPoller(asyncio.get_running_loop())
        ear = Ear()
        with socket.create_server(("127.0.0.1", 0)) as server:
            poller.add(ear, socket.create_connection(server.getsockname()))
            other, _ = server.accept()
        with other:
            await asyncio.wait_for(test(poller, ear, other), 10)
            if ear.transport is not None:
                ear.transport.abort()
        await asyncio.sleep(0)
        poller.close()

    asyncio.run(go())


def test_a_piece_has_the_time_at_which_it_came_however_late_it_is_read():
    async def late(poller, ear, other):
        other.send(b"the kernel may stamp only from its second piece on")
        await ear.heard.wait()
        await asyncio.sleep(0.05)  # stamping is switched on in the background
        before = time.monotonic()
        other.send(b"x")
        after = time.monotonic()
        time.sleep(0.1)  # the loop hears nothing
        poller.read_ready()
        (at,) = to_clock_times(ear.times[-1:], 0.0)
        assert ear.pieces[-1] == b"x" and before - 0.001 < at < after + 0.001

    run(late)


def test_a_clock_that_was_set_moves_no_time_out_of_the_run():
    now = time.monotonic()
    far = struct.pack("qq", int(time.time()) + 9999, 0)
    assert now <= to_clock_times([far], 5.0)[0] <= time.monotonic()
    assert to_clock_times([struct.pack("qq", 1, 0)], now)[0] == now and to_clock_times([now], 0.0) == [now]


def test_what_does_not_fit_is_sent_when_there_is_room():
    async def big(poller, ear, other):
        data = os.urandom(8_000_000)
        ear.transport.write(data[:-1])
        ear.transport.write(data[-1:])
        other.setblocking(False)
        found = bytearray()
        while len(found) < len(data):
            found += await asyncio.get_running_loop().sock_recv(other, 1 << 20)
        assert found == data

    run(big)


def test_an_end_is_told_once():
    async def end(poller, ear, other):
        other.close()
        await ear.gone.wait()
        assert ear.transport.is_closing()
        ear.transport.abort()  # nothing more

    run(end)


def test_many_wake_ups_become_a_tick_and_few_pieces_end_it():
    async def busy(poller, ear, other):
        ear.only_ends = True
        for _ in range(BUSY_WAKEUPS + 1):
            poller.read_ready()
        poller.adjust_polling()
        other.send(b"data")
        while not ear.pieces:
            await asyncio.sleep(0.001)  # a tick reads it
        poller.adjust_polling()
        other.send(b"more")
        while len(ear.pieces) < 2:
            await asyncio.sleep(0.001)  # and then the socket itself

    run(busy)


def test_a_transport_of_the_loop_tells_of_pieces_that_may_be_ends():
    """Of data that only ends count for: what ends with an empty line, and what is too short to tell."""

    class Told(Receiver):
        def __init__(self):
            super().__init__()
            self.told = []

        def on_data(self, data):
            self.told.append(data)

        def on_lost(self):
            self.told.append(None)

    ear = Told()
    transport = TransportReceiver(ear)
    transport.connection_made("wire")
    transport.data_received(b"text")
    ear.only_ends = True
    for piece in (b"text", b"abc", b"end\r\n\r\n", b"more"):
        transport.data_received(piece)
    transport.connection_lost(None)
    assert ear.transport == "wire" and ear.told == [b"text", b"abc", b"end\r\n\r\n", None]
    assert len(ear.pieces) == len(ear.times) == 5 and ear.times == sorted(ear.times)


def test_polling_changes_after_more_than_the_limit_of_wake_ups_and_back_below_half_of_it():
    async def counted(poller, ear, other):
        poller._wakeups = BUSY_WAKEUPS
        poller.adjust_polling()
        assert poller._tick is None and poller._wakeups == 0
        poller._wakeups = BUSY_WAKEUPS + 1
        poller.adjust_polling()
        assert poller._tick is not None
        poller._pieces = BUSY_WAKEUPS // 2
        poller.adjust_polling()
        assert poller._tick is not None and poller._pieces == 0
        poller._pieces = BUSY_WAKEUPS // 2 - 1
        poller.adjust_polling()
        assert poller._tick is None

    run(counted)


def test_what_was_sent_whole_is_not_watched_for():
    async def small(poller, ear, other):
        watched = []
        poller.watch_writable = lambda file, *, writing: watched.append(writing)
        ear.transport.write(b"data")
        assert watched == [] and ear.transport._unsent == b""
        ear.transport._unsent = b"rest"
        ear.transport.flush()
        assert watched == [False] and ear.transport._unsent == b"" and not ear.transport.is_closing()

    run(small)


def test_a_tick_reads_and_sets_the_next_one_while_there_is_one():
    async def ticking(poller, ear, other):
        poller._wakeups = BUSY_WAKEUPS + 1
        poller.adjust_polling()
        other.send(b"x")
        await ear.heard.wait()  # only a tick reads now
        ear.heard.clear()
        other.send(b"y")
        await ear.heard.wait()  # and another one after it
        poller._wakeups, poller._pieces = 0, BUSY_WAKEUPS // 2 - 1
        poller.adjust_polling()
        assert poller._tick is None and poller._wakeups == poller._pieces == 0
        poller._on_tick()  # one that was under way
        assert poller._tick is None
        ear.heard.clear()
        other.send(b"z")
        await ear.heard.wait()  # wake-ups read again

    run(ticking)
