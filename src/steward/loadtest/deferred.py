"""Work that can wait until no send is due: parse responses that have ended, and make the next requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from steward.loadtest.timer import clock

SLICE_S: Final = 0.0005  # of work between two looks at the sockets
GUARD_S: Final = 0.0002  # before a send, in which no work begins
MAX_WAITING: Final = 2000  # jobs; beyond, they no longer wait for the sends


class DeferredWork:
    """Runs jobs in slices between the sends.

    `next_send` says when the next send is due (infinity: never). `make_next` makes one request ahead of its time, and
    returns False when there is nothing to make.
    """

    def __init__(self, next_send: Callable[[], float], make_next: Callable[[], bool]) -> None:
        self._next_send, self._make_next = next_send, make_next
        self._jobs: deque[Callable[[], None]] = deque()
        self._scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def add(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)
        self.schedule()

    def schedule(self) -> None:
        """Look for work in the loop's next iteration. Call this after each send."""
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self.run_slice)

    def run_slice(self) -> None:
        """Work until a send is due (`schedule` is called again after it), and no longer than a slice."""
        self._scheduled = False
        slice_end = until = clock() + SLICE_S
        if len(self._jobs) < MAX_WAITING:
            until = min(until, self._next_send() - GUARD_S)
        while True:
            now = clock()
            if now > until:
                if now > slice_end:
                    self.schedule()
                return
            if self._jobs:
                self._jobs.popleft()()
            elif not self._make_next():
                return

    def finish(self) -> None:
        """Do all jobs now."""
        while self._jobs:
            self._jobs.popleft()()
