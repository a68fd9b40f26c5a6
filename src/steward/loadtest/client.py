"""Connections that note when bytes arrive and read them later.

`data_received` appends the time and the bytes and looks at the last four of them; everything else waits for the end of
the answer. That is why one process keeps its timestamps right at a thousand streams a second.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from steward.loadtest.answer import Answer, Head, read_head

clock = time.monotonic
_DIGEST: Final = 512  # pieces of one answer that are kept before they are read
_END = b"\r\n\r\n"  # of a chunked body; hardly ever of a piece before its end


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time. `ended(connection, error)` is called once for each request."""

    def __init__(self, ended: Callable[[Connection, str], None], lost: Callable[[Connection], None]) -> None:
        self._ended, self._lost = ended, lost
        self.transport: Any = None
        self.busy = False
        self.used = 0  # requests
        self.ticket: Any = None  # whose request it is
        self.times: list[float] = []
        self.pieces: list[bytes] = []
        self.answer = Answer()
        self.started = self.touched = 0.0
        self.bytes = 0
        self._head: Head | None = None
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, request: bytes, ticket: Any, keep_text: bool) -> None:
        self.busy, self.ticket = True, ticket
        self.times, self.pieces, self._head, self.bytes = [], [], None, 0
        self.answer = Answer(keep_text)
        self.used += 1
        self.started = self.touched = clock()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        now = clock()
        self.touched = now
        self.times.append(now)
        self.pieces.append(data)
        self.bytes += len(data)
        if not self.busy:  # an answer nobody asked for, such as 408 on an idle connection
            self.transport.abort()
            return
        head = self._head
        if head is None:
            self._begin()
        elif head.chunked:
            if data.endswith(_END) or len(data) < 4:
                self._maybe_end()
            elif len(self.pieces) >= _DIGEST:
                self._digest()
        else:
            self._left -= len(data)
            if self._left <= 0 and head.length is not None:
                self._finish()

    def _begin(self) -> None:
        """The head may be here. Informational answers (1xx) are skipped."""
        whole = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        at = 0
        while True:
            end = whole.find(b"\r\n\r\n", at)
            if end < 0:
                if len(whole) > 65_536:
                    self._fail("malformed")
                return
            head = read_head(whole[at:end])
            if head is None:
                self._fail("malformed")
                return
            at = end + 4
            if head.status >= 200:
                break
        self._head = head
        if head.chunked:
            if whole.endswith(_END):
                self._maybe_end()
        elif head.length is not None:
            self._left = head.length - (len(whole) - at)
            if self._left <= 0:
                self._finish()

    def _maybe_end(self) -> None:
        """The bytes that end a chunked body are here, or look like it; reading on is all that it takes to know."""
        self._digest()
        if self.answer.ended or self.answer.cause == "malformed":
            self._finish()

    def _digest(self) -> None:
        """Read what has come, and let go of it."""
        self.answer.feed(self.times, self.pieces)
        self.times, self.pieces = [], []

    def _finish(self) -> None:
        at = self.touched
        self._digest()
        self.busy = False
        self.answer.finish(at)
        if self._head is not None and self._head.closes and self.transport is not None:
            self.transport.close()
        self._ended(self, "")

    def _fail(self, cause: str) -> None:
        """Give up on this answer and on the connection."""
        if self.busy:
            self._digest()
            self.busy = False
            self._ended(self, cause)
        if self.transport is not None:
            self.transport.abort()

    def give_up(self, cause: str) -> None:
        self._fail(cause)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.busy:
            head = self._head
            if head is not None and not head.chunked and head.length is None:
                self._finish()  # its end was the connection's
            else:
                self._fail("closed_mid_answer" if self.bytes else "closed")
        self._lost(self)


# -- the clock that wakes the sender ------------------------------------------------------------------

_MONOTONIC, _ABSOLUTE = 1, 1


class Alarm:
    """Calls back at an absolute time of `clock`, to some 50 us: loops round their own timers to milliseconds.

    Linux: a timerfd in the loop's poll. Elsewhere the loop's timer, up to 1 ms early, and then once in each turn of
    the loop, which reads sockets in between.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._handle: asyncio.Handle | None = None
        self._due = 0.0
        self._file = _timer_file()
        if self._file >= 0:
            loop.add_reader(self._file, self._rang)

    def set(self, due: float) -> None:
        """At `due`; a time that has passed rings in the loop's next turn."""
        self._due = due
        if self._file >= 0:
            _set_timer(self._file, max(due, 1e-9))
        else:
            early = max(0.0, due - clock() - 0.0015)
            self._handle = self._loop.call_later(early, self._poll)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _rang(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return
        self._call()

    def _poll(self) -> None:
        if clock() >= self._due:
            self._call()
        else:
            self._handle = self._loop.call_soon(self._poll)


def _timer_file() -> int:
    """A timerfd, or -1 where there are none. (os.timerfd_create came with Python 3.13.)"""
    if not sys.platform.startswith("linux"):
        return -1
    try:
        return int(_libc().timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
    except (AttributeError, OSError):
        return -1


def _set_timer(file: int, due: float) -> None:
    whole = int(due)
    value = struct.pack("qqqq", 0, 0, whole, int((due - whole) * 1e9) or 1)
    _libc().timerfd_settime(file, _ABSOLUTE, value, None)


_LIBC: list[Any] = []


def _libc() -> Any:
    if not _LIBC:
        _LIBC.append(ctypes.CDLL(None, use_errno=True))
    return _LIBC[0]
