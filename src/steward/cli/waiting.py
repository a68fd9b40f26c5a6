"""What a command says while it works and has nothing to show yet.

Commands with a bar or lines of their own are not silent, and a command that has begun its output needs no other sign
of life. Knows nothing of how much is left.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

PATIENCE_S: Final = 2.0  # of somebody who looks at nothing
REPEAT_S: Final = 10.0  # in a log, and after a line of the command's own
_CLEAR: Final = "\r\x1b[2K"


class WaitingNote:
    """Decides when the note is due: after `PATIENCE_S` without a word, then each second on a terminal, and after
    `REPEAT_S` in a log. Over as soon as the command's output begins, or it asks something.
    """

    def __init__(self, name: str, screen: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._screen, self._clock = name, screen, clock
        self._began = clock()
        self._due = self._began + PATIENCE_S
        self._is_terminal = screen.isatty()
        self._shown = False
        self.over = threading.Event()
        self._lock = threading.Lock()

    def hear(self, text: str, is_output: bool) -> None:
        """Called before the command writes `text`."""
        with self._lock:
            if self._shown and self._is_terminal:
                self._screen.write(_CLEAR)
            self._shown = False
            self._due = self._clock() + REPEAT_S
            if text and (is_output or not text.endswith("\n")):
                self.over.set()

    def tick(self) -> float:
        """Says so where it is due. The seconds until it is due again."""
        with self._lock:
            now = self._clock()
            if not self.over.is_set() and now >= self._due:
                passed = f"{self._name}: still at work after {now - self._began:.0f} s"
                self._screen.write(f"{_CLEAR}{passed}" if self._is_terminal else f"{passed}\n")
                self._screen.flush()
                self._shown, self._due = True, now + (1.0 if self._is_terminal else REPEAT_S)
            return self._due - now


class HeardStream:
    """A stream that lets the note know before something is written to it."""

    def __init__(self, stream: TextIO, hear: Callable[[str], None]) -> None:
        self._stream, self._hear = stream, hear

    def write(self, text: str) -> int:
        self._hear(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def show_waiting(name: str) -> Iterator[None]:
    """While the block runs, say on stderr that `name` is at work where it says nothing itself."""
    output, errors = sys.stdout, sys.stderr
    note = WaitingNote(name, errors)

    def watch() -> None:
        while not note.over.wait(note.tick()):
            pass

    sys.stdout = HeardStream(output, lambda text: note.hear(text, is_output=True))
    sys.stderr = HeardStream(errors, lambda text: note.hear(text, is_output=False))
    watcher = threading.Thread(target=watch, name="waiting", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        note.hear("", is_output=False)
        note.over.set()
        sys.stdout, sys.stderr = output, errors
