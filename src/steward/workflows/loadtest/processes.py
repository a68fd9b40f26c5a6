"""The sending processes of one load test on this machine: start them together, collect their results, stop them."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import msgspec

from steward.core import errors
from steward.core.errors import StewardError, Unavailable
from steward.core.interrupts import INTERRUPTS
from steward.loadtest.config import LoadConfig
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.recorder import SenderResult, SenderStats

_LEAD_S: Final = 0.03  # between the command to start and the start, so that all processes have read it
INTERRUPTED: Final = "interrupted"  # the reason with which an interrupt stops a run
OnProgress = Callable[[Sequence[SenderProgress]], str | None]
"""Gets the newest progress of each process. If it returns a text, the run stops, and the text says why."""


class SenderProcesses:
    """The processes of one run. `began`: monotonic time at which the command started."""

    def __init__(self, config: LoadConfig, began: float | None = None) -> None:
        self._config = config
        self._began = time.monotonic() if began is None else began
        self._processes: list[asyncio.subprocess.Process] = []
        self._stopped = False
        self.start = 0.0  # monotonic
        self.started_at = 0.0  # since the epoch

    async def launch(self) -> None:
        """Start all processes and wait until they are ready. :raises StewardError: what one of them reports"""
        command = [sys.executable, "-m", "steward.processes.load_sender"]
        for index in range(self._config.processes):
            process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, limit=1 << 20
            )
            self._processes.append(process)
            share = SenderTask(config=self._config, index=index, of=self._config.processes, began=self._began)
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(share) + b"\n")
        for kind, payload in await asyncio.gather(*(_read_frame(process) for process in self._processes)):
            if kind == b"e":
                raise _decode_error(payload)

    async def run(self, on_progress: OnProgress) -> list[SenderResult]:
        """Run from now to the last response. :raises Unavailable: a process died"""
        self.start = time.monotonic() + _LEAD_S
        self.started_at = time.time() + _LEAD_S
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(b"go %.9f\n" % self.start)
        newest: list[SenderProgress | None] = [None] * len(self._processes)
        results = await asyncio.gather(
            *(self._collect(index, process, newest, on_progress) for index, process in enumerate(self._processes))
        )
        return list(results)

    async def _collect(
        self,
        index: int,
        process: asyncio.subprocess.Process,
        newest: list[SenderProgress | None],
        on_progress: OnProgress,
    ) -> SenderResult:
        rows, gaps = bytearray(), b""
        while True:
            kind, payload = await _read_frame(process)
            if kind == b"p":
                newest[index] = msgspec.json.decode(payload, type=SenderProgress)
                reason = on_progress([progress for progress in newest if progress is not None])
                if reason:
                    self.stop(reason)
            elif kind == b"b":
                rows += payload
            elif kind == b"g":
                gaps = payload
            elif kind == b"n":
                return SenderResult(rows, gaps, msgspec.json.decode(payload, type=SenderStats))
            else:
                raise _decode_error(payload)

    def stop(self, reason: str) -> None:
        """Send no more, abandon what is in flight, and return what there is."""
        if self._stopped:
            return
        self._stopped = True
        for process in self._processes:
            if process.stdin is not None and process.returncode is None:
                process.stdin.write(b"stop " + reason.encode() + b"\n")

    async def close(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                try:
                    await asyncio.wait_for(process.wait(), 5)
                except TimeoutError:
                    self.kill()
                    await process.wait()
            if process.stdin is not None:
                process.stdin.close()

    @contextmanager
    def handle_signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Ctrl-C and SIGTERM stop the run and keep its results; a second one kills the processes. Afterwards they mean
        what they meant before, where the loop would leave SIGTERM to end a sweep between its steps.

        Only in the main thread; other threads receive no signals.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt() -> None:
            if self._stopped:
                self.kill()
            self.stop(INTERRUPTED)

        before = {number: signal.getsignal(number) for number in INTERRUPTS}
        for number in INTERRUPTS:
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)

    def kill(self) -> None:
        """Send the signal directly: Process.kill may reap the process before asyncio's watcher, which then warns."""
        for process in self._processes:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)


async def _read_frame(process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    try:
        size, kind = struct.unpack(">Ic", await process.stdout.readexactly(5))
        return kind, await process.stdout.readexactly(size)
    except asyncio.IncompleteReadError as error:
        code = await process.wait()
        raise Unavailable(
            f"a sending process ended early with exit code {code}; its standard error says why"
        ) from error


def _decode_error(payload: bytes) -> StewardError:
    """The error that a process reported, with its class."""
    name, message, code = msgspec.json.decode(payload)
    kind = getattr(errors, name, Unavailable)
    error = StewardError(message) if kind is errors.UnknownName else kind(message)
    assert isinstance(error, StewardError)
    error.exit_code = code
    return error
