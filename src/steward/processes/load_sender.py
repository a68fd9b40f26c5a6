"""One sending process of a load test: `python -m steward.processes.load_sender`, started by workflows/loadtest/.

It reads lines from standard input: its task as JSON, then `go TIME`, and perhaps `stop REASON`. The end of the input
means stop, so the process ends when its parent dies. It writes frames to standard output: four bytes of length, one
byte of kind (r ready, p progress, b records, g gaps, n stats, e error), and the payload.
"""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
import threading
from typing import Any

import msgspec

from steward.core.errors import StewardError
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.sender import Sender
from steward.processes.lifeline import disable_core_dumps

_PART = 1 << 20  # bytes of records in one frame, so that the parent need not hold them twice


def write(kind: bytes, payload: bytes | memoryview) -> None:
    """Write one frame. If the parent is gone, the process ends."""
    try:
        for part in (struct.pack(">I", len(payload)) + kind, payload):
            view = memoryview(part)
            while view:
                view = view[os.write(1, view) :]
    except BrokenPipeError:
        os._exit(1)


async def send(task: SenderTask) -> None:
    from steward.adapters.tokenizers import load_counter

    count = load_counter(task.config.tokenizer) if task.config.tokenizer else None
    sender = Sender(task.config, task.index, task.of, count)
    await sender.prepare()
    write(b"r", b"")
    loop = asyncio.get_running_loop()
    line = await loop.run_in_executor(None, sys.stdin.readline)
    if not line.startswith("go "):
        return
    start = float(line[3:])
    sender.stats.ready_s = start - task.began
    threading.Thread(target=_watch, args=(loop, sender), daemon=True).start()
    await sender.run(start, _send_progress)
    rows = sender.outcomes.records.pack()
    for begin in range(0, len(rows), _PART):
        write(b"b", rows[begin : begin + _PART])
    write(b"g", memoryview(sender.outcomes.records.gaps).cast("B"))
    write(b"n", msgspec.json.encode(sender.stats))
    await sender.close()


def _watch(loop: asyncio.AbstractEventLoop, sender: Sender) -> None:
    """Wait, in a thread of its own, for a line that says stop or for the end of the input."""
    while line := sys.stdin.readline():
        if line.startswith("stop"):
            break
    loop.call_soon_threadsafe(sender.stop, "interrupted" if not line else line[5:].strip() or "stopped")


def _send_progress(progress: SenderProgress) -> None:
    write(b"p", msgspec.json.encode(progress))


def main() -> None:
    disable_core_dumps()  # a user's prompts pass through here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides, through the pipe
    task = msgspec.json.decode(sys.stdin.readline(), type=SenderTask)
    try:
        runner: Any = asyncio
        if sys.platform != "win32":
            import uvloop

            runner = uvloop
        runner.run(send(task))
    except StewardError as error:
        write(b"e", msgspec.json.encode([type(error).__name__, str(error), error.exit_code]))
    sys.stdout.flush()
    os._exit(0)  # the watching thread is still reading


if __name__ == "__main__":
    main()
