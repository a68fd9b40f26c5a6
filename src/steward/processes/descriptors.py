"""Which of the descriptors that the system allows a process clients' connections may take.

Of eight, one is kept: what the connections ask for takes more of them (an upstream's connection, the file of keys, a
segment of the ledger). Where idle connections hold the last one, each request fails for want of another. The system
gives the lowest number that is free, so that a connection's own says how many are taken.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

KEPT_SHARE: Final = 8  # one of so many is kept
TELL_EVERY_S: Final = 60.0


def read_limit() -> int:
    """Of this process, now."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class DescriptorRoom:
    """Says who may stay, and tells the log when somebody may not."""

    def __init__(self, find_limit: Callable[[], int] = read_limit, clock: Callable[[], float] = time.monotonic) -> None:
        self._find_limit, self._clock = find_limit, clock
        self._told_at: float | None = None

    def admits(self, descriptor: int) -> bool:
        """Whether a client's connection may have this number."""
        limit = self._find_limit()
        if limit < 0 or descriptor < limit - limit // KEPT_SHARE:  # below 0: there is none
            return True
        self.tell_full()
        return False

    def tell_full(self) -> None:
        """That connections are turned away; once a minute."""
        now = self._clock()
        if self._told_at is None or now >= self._told_at + TELL_EVERY_S:
            self._told_at = now
            log.warning(
                "no room for more connections: nearly all of the %s file descriptors of this process are open. "
                "Start steward with a larger limit (ulimit -n 65536; systemd: LimitNOFILE=65536), or with more workers",
                f"{self._find_limit():,}",
            )
