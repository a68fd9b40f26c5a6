"""What several viewers ask for at the same time is found out once, and what was last known stands in for a store that
does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

import msgspec

from steward.core.errors import Unavailable

T = TypeVar("T")
FRESH_S: Final = 1.0
MOST: Final = 300  # answers that are remembered


class SharedAnswer(msgspec.Struct, Generic[T], frozen=True):
    """A value, and when it was found out, in seconds since the epoch. `problem`: why it is not newer."""

    value: T
    at: float
    problem: str = ""


class SharedAnswers:
    """Answers by their question. `compute` blocks and runs in a thread, once however many ask."""

    def __init__(self, clock: Callable[[], float] = time.time, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._known: dict[Hashable, SharedAnswer[Any]] = {}
        self._running: dict[Hashable, asyncio.Task[SharedAnswer[Any]]] = {}
        self._fresh: set[Hashable] = set()  # questions that nothing was changed since

    async def find(self, question: Hashable, compute: Callable[[], T], fresh_s: float = FRESH_S) -> SharedAnswer[T]:
        """One that is at most `fresh_s` old; an older one where the store does not answer.

        :raises Unavailable: it does not, and nothing was known before
        """
        known = self._known.get(question)
        if known is not None and question in self._fresh and 0.0 <= self._clock() - known.at < fresh_s:
            return known
        task = self._running.get(question)
        if task is None:
            task = self._running[question] = asyncio.create_task(self._compute(question, compute))
            task.add_done_callback(lambda done: self._forget(question, done))
        try:
            return await asyncio.shield(task)
        except Unavailable as error:
            if known is None:
                raise
            return SharedAnswer(known.value, known.at, str(error))

    def expire(self) -> None:
        """Something was changed, and must be seen at once: whoever asks from now on is answered anew."""
        self._fresh.clear()
        self._running.clear()

    def _forget(self, question: Hashable, done: asyncio.Task[SharedAnswer[Any]]) -> None:
        if self._running.get(question) is done:
            del self._running[question]
        if not done.cancelled():
            done.exception()  # whoever asked has it; where all have left, nobody misses it

    async def _compute(self, question: Hashable, compute: Callable[[], T]) -> SharedAnswer[T]:
        at = self._clock()
        self._fresh.add(question)
        answer = SharedAnswer(await asyncio.to_thread(compute), at)
        self._known.pop(question, None)
        self._known[question] = answer
        while len(self._known) > self._most:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._fresh.discard(oldest)
        return answer
