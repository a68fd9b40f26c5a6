"""What the tests of executors run: in a module that other processes can import by its name."""

import os
import time

from steward.core.errors import InputError


def double(number: int) -> tuple[int, int]:
    time.sleep(0.05)
    return number * 2, os.getpid()


def refuse(number: int) -> int:
    raise InputError(f"row {number}")


def die(number: int) -> int:
    os._exit(9)
