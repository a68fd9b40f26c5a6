"""The keeper's look at its machine: memory of steward's processes, memory and load of GPUs, as gauges."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from steward.core.gauges import GaugeSample
from steward.core.gpus import GpuStatus
from steward.core.stores import GaugeStore

_PROCESS: Final = re.compile(rb"steward\.processes\.([a-z_]+)")


class MachineSampler:
    """A job of every keeper: its own machine's."""

    def __init__(
        self,
        gauges: GaugeStore,
        read_gpus: Callable[[], GpuStatus],
        clock: Callable[[], float] = time.time,
        read_memory: Callable[[], dict[str, int]] | None = None,
        host: str | None = None,
    ) -> None:
        self._gauges, self._read_gpus, self._clock = gauges, read_gpus, clock
        self._read_memory, self._host = read_memory or read_process_memory, host or socket.gethostname()

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        now = self._clock()
        samples = [
            GaugeSample(now, f"{name}@{self._host}", "process_memory", float(held))
            for name, held in self._read_memory().items()
        ]
        reading = self._read_gpus().reading
        for gpu in reading.gpus if reading is not None else ():
            subject = f"{gpu.index}@{self._host}"
            if gpu.memory_used_bytes is not None:
                samples.append(GaugeSample(now, subject, "gpu_memory", float(gpu.memory_used_bytes)))
            if gpu.gpu_percent is not None:
                samples.append(GaugeSample(now, subject, "gpu_busy", gpu.gpu_percent / 100.0))
        if samples:
            self._gauges.add(samples)


def read_process_memory(proc: Path = Path("/proc"), parent: int | None = None) -> dict[str, int]:
    """Resident bytes of steward's processes by kind, those of one kind together; empty where there is no /proc.

    They are the children of `parent`, by default of this process's supervisor.
    """
    supervisor, held = os.getppid() if parent is None else parent, dict[str, int]()
    for folder in proc.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            status = (folder / "status").read_text()
        except OSError:  # it has just ended
            continue
        match, fields = _PROCESS.search(command), _read_status(status)
        if match is not None and fields.get("PPid") == supervisor:
            name = match[1].decode()
            held[name] = held.get(name, 0) + 1024 * fields.get("VmRSS", 0)
    return held


def _read_status(text: str) -> dict[str, int]:
    """The numbers of /proc/PID/status; sizes in KiB."""
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdigit():
            fields[name] = int(number[0])
    return fields
