"""Connections that keep arriving bytes with their times and parse them later.

A piece of a response costs two appends and a look at its last four bytes (sockets.py). Everything else waits until the
response has ended, and usually until the process has nothing more urgent to do (sender.py). This is why one process
keeps correct timestamps at a thousand streams per second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from steward.loadtest.response import ResponseHead, ResponseParser, read_head
from steward.loadtest.sockets import Receiver, to_clock_times
from steward.loadtest.timer import clock

MAX_BUFFERED: Final = 512  # pieces of one response kept before they are parsed
_LAST: Final = b"\r\n0\r\n\r\n"  # the end of a chunk, and the last chunk


class ClientConnection(Receiver):
    """One kept-alive connection with one request at a time.

    `on_done(connection, error)` is called once for each request. If `error` is empty, the response is complete but not
    parsed: the owner calls `response.parse_to_end`. `on_closed(connection)` is called once. `defer(work)` runs work
    when there is time for it.
    """

    def __init__(
        self,
        on_done: Callable[[ClientConnection, str], None],
        on_closed: Callable[[ClientConnection], None],
        defer: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> None:
        super().__init__()
        self._on_done, self._on_closed, self._defer = on_done, on_closed, defer
        self.busy = False
        self.used = 0  # requests
        self.request: Any = None  # the owner's object for the request
        self.response = BufferedResponse(False, 0.0)
        self._head: ResponseHead | None = None
        self._bytes_left = 0

    def send(self, data: bytes, request: Any, keep_text: bool) -> None:
        self.busy, self.request = True, request
        self._head, self.only_ends, self.frame = None, False, None
        self.used += 1
        self.response = response = BufferedResponse(keep_text, clock())
        self.times, self.pieces = response.times, response.pieces
        self.transport.write(data)

    def on_data(self, data: bytes) -> None:
        if not self.busy:  # an unrequested response, such as 408 on an idle connection
            self.transport.abort()
            return
        head = self._head
        if head is None:
            self._read_head()
        elif not head.chunked:
            self._bytes_left -= len(data)
            if head.length is not None and self._bytes_left <= 0:
                self._finish()
        else:
            self._check_end(data)

    def _read_head(self) -> None:
        """Parse the head if it is complete. Informational responses (1xx) are skipped."""
        whole = self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)
        at = 0
        while True:
            end = whole.find(b"\r\n\r\n", at)
            if end < 0:
                if len(whole) > 65_536:
                    self.abandon("malformed")
                return
            head = read_head(whole[at:end])
            if head is None:
                self.abandon("malformed")
                return
            at = end + 4
            if head.status >= 200:
                break
        self._head = head
        if head.chunked:
            self.only_ends = True
            if whole.endswith(b"\r\n\r\n") and at < len(whole):
                self._check_end(whole)
            if self.busy and head.events:
                self._defer(self.parse_received)
        elif head.length is not None:
            self._bytes_left = head.length - (len(whole) - at)
            if self._bytes_left <= 0:
                self._finish()

    def _check_end(self, data: bytes) -> None:
        """End the response if `data` really ends the chunked body, and does not only look like it.

        In a stream of events the last seven bytes tell: no event has a line with a single 0, and an event with CRLF
        line ends closes, together with its chunk, with three of them. In any other body only parsing tells.
        """
        if len(data) < len(_LAST) and len(self.pieces) > 1:
            before = self.pieces[-2]
            data = (_LAST[:2] if isinstance(before, int) else before[-len(_LAST) :]) + data
        if self._head is not None and self._head.events:
            if data.endswith(_LAST):
                self._finish()
                return
            if data.endswith(b"\n\r\n\r\n"):
                return
        self.response.parse_buffered()
        if self.response.ended or self.response.cause == "malformed":
            self._finish()

    def parse_received(self) -> None:
        """Parse what has arrived, and learn from it what the other events look like."""
        if self.busy:
            self.response.parse_buffered()
            self.frame = self.response.frame

    def _finish(self) -> None:
        self.busy = False
        if self._head is not None and self._head.closes and self.transport is not None:
            self.transport.close()
        self._on_done(self, "")

    def abandon(self, cause: str) -> None:
        """Give up on this response and on the connection; `cause` is one of response.CAUSES."""
        if self.busy:
            self.busy = False
            self.response.parse_buffered()
            self._on_done(self, cause)
        if self.transport is not None:
            self.transport.abort()

    def on_lost(self) -> None:
        self.transport = None
        if self.busy:
            head = self._head
            if head is not None and not head.chunked and head.length is None:
                self._finish()  # a body without a length ends with the connection
            else:
                self.abandon("closed_mid_answer" if self.response.last_byte_at or self.pieces else "closed")
        self._on_closed(self)


class BufferedResponse(ResponseParser):
    """A response together with the pieces that have arrived and are not parsed yet."""

    def __init__(self, keep_text: bool, sent_at: float) -> None:
        super().__init__(keep_text)
        self.sent_at = sent_at
        self.last_byte_at = 0.0  # when the last parsed piece arrived; 0: none yet
        self.times: list[Any] = []
        self.pieces: list[Any] = []

    def parse_buffered(self) -> None:
        """Parse the pieces that have arrived, and release them."""
        if not self.pieces:
            return
        times = to_clock_times(self.times, self.sent_at)
        self.last_byte_at = times[-1]
        self.feed(times, self.pieces)
        self.times.clear()
        self.pieces.clear()

    def parse_to_end(self) -> None:
        """Parse the rest, now that the last piece is here."""
        self.parse_buffered()
        self.finish(self.last_byte_at)

    def silent_since(self) -> float:
        """When the last piece arrived, parsed or not; before the first piece, when the request was sent."""
        if self.times:
            return to_clock_times(self.times[-1:], self.sent_at)[0]
        return self.last_byte_at or self.sent_at
