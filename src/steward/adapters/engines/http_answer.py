"""An upstream's answer on its way: what has arrived of it, and how long may be waited for more."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from steward.core.errors import TimedOut, Unavailable
from steward.core.timeouts import Timeouts

REST_S: Final = 0.25  # for the end of a body whose last event has been read; some servers never send it
HIGH_WATER_BYTES: Final = 256 * 1024  # of a body that has arrived and is not taken: the upstream is made to wait
MOST_WHOLE_BYTES: Final = 16 * 1024 * 1024  # of an answer that is not streamed


class AnswerSource(Protocol):
    """The connection that an answer arrives on."""

    transport: Any
    loop: asyncio.AbstractEventLoop

    def watch_until(self, due: float) -> None:
        """Look at the answer's waits at `due` (the loop's clock) or before."""
        ...

    def abort(self) -> None: ...


class HttpAnswer:
    """An answer on its way. Before `status` is set nothing of it has arrived."""

    __slots__ = (
        "_bytes",
        "_connection",
        "_due",
        "_ends",
        "_first_due",
        "_first_s",
        "_latest",
        "_limits",
        "_listener",
        "_loop",
        "_over",
        "_paused",
        "_pieces",
        "_started",
        "_waiter",
        "_what",
        "has_bytes",
        "headers",
        "problem",
        "status",
    )

    def __init__(
        self,
        connection: AnswerSource,
        limits: Timeouts,
        started: float,
        streamed: bool = False,
        begins_late: bool = False,
    ) -> None:
        """A stream ends on idleness and not on length; a whole answer begins when it is complete, so it may take as
        long to begin as it may take altogether. So may a stream that `begins_late`.
        """
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.problem: Unavailable | None = None
        self.has_bytes = False  # whether a byte of it has arrived
        self._connection, self._limits, self._loop = connection, limits, connection.loop
        self._started = started
        self._ends = math.inf if streamed else started + limits.whole_s
        self._first_s = limits.first_byte_s if streamed and not begins_late else limits.whole_s
        self._first_due, self._what = started + self._first_s, "first"
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._over = self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._due: float | None = None  # when the wait that is on is too long; on the loop's clock
        self._listener: Callable[[bytes], bool] | None = None
        self._latest = 0.0  # when the listener was given something

    # -- for the gateway ---------------------------------------------------------------------------

    async def begin(self) -> None:
        """Return when status and headers have arrived, or `problem` says why they will not."""
        try:
            while not self.status:
                if self._over:
                    self.problem = self.problem or broken_connection()
                    return
                await self._wait(self._first_due)
        except BaseException:
            self.close()
            raise

    async def read_piece(self) -> bytes:
        """What has arrived of the body since the last call; b"" at its end.

        :raises TimedOut: nothing arrived in time :raises Unavailable: the connection broke before the end
        """
        while (piece := self.take_arrived()) is None:
            await self._wait(self._first_due if self._what == "first" else self._find_next_due())
        return piece

    def _find_next_due(self) -> float:
        """By when more must come: of a stream after a pause, of a whole answer before its end. Servers keep the
        connection of one that takes long alive with blanks before it.
        """
        return self._loop.time() + self._limits.idle_s if self._ends == math.inf else self._ends

    def take_arrived(self) -> bytes | None:
        """What `read_piece` would return at once; None where it would wait."""
        pieces = self._pieces
        if not pieces:
            if self._over and self.problem is not None:
                raise copy_problem(self.problem)
            return b"" if self._over else None
        self._what, self._pieces, self._bytes = "next", [], 0
        if self._paused and not self._over:
            self._paused = False
            self._connection.transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        """The whole body, in the time of an answer that is not streamed: an error to who asked for a stream is none.

        :raises Unavailable: it is longer than `MOST_WHOLE_BYTES`
        """
        self._ends = min(self._ends, self._started + self._limits.whole_s)
        first = self.take_arrived()
        if first is None:
            first = await self.read_piece()
        if self._over and not self._pieces and self.problem is None:
            return first
        pieces, size = [first], len(first)
        while piece := await self.read_piece():
            pieces.append(piece)
            size += len(piece)
            if size > MOST_WHOLE_BYTES:
                self.close()
                raise Unavailable(f"its answer is longer than {MOST_WHOLE_BYTES:,} bytes")
        return b"".join(pieces)

    def listen(self, take: Callable[[bytes], bool] | None) -> None:
        """Hand on what arrives in place of waking who waits."""
        self._listener, self._latest = take, self._loop.time()
        while self._listener is not None and (piece := self._take_at_hand()) is not None:
            self._hand_on(piece)
        if (due := self.find_deadline()) is not None:
            self._connection.watch_until(due)

    def _take_at_hand(self) -> bytes | None:
        if self._pieces:
            return self.take_arrived()
        return b"" if self._over else None

    def _hand_on(self, piece: bytes) -> None:
        if self._listener is not None and not self._listener(piece):
            self._listener = None

    def finish(self) -> None:
        """All that matters has been read; the connection can be used again if the body's end comes soon."""
        if not self._over:
            self._pieces, self._what, self._waiter = [], "rest", None
            if self._paused:
                self._paused = False
                self._connection.transport.resume_reading()
            self._due = self._loop.time() + REST_S
            self._connection.watch_until(self._due)

    def close(self) -> None:
        """Drop the connection, unless the answer has arrived whole."""
        if not self._over:
            self._due = None
            self._connection.abort()

    # -- for the connection ------------------------------------------------------------------------

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        self._wake()

    def take(self, data: bytes) -> None:
        if self._listener is not None:
            self._latest = self._loop.time()
            if not self._listener(data):
                self._listener = None
            return
        if self._what == "rest" or self._over:
            return
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._connection.transport.pause_reading()
        if self._waiter is not None:
            self._wake()

    def complete(self) -> None:
        self._over = True
        self._due = None
        if self._paused:
            self._connection.transport.resume_reading()
        if self._waiter is not None or self._listener is not None:
            self._wake()

    def break_off(self, error: Exception | None) -> None:
        """The connection is gone. It may be how a body ends that has neither a length nor chunks (RFC 9112, 6.3)."""
        self._over = True
        self._due = None
        framed = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "").lower()
        if self.problem is None and (framed or not self.status or error is not None):
            self.problem = broken_connection(error)
        self._wake()

    def find_deadline(self) -> float | None:
        """When the wait that is on is too long; on the loop's clock. None where nobody waits."""
        if self._listener is None or self._over:
            given_up = self._waiter is not None and self._waiter.cancelled()
            return None if given_up else self._due
        return min(self._latest + self._limits.idle_s, self._ends)

    def time_out(self) -> None:
        due = self.find_deadline()
        if due is not None and due >= self._ends:
            self.problem = TimedOut("its answer did not end in time")
        elif not self.status:
            self.problem = TimedOut("it did not begin to answer in time")
        else:
            limit_s = self._first_s if self._what == "first" else self._limits.idle_s
            self.problem = TimedOut(f"it sent no {self._what} byte of its answer within {limit_s:.3g} s")

    def _wait(self, due: float) -> asyncio.Future[None]:
        """What to await until something arrives; `find_deadline` tells of it as long as somebody waits."""
        self._due = min(due, self._ends)
        self._connection.watch_until(self._due)
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._listener is not None:
            self._hand_on(b"")
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._due = None
            if not waiter.done():
                waiter.set_result(None)


def copy_problem(problem: Unavailable) -> Unavailable:
    """To be raised: a problem that is kept would keep, by its traceback, the request and all of the answer that came.

    >>> copy_problem(TimedOut("it did not begin to answer in time"))
    TimedOut('it did not begin to answer in time')
    """
    return type(problem)(str(problem))


def broken_connection(error: Exception | None = None) -> Unavailable:
    """Without addresses' credentials or content."""
    how = type(error).__name__ if error is not None else "closed before the end of its answer"
    return Unavailable(f"the connection broke ({how})")
