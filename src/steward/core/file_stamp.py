"""Tells whether a file has changed since it was read: the key for caches of what files hold."""

from __future__ import annotations

import os


def file_stamp(path: str) -> tuple[int, int]:
    """What changes when a file does: (time of change in ns, bytes); zeros where there is none. A key for caches."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
