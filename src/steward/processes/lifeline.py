"""What every process does: end when the supervisor is gone, dump no core, name its errors.

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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from steward.core.errors import Contradiction, StewardError

_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER: Final = 36


@contextmanager
def report_errors(process: str) -> Iterator[None]:
    """The edge of a process: what steward or the system names ends it with one line, never with a trace."""
    try:
        yield
    except StewardError as error:
        sys.stderr.write(f"{process}: {error}\n")
        raise SystemExit(error.exit_code) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{process}: {where}{error.strerror or type(error).__name__}\n")
        raise SystemExit(4) from error
    except Exception as error:
        if "STEWARD_TRACEBACK" in os.environ:
            raise
        sys.stderr.write(
            f"{process}: Internal error ({type(error).__name__}): this is a bug in steward. Set STEWARD_TRACEBACK=1, "
            "start again, and report what it prints\n"
        )
        raise SystemExit(Contradiction.exit_code) from error


def raise_descriptor_limit() -> None:
    """As many open files as the system allows this process, and those that it starts; shells begin with 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit_core_dumps() -> None:
    """Allow this process no core dump, nor any process that it starts: the limit is inherited through exec."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


RETURN_MEMORY: Final = {
    # glibc's (mallopt(3)): what is as long as a large body goes back to the system when it is freed. Else the first
    # freed one makes the next come from the heap, which keeps it: 18 MB for each connection of bench_hostile.py.
    "MALLOC_MMAP_THRESHOLD_": "262144",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
    "MALLOC_ARENA_MAX": "2",
}
_MALLOPT: Final = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1, "MALLOC_ARENA_MAX": -8}  # malloc.h


def return_memory() -> None:
    """Have this process and its forks give memory back: variables count only where a program begins."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none, nor needs it
    for name, value in RETURN_MEMORY.items():
        if mallopt is not None and name not in os.environ:
            mallopt(_MALLOPT[name], int(value))


def adopt_orphans() -> bool:
    """Become the parent of processes whose own one has ended, among all that began here. False: not on this system"""
    return sys.platform == "linux" and not int(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1))


def disable_core_dumps() -> None:
    """Memory that holds content must not land on a disk, nor be read by another process of the same user.

    The limit alone does not hold where cores are piped to a program (core(5)); Linux's "dumpable" does, but exec
    resets it, so each process calls this for itself.
    """
    limit_core_dumps()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)


def end_with_supervisor(alive_fd: int, grace_s: float) -> None:
    """Send this process SIGTERM when the supervisor is gone, and end it hard `grace_s` seconds later."""

    def wait() -> None:
        os.read(alive_fd, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        hard = threading.Timer(grace_s, os._exit, (1,))
        hard.daemon = True
        hard.start()

    threading.Thread(target=wait, daemon=True, name="lifeline").start()
