"""Sockets read in sweeps, with the kernel's own time of arrival on every piece.

An event loop's callback for each piece costs more than the read itself. Here one epoll holds all plain connections of a
process and sits in the loop as a single reader: a wake-up reads everything that has come, a system call and two appends
a piece, and nothing looks at a piece that is not the end of an answer.

The time of a piece is the kernel's (SO_TIMESTAMPNS, socket(7)), taken where the bytes arrive and not where they are
read. So reading late, in a sweep or after a moment without the processor, moves no timestamp. What it cannot undo:
pieces that lie in one socket at the same time are read as one, at the time of the last. TLS, and systems without epoll,
go through the loop's own transports and note the time when the loop hands the bytes over.
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

from steward.loadtest.alarm import Alarm, clock
from steward.loadtest.answer import Frame, text_of

SWEEPS: Final = sys.platform.startswith("linux")
TICK_S: Final = 0.0005  # between two sweeps where many pieces come
BUSY: Final = 20  # wake-ups in 10 ms that are many
PIECE: Final = 16_384  # bytes of one read; more is left for the next sweep
END: Final = b"\r\n\r\n"  # of a chunked body; of hardly any piece before
_OUT: Final = 4  # EPOLLOUT
_TIMESTAMPNS: Final = 35  # SO_TIMESTAMPNS, and SCM_TIMESTAMPNS, in Linux's asm-generic/socket.h
_ROOM: Final = 64  # for one control message: 16 bytes of header, 16 of a timespec
_TIMESPEC: Final = struct.Struct("qq")


class Wire(ABC):
    """One end of a connection. What arrives lies in `times` and `pieces` until its owner takes it.

    `noticed` is called for every piece while `calm` is False, and for pieces that may be an answer's end while it is
    True; `lost` once.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.calm = False
        self.frame: Frame | None = None  # what most pieces are like: of those only the length of their text is kept
        self.times: list[Any] = []  # of the clock, or the kernel's stamp as it came: see `arrivals`
        self.pieces: list[Any] = []  # bytes, or a length
        self.receive: Callable[..., Any] = _nothing  # its socket's recvmsg

    @abstractmethod
    def noticed(self, data: bytes) -> None: ...

    @abstractmethod
    def lost(self) -> None: ...


def _nothing(*_: int) -> Any:
    return b"", [], 0, None


class Wires:
    """All plain connections of a process, read whenever one of them has something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wires: dict[int, Wire] = {}
        self._epoll = select.epoll()
        self._sweeps = self._pieces = 0  # since the last `pace`
        self._tick: Alarm | None = None
        loop.add_reader(self._epoll.fileno(), self.sweep)

    def adopt(self, wire: Wire, plain: socket.socket) -> None:
        """Read from a connected socket from now on."""
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        wire.receive = plain.recvmsg
        wire.transport = Plain(self, wire, plain)
        self._wires[plain.fileno()] = wire
        self._epoll.register(plain.fileno(), select.EPOLLIN)

    def sweep(self) -> None:
        """Read once from every connection that has something."""
        wires = self._wires
        ready = self._epoll.poll(0, 512)
        self._sweeps += 1
        self._pieces += len(ready)
        for file, event in ready:
            wire = wires.get(file)
            if wire is None:  # closed in this sweep
                continue
            if event == _OUT:  # and nothing to read
                wire.transport.flush()
                continue
            try:
                data, stamp, _, _ = wire.receive(PIECE, _ROOM)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                wire.transport.abort()
                continue
            wire.times.append(stamp[0][2] if stamp else clock())
            if wire.frame is not None and (text := text_of(data, wire.frame)):
                wire.pieces.append(text)
                continue
            wire.pieces.append(data)
            if not wire.calm or data.endswith(END) or len(data) < 4:
                wire.noticed(data)
            if event & _OUT:
                wire.transport.flush()

    def pace(self) -> None:
        """To be called every 10 ms: whether to read when something comes, or every half a millisecond.

        Being woken for each piece costs more than reading it, and code that has slept runs cold. Where so many pieces
        come, those of one stream that are less than TICK_S apart share the time of the last of them.
        """
        if self._tick is None and self._sweeps > BUSY:
            self._loop.remove_reader(self._epoll.fileno())
            self._tick = Alarm(self._loop, self._ticked)
            self._tick.set(clock() + TICK_S)
        elif self._tick is not None and self._pieces < BUSY // 2:
            self._tick.close()
            self._tick = None
            self._loop.add_reader(self._epoll.fileno(), self.sweep)
        self._sweeps = self._pieces = 0

    def _ticked(self) -> None:
        self.sweep()
        if self._tick is not None:
            self._tick.set(clock() + TICK_S)

    def watch(self, file: int, *, writing: bool) -> None:
        self._epoll.modify(file, select.EPOLLIN | select.EPOLLOUT if writing else select.EPOLLIN)

    def forget(self, file: int) -> None:
        self._epoll.unregister(file)
        wire = self._wires.pop(file)
        self._loop.call_soon(wire.lost)

    def close(self) -> None:
        """The connections are closed by their owners."""
        if self._tick is not None:
            self._tick.close()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()


class Plain:
    """A socket with a transport's four methods; a write goes out at once, as far as there is room."""

    def __init__(self, wires: Wires, wire: Wire, plain: socket.socket) -> None:
        self._wires, self._wire, self._socket = wires, wire, plain
        self._send = plain.send
        self._unsent = b""

    def write(self, data: bytes) -> None:
        """An error is not raised here: the next sweep finds the connection lost."""
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
            self._wires.watch(self._socket.fileno(), writing=True)

    def flush(self) -> None:
        """There is room."""
        data, self._unsent = self._unsent, b""
        if self.is_closing():
            return
        self.write(data)
        if not self._unsent:
            self._wires.watch(self._socket.fileno(), writing=False)

    def is_closing(self) -> bool:
        return self._socket.fileno() < 0

    def abort(self) -> None:
        """Close now. The owner's `lost` is called in the loop's next turn."""
        file = self._socket.fileno()
        if file >= 0:
            self._wires.forget(file)
            self._wire.receive = _nothing
            self._socket.close()

    close = abort


class Relay(asyncio.Protocol):
    """A wire over the loop's own transport: TLS, and where there is no epoll."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire.transport = transport

    def data_received(self, data: bytes) -> None:
        wire = self._wire
        wire.times.append(clock())
        wire.pieces.append(data)
        if not wire.calm or data.endswith(END) or len(data) < 4:
            wire.noticed(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._wire.lost()


def arrivals(noted: list[Any], since: float) -> list[float]:
    """The clock's times of what was noted. None is before `since` or after now: somebody may have set the wall clock.

    The kernel stamps in time of day; the difference to the monotonic clock is taken now, some hundred milliseconds
    after the stamps, in which a clock that is being slewed (at most 500 ppm, adjtimex(2)) moves by 0.1 ms.
    """
    now = clock()
    offset = time.time() - now
    whole = int(offset)
    part = offset - whole
    try:
        stamps = _TIMESPEC.iter_unpack(b"".join(noted))
        found = [seconds - whole + (nanoseconds * 1e-9 - part) for seconds, nanoseconds in stamps]
    except TypeError:  # some, or all, are the clock's own
        found = [at if at.__class__ is float else arrivals([at], since)[0] for at in noted]
    if found[0] < since or found[-1] > now:
        found = [min(max(at, since), now) for at in found]
    return found
