"""Callbacks at absolute times, more precise than an event loop's own timers."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, Final

clock = time.monotonic
_MONOTONIC: Final = 1  # CLOCK_MONOTONIC
_ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME


class Timer:
    """Calls back at an absolute time of `clock`, within about 50 us. (Event loops round their timers to milliseconds.)

    On Linux this is a timerfd in the loop's poll. Elsewhere the loop's timer wakes 1.5 ms early and then polls the
    clock once per iteration of the loop, which still reads sockets in between.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
        self._loop, self._call = loop, call
        self._handle: asyncio.Handle | None = None
        self._due = 0.0
        self._file = _timer_file()
        if self._file is not None:
            loop.add_reader(self._file, self._on_file)

    def set(self, due: float) -> None:
        """Call back at `due`; if `due` has passed, in the loop's next iteration."""
        self._due = due
        if self._file is not None:
            _set_timer(self._file, max(due, 1e-9))
        else:
            early = max(0.0, due - clock() - 0.0015)
            self._handle = self._loop.call_later(early, self._poll)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._file is not None:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = None

    def _on_file(self) -> None:
        """Setting a timer clears its expiry, so the file is read only if the timer was not set again."""
        due, self._due = self._due, 0.0
        if due > clock():  # it was set again in this iteration of the loop
            self._due = due
            return
        self._call()
        if not self._due and self._file is not None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._file, 8)

    def _poll(self) -> None:
        if clock() >= self._due:
            self._call()
        else:
            self._handle = self._loop.call_soon(self._poll)


def _timer_file() -> int | None:
    """A timerfd; None where the system has none. (`os.timerfd_create` needs Python 3.13.)"""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return int(_libc().timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC))
    except (AttributeError, OSError):
        return None


def _set_timer(file: int, due: float) -> None:
    whole = int(due)
    value = struct.pack("qqqq", 0, 0, whole, int((due - whole) * 1e9))
    _libc().timerfd_settime(file, _ABSOLUTE, value, None)


_LIBC: list[Any] = []


def _libc() -> Any:
    if not _LIBC:
        _LIBC.append(ctypes.CDLL(None, use_errno=True))
    return _LIBC[0]
