"""What every process does: end when the supervisor is gone, dump no core.

The supervisor holds the write end of a pipe that it never writes to. When it dies, however it dies, the
kernel closes that end and every child's read end sees the end of the file.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def no_core_dumps() -> None:
    """Memory that holds content must not land on a disk, nor be read by another process of the same user.

    The limit alone does not hold where cores are piped to a program (core(5)); Linux's "dumpable" does.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def end_with(alive_fd: int, grace_s: float) -> None:
    """Send this process SIGTERM when the supervisor is gone, and end it hard `grace_s` seconds later."""

    def wait() -> None:
        os.read(alive_fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        hard = threading.Timer(grace_s, os._exit, (1,))
        hard.daemon = True
        hard.start()

    threading.Thread(target=wait, daemon=True, name="lifeline").start()
