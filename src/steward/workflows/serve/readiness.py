"""Whether a worker would answer a request: asked by strangers as often as they like, found out once in a while."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from steward.core.errors import find_exhausted

FRESH_S: Final = 1.5  # that an answer holds; load balancers ask every 5 to 30 s
_PROBE_BYTES: Final = 64 * 1024


class Readiness:
    """Remembers what `check` found for `FRESH_S`; those who ask meanwhile wait for the same answer.

    `check` returns why a request would not be answered, or None.
    """

    def __init__(self, check: Callable[[], Awaitable[str | None]], clock: Callable[[], float] = time.monotonic) -> None:
        self._check, self._clock = check, clock
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._problem: str | None = None

    async def find_problem(self) -> str | None:
        if self._clock() >= self._until:
            async with self._lock:
                if self._clock() >= self._until:
                    self._problem = await self._check()
                    self._until = self._clock() + FRESH_S
        return self._problem


def find_lack(folder: Path) -> str | None:
    """What this machine has run out of: a descriptor and some room on the disk of `folder` are taken and given back."""
    path = folder / f".probe-{os.getpid()}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, bytes(_PROBE_BYTES))
        finally:
            os.close(descriptor)
    except OSError as error:
        return str(find_exhausted(error) or f"{folder} cannot be written ({error.strerror})")
    finally:
        path.unlink(missing_ok=True)
    return None
