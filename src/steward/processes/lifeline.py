"""What every process does: end when the supervisor is gone, dump no core.

The supervisor holds the write end of a pipe that it never writes to. When it dies, however it dies, the
kernel closes that end and every child's read end sees the end of the file.
"""

from __future__ import annotations

import os
import resource
import signal
import threading


def no_core_dumps() -> None:
    """Memory that holds content must not land on a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def end_with(alive_fd: int, grace_s: float) -> None:
    """Send this process SIGTERM when the supervisor is gone, and end it hard `grace_s` seconds later."""

    def wait() -> None:
        os.read(alive_fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        hard = threading.Timer(grace_s, os._exit, (1,))
        hard.daemon = True
        hard.start()

    threading.Thread(target=wait, daemon=True, name="lifeline").start()
