"""What must not be cut short by Ctrl-C or SIGTERM: removing what was only for now."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def delay_interrupts() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the end of the block, which must be short. Only the main thread receives them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    ours = [number for number, handler in handlers.items() if handler is not None]  # None: not Python's to change
    for number in ours:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
        for late in arrived:
            signal.raise_signal(late)


def remove_temporary(path: Path) -> None:
    """Remove a file or folder that was only for now, wholly; none may be there."""
    with delay_interrupts():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def remove_unless_complete(folder: Path) -> Iterator[None]:
    """The block fills a new folder; where it is cut short, the folder goes."""
    try:
        yield
    except BaseException:
        remove_temporary(folder)
        raise
