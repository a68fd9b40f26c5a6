"""Whether a process is there."""

from __future__ import annotations

import os


def is_process_there(pid: int) -> bool:
    """Whether a process has this id, also one of another user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
