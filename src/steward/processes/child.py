"""A process of a deployment: how it is started, that it ended, and when it is started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Protocol

from steward.processes.lifeline import RETURN_MEMORY

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # waits before restarts; the last repeats
STEADY_S = 30.0  # a process that lived this long starts the waits over


def backoff(failures: int) -> float:
    """Seconds to wait before the restart after `failures` failures in a row (1 or more)."""
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]


class Process(Protocol):
    """A process that was started, as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


Launch = Callable[[list[str], tuple[int, ...]], Process]  # a command, and the descriptors that it inherits


def python(module: str, *arguments: str) -> list[str]:
    """The command of a process of this package."""
    return [sys.executable, "-m", f"steward.processes.{module}", *arguments]


def start_process(command: list[str], fds: tuple[int, ...]) -> Process:
    """In a session of its own, so that Ctrl-C reaches the supervisor alone. :raises OSError: no room for it"""
    return subprocess.Popen(
        command, pass_fds=fds, stdin=subprocess.DEVNULL, start_new_session=True, env={**RETURN_MEMORY, **os.environ}
    )


class Child:
    """One supervised process."""

    def __init__(
        self,
        name: str,
        command: list[str],
        fds: tuple[int, ...],
        socket: str | None = None,
        launch: Launch = start_process,
    ) -> None:
        self.name = name
        self.socket = socket  # that an engine answers on
        self.kind = name.partition("-")[0]
        self._command, self._fds, self._launch = command, fds, launch
        self.process: Process | None = None
        self.restarts = 0
        self.exit_code: int | None = None
        self._failures = 0
        self._started = 0.0
        self._start_at = 0.0

    def start(self, now: float) -> None:
        self._started = now
        self.process = self._launch(self._command, self._fds)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def watch(self, now: float) -> bool:
        """Notice an end and restart when it is time; true when something changed."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return False
            self.exit_code = code
            self.process = None
            self._failures = 1 if now - self._started > STEADY_S else self._failures + 1
            self._start_at = now + backoff(self._failures)
            return True
        if now < self._start_at:
            return False
        self.restarts += 1
        try:
            self.start(now)
        except OSError:  # no memory, process or descriptor is left
            self._failures += 1
            self._start_at = now + backoff(self._failures)
        return True

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; after `seconds` make it. -> its exit code; None where it was down already"""
        if self.process is None:
            return None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
