"""Read sockets in batches, and keep the kernel's arrival time of every piece.

An event loop callback per piece costs more than the read itself. Here one epoll holds all plain connections of a
process, and the loop watches that epoll as a single reader. One wake-up reads everything that has arrived: a system
call and two appends per piece. No piece is looked at unless it may be the end of a response.

The time of a piece comes from the kernel (SO_TIMESTAMPNS, socket(7)). It is taken when the bytes arrive, not when they
are read, so a late read does not move a timestamp. One limit remains: pieces that wait in one socket together are read
as one, with the time of the last. TLS connections, and systems without epoll, use the loop's own transports and take
the time when the loop hands the bytes over.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from steward.loadtest.response import EventFrame, count_text_bytes
from steward.loadtest.timer import Timer, clock

HAS_EPOLL: Final = sys.platform.startswith("linux")
TICK_S: Final = 0.0005  # between two reads when many pieces arrive
BUSY_WAKEUPS: Final = 20  # in 10 ms; above it, reading by tick is cheaper
READ_BYTES: Final = 16_384  # the rest is left for the next read
END: Final = b"\r\n\r\n"  # ends a chunked body; hardly any earlier piece ends with it
_OUT: Final = 4  # EPOLLOUT
_TIMESTAMPNS: Final = 35  # SO_TIMESTAMPNS, and SCM_TIMESTAMPNS, in Linux's asm-generic/socket.h
_CONTROL_BYTES: Final = 64  # for one control message: 16 bytes of header, 16 of a timespec
_TIMESPEC: Final = struct.Struct("qq")


class Receiver(ABC):
    """The owner of one connection. Arriving data is kept in `times` and `pieces` until the owner takes it.

    While `only_ends` is False, `on_data` is called for every piece; while it is True, only for pieces that may end a
    response. `on_lost` is called once.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.only_ends = False
        self.frame: EventFrame | None = None  # of a piece that matches it only the length of its text is kept
        self.times: list[Any] = []  # clock times, or raw kernel stamps: see `to_clock_times`
        self.pieces: list[Any] = []  # bytes, or a length of text
        self.receive: Callable[..., Any] = _receive_nothing  # the socket's recvmsg

    @abstractmethod
    def on_data(self, data: bytes) -> None: ...

    @abstractmethod
    def on_lost(self) -> None: ...


def _receive_nothing(*_: int) -> Any:
    return b"", [], 0, None


