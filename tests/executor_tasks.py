"""What the tests of executors run: in a module that other processes can import by its name."""

import os
import time
from pathlib import Path

from steward.core.errors import InputError


def double(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return number * 2, os.getpid()


def meet(folder: str) -> int:
    """Ends when two processes are in it, so that nobody does all tasks alone."""
    place, limit = Path(folder), time.monotonic() + 60.0
    (place / str(os.getpid())).touch()
    while len(list(place.iterdir())) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    return os.getpid()


def refuse(number: int) -> int:
    raise InputError(f"row {number}")


def die(number: int) -> int:
    os._exit(9)
