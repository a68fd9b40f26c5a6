"""How many requests a key may start in a minute: an exact sliding window.

The window of a key is a file in `home/limits`, named with its limit: truncating a file that another worker
still maps would kill that worker. It holds one position and a ring of as many start times as the
key has requests a minute. A request passes when the oldest of the ring is at least 60 seconds old, and
takes its place. The file is memory-mapped and every look at it is made under a file lock, so that all
workers of a machine share one exact count, and a killed worker leaves nothing behind but a released lock.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from pathlib import Path
from typing import Final

import msgspec

WINDOW_S: Final = 60.0
_HEAD: Final = struct.Struct("<QQ")  # capacity, next position
_TIME: Final = struct.Struct("<d")


class Decision(msgspec.Struct, frozen=True):
    """Whether a request may start, and what its client is told."""

    allowed: bool
    limit: int
    remaining: int
    retry_after_s: float


class Window:
    """The sliding window of one key, shared by all processes that open the same file."""

    def __init__(self, path: Path, limit: int) -> None:
        self.limit = limit
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = _HEAD.size + limit * _TIME.size
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if os.fstat(self._fd).st_size != size:  # new, or the key's limit changed: start over
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, size)
            self._map = mmap.mmap(self._fd, size)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def take(self, now: float) -> Decision:
        """Count one request at `now` (seconds, the same clock in every process) if the window has room."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            _, position = _HEAD.unpack_from(self._map)
            slot = _HEAD.size + position * _TIME.size
            oldest: float = _TIME.unpack_from(self._map, slot)[0]
            wait = oldest + WINDOW_S - now
            if wait > 0:
                return Decision(False, self.limit, 0, wait)
            _TIME.pack_into(self._map, slot, now)
            _HEAD.pack_into(self._map, 0, self.limit, (position + 1) % self.limit)
            return Decision(True, self.limit, self._free(position + 1, now), 0.0)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _free(self, start: int, now: float) -> int:
        """Requests that may still start now: places whose time has passed, by bisection (the ring is sorted)."""
        low, high = 0, self.limit - 1
        while low < high:
            middle = (low + high) // 2
            slot = _HEAD.size + ((start + middle) % self.limit) * _TIME.size
            if _TIME.unpack_from(self._map, slot)[0] + WINDOW_S > now:
                high = middle
            else:
                low = middle + 1
        return low

    def close(self) -> None:
        self._map.close()
        os.close(self._fd)


class RequestLimits:
    """The windows of all keys, opened when first used."""

    def __init__(self, folder: Path, default_per_minute: int | None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._default = default_per_minute
        self._windows: dict[str, Window] = {}

    def take(self, key_id: str, per_minute: int | None, now: float) -> Decision | None:
        """Count one request of `key_id`; None where it has no limit. The id is ours, not a client's text."""
        limit = per_minute if per_minute is not None else self._default
        if limit is None:
            return None
        window = self._windows.get(key_id)
        if window is None or window.limit != limit:
            if window is not None:
                window.close()
            window = self._windows[key_id] = Window(self._folder / f"{key_id}.{limit}.rpm", limit)
        return window.take(now)

    def close(self) -> None:
        for window in self._windows.values():
            window.close()
        self._windows.clear()
