"""Whether a worker would answer a request: asked by strangers as often as they like, found out once in a while."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from steward.core.errors import find_exhausted
from steward.core.files import open_private

FRESH_S: Final = 1.5  # that an answer holds; load balancers ask every 5 to 30 s
STARTING_S: Final = 10.0  # in which engines and stores come up, one after the other
STARTING_FRESH_S: Final = 0.1  # that an answer holds meanwhile: whoever starts steward waits for the end of it
_PROBE_BYTES: Final = 64 * 1024


class Readiness:
    """Remembers what `check` found for `FRESH_S`; those who ask meanwhile wait for the same answer. While it has never
    been fine, for `STARTING_FRESH_S` in the first `STARTING_S`.

    `check` returns why a request would not be answered, or None.
    """

    def __init__(self, check: Callable[[], Awaitable[str | None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._check, self._clock = check, clock
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._started: float | None = clock()  # None: it has been fine, or should have been
        self._problem: str | None = None

    async def find_problem(self) -> str | None:
        if self._clock() >= self._until:
            async with self._lock:
                if self._clock() >= self._until:
                    self._problem = await self._check()
                    now = self._clock()
                    if self._problem is None or (self._started is not None and now >= self._started + STARTING_S):
                        self._started = None
                    self._until = now + (FRESH_S if self._started is None else STARTING_FRESH_S)
        return self._problem


def find_lack(folder: Path) -> str | None:
    """What this machine has run out of: a descriptor and some room on the disk of `folder` are taken and given back."""
    path = folder / f".probe-{os.getpid()}"
    try:
        with open_private(path, "wb") as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        return str(find_exhausted(error) or f"{folder} cannot be written ({error.strerror})")
    finally:
        path.unlink(missing_ok=True)
    return None