class SocketPoller:
    """All plain connections of a process, read whenever one of them has data."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._receivers: dict[int, Receiver] = {}
        self._epoll = select.epoll()
        self._wakeups = self._pieces = 0  # since the last `adjust_polling`
        self._tick: Timer | None = None
        loop.add_reader(self._epoll.fileno(), self.read_ready)

    def add(self, receiver: Receiver, plain: socket.socket) -> None:
        """Start reading from a connected socket."""
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        receiver.receive = plain.recvmsg
        receiver.transport = PlainSocket(self, receiver, plain)
        self._receivers[plain.fileno()] = receiver
        self._epoll.register(plain.fileno(), select.EPOLLIN)

    def read_ready(self) -> None:
        """Read once from every connection that has data."""
        receivers = self._receivers
        ready = self._epoll.poll(0, 512)
        self._wakeups += 1
        self._pieces += len(ready)
        for file, event in ready:
            receiver = receivers.get(file)
            if receiver is None:  # closed earlier in this batch
                continue
            if event == _OUT:  # writable, and nothing to read
                receiver.transport.flush()
                continue
            try:
                data, stamp, _, _ = receiver.receive(READ_BYTES, _CONTROL_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                receiver.transport.abort()
                continue
            receiver.times.append(stamp[0][2] if stamp else clock())
            if receiver.frame is not None and (text := count_text_bytes(data, receiver.frame)):
                receiver.pieces.append(text)
                continue
            receiver.pieces.append(data)
            if not receiver.only_ends or data.endswith(END) or len(data) < 4:
                receiver.on_data(data)
            if event & _OUT:
                receiver.transport.flush()

    def adjust_polling(self) -> None:
        """Choose between reading on every wake-up and reading every TICK_S. Call it every 10 ms.

        A wake-up per piece costs more than the read, and code that has slept runs with cold caches. While reading by
        tick, pieces of one stream that arrive less than TICK_S apart share the time of the last one.
        """
        if self._tick is None and self._wakeups > BUSY_WAKEUPS:
            self._loop.remove_reader(self._epoll.fileno())
            self._tick = Timer(self._loop, self._on_tick)
            self._tick.set(clock() + TICK_S)
        elif self._tick is not None and self._pieces < BUSY_WAKEUPS // 2:
            self._tick.close()
            self._tick = None
            self._loop.add_reader(self._epoll.fileno(), self.read_ready)
        self._wakeups = self._pieces = 0

    def _on_tick(self) -> None:
        self.read_ready()
        if self._tick is not None:
            self._tick.set(clock() + TICK_S)

    def watch_writable(self, file: int, *, writing: bool) -> None:
        self._epoll.modify(file, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def remove(self, file: int) -> None:
        self._epoll.unregister(file)
        receiver = self._receivers.pop(file)
        self._loop.call_soon(receiver.on_lost)

    def close(self) -> None:
        """Stop reading. The owners close the connections."""
        if self._tick is not None:
            self._tick.close()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


class PlainSocket:
    """A socket with the four methods of a transport. A write is sent at once, as far as the socket has room."""

    def __init__(self, poller: SocketPoller, receiver: Receiver, plain: socket.socket) -> None:
        self._poller, self._receiver, self._socket = poller, receiver, plain
        self._send = plain.send
        self._unsent = b""

    def write(self, data: bytes) -> None:
        """Never raises: the next read finds that the connection is lost."""
        if self._unsent:
            self._unsent += data
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._poller.watch_writable(self._socket.fileno(), writing=True)

    def flush(self) -> None:
        """Send what is left, now that the socket has room."""
        data, self._unsent = self._unsent, b""
        if self.is_closing():
            return
        self.write(data)
        if not self._unsent:
            self._poller.watch_writable(self._socket.fileno(), writing=False)

    def is_closing(self) -> bool:
        return self._socket.fileno() < 0

    def abort(self) -> None:
        """Close now. The owner's `on_lost` is called in the loop's next iteration."""
        file = self._socket.fileno()
        if file >= 0:
            self._poller.remove(file)
            self._receiver.receive = _receive_nothing
            self._socket.close()

    close = abort


class TransportReceiver(asyncio.Protocol):
    """Feeds a receiver from the loop's own transport: for TLS, and for systems without epoll."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._receiver.transport = transport

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        receiver.times.append(clock())
        receiver.pieces.append(data)
        if not receiver.only_ends or data.endswith(END) or len(data) < 4:
            receiver.on_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._receiver.on_lost()


def to_clock_times(stamps: list[Any], since: float) -> list[float]:
    """Convert stamps to times of `clock`. The result is kept between `since` and now, in case the wall clock was set.

    The kernel stamps in time of day. The offset to the monotonic clock is taken now, at most a few hundred milliseconds
    after the stamps; in that time a clock that is being slewed (at most 500 ppm, adjtimex(2)) moves by 0.1 ms.
    """
    now = clock()
    offset = time.time() - now
    whole = int(offset)
    part = offset - whole
    try:
        times = _TIMESPEC.iter_unpack(b"".join(stamps))
        times_s = [seconds - whole + (nanoseconds * 1e-9 - part) for seconds, nanoseconds in times]
    except TypeError:  # at least one is a clock time already
        times_s = [at if at.__class__ is float else to_clock_times([at], since)[0] for at in stamps]
    if times_s[0] < since or times_s[-1] > now:
        times_s = [min(max(at, since), now) for at in times_s]
    return times_s
