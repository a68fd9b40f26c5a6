"""This machine's CPU as an accelerator's row, for the embedded engine: what a short measurement says.

Bandwidth is that of copying 64 MB (read and written bytes, best of five); arithmetic is a guess from the cores
(llama.cpp reaches about 16 GFLOP/s a core on 8-bit weights with AVX2), which is what calibration is for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from steward.capacity.catalog import Accelerator

NAMES: Final = ("cpu", "this-machine")
_GFLOPS_A_CORE: Final = 16.0
_COPIED: Final = 64 * 2**20
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")


def measure_this_machine() -> Accelerator:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = read_memory_gib(_LIMIT)
    return Accelerator(
        name="cpu",
        vendor="CPU",
        arch=f"{cores} cores",
        bf16_tflops=cores * _GFLOPS_A_CORE / 1e3,
        memory_gb=memory_gib * 2**30 / 1e9,
        memory_gib_visible=memory_gib,
        bandwidth_gb_s=measure_bandwidth_gb_s(time.perf_counter),
        source="measured here: copying 64 MB, best of five; arithmetic assumed at 16 GFLOP/s a core",
    )


def measure_bandwidth_gb_s(clock: Callable[[], float]) -> float:
    """Bytes read and written by the fastest of five copies. `clock`: seconds."""
    source, target = memoryview(bytearray(_COPIED)), memoryview(bytearray(_COPIED))  # slices of views copy once
    best = float("inf")
    for _ in range(5):
        begin = clock()
        target[:] = source
        best = min(best, clock() - begin)
    return 2 * _COPIED / best / 1e9


def read_memory_gib(limit: Path) -> float:
    """What the container may use, by its control group's `limit`, where that is less than the machine has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return float(total) / 2**30
