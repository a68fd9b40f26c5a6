"""Connections that note when bytes arrive and read them later.

A piece of an answer costs two appends and a look at its last four bytes (wires.py); everything else waits for the end
of the answer, and mostly for a moment in which nothing else is to be done (run.py). That is why one process keeps its
timestamps right at a thousand streams a second.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from steward.loadtest.alarm import clock
from steward.loadtest.answer import Answer, Head, read_head
from steward.loadtest.wires import Wire, arrivals

DIGEST: Final = 512  # pieces of one answer that are kept before they are read
_LAST: Final = b"\r\n0\r\n\r\n"  # the end of a chunk, and the last chunk


class Connection(Wire):
    """One kept connection; one request at a time. `ended(connection, error)` is called once for each request.

    Without an error the answer is whole but not read: `answer.read_to_end` is the owner's to call.
    """

    def __init__(
        self,
        ended: Callable[[Connection, str], None],
        gone: Callable[[Connection], None],
        later: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> None:
        super().__init__()
        self._ended, self._gone, self._later = ended, gone, later
        self.busy = False
        self.used = 0  # requests
        self.ticket: Any = None  # whose request it is
        self.answer = Unread(False, 0.0)
        self._head: Head | None = None
        self._left = 0

    def send(self, request: bytes, ticket: Any, keep_text: bool) -> None:
        self.busy, self.ticket = True, ticket
        self._head, self.calm, self.frame = None, False, None
        self.used += 1
        self.answer = answer = Unread(keep_text, clock())
        self.times, self.pieces = answer.times, answer.pieces
        self.transport.write(request)

    def noticed(self, data: bytes) -> None:
        if not self.busy:  # an answer nobody asked for, such as 408 on an idle connection
            self.transport.abort()
            return
        head = self._head
        if head is None:
            self._begin()
        elif not head.chunked:
            self._left -= len(data)
            if head.length is not None and self._left <= 0:
                self._finish()
        else:
            self._maybe_end(data)

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
            self.calm = True
            if whole.endswith(b"\r\n\r\n") and at < len(whole):
                self._maybe_end(whole)
            if self.busy and head.events:
                self._later(self.look)
        elif head.length is not None:
            self._left = head.length - (len(whole) - at)
            if self._left <= 0:
                self._finish()

    def _maybe_end(self, data: bytes) -> None:
        """The bytes that end a chunked body are here, or look like it.

        Of a stream of events the last seven bytes say which: no event has a line of a lone 0, and one whose lines end
        in CRLF ends, with its chunk, in three of them. Of anything else only reading on does.
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
        self.answer.read()
        if self.answer.ended or self.answer.cause == "malformed":
            self._finish()

    def look(self) -> None:
        """Read what has come, and know by it what the rest will be like."""
        if self.busy:
            self.answer.read()
            self.frame = self.answer.frame

    def _finish(self) -> None:
        self.busy = False
        if self._head is not None and self._head.closes and self.transport is not None:
            self.transport.close()
        self._ended(self, "")

    def _fail(self, cause: str) -> None:
        """Give up on this answer and on the connection."""
        if self.busy:
            self.busy = False
            self.answer.read()
            self._ended(self, cause)
        if self.transport is not None:
            self.transport.abort()

    def give_up(self, cause: str) -> None:
        self._fail(cause)

    def lost(self) -> None:
        self.transport = None
        if self.busy:
            head = self._head
            if head is not None and not head.chunked and head.length is None:
                self._finish()  # its end was the connection's
            else:
                self._fail("closed_mid_answer" if self.answer.touched or self.pieces else "closed")
        self._gone(self)


class Unread(Answer):
    """An answer, and what has come of it and was not looked at yet."""

    def __init__(self, keep_text: bool, sent_at: float) -> None:
        super().__init__(keep_text)
        self.sent_at = sent_at
        self.touched = 0.0  # when the last piece came that was read; 0: none
        self.times: list[Any] = []
        self.pieces: list[Any] = []

    def read(self) -> None:
        """Look at what has come, and let go of it."""
        if not self.pieces:
            return
        times = arrivals(self.times, self.sent_at)
        self.touched = times[-1]
        self.feed(times, self.pieces)
        self.times.clear()
        self.pieces.clear()

    def read_to_end(self) -> None:
        """The last piece is here."""
        self.read()
        self.finish(self.touched)

    def silent_since(self) -> float:
        """When the last piece came, read or not; before the first, when the request was sent."""
        if self.times:
            return arrivals(self.times[-1:], self.sent_at)[0]
        return self.touched or self.sent_at
