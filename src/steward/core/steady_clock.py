"""Time since the epoch for what lasts: somebody who sets the machine's clock makes no training hang or time out."""

from __future__ import annotations

import time
from collections.abc import Callable


class SteadyClock:
    """Reads `clock` once, and adds what has passed since. Seconds; what a machine slept through may not have passed.

    >>> moments = iter((5.0, 7.5))
    >>> now = SteadyClock(lambda: 1000.0, lambda: next(moments))
    >>> now()
    1002.5
    """

    def __init__(self, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._offset, self._monotonic = clock() - monotonic(), monotonic

    def __call__(self) -> float:
        return self._offset + self._monotonic()
