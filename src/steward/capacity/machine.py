"""This machine's CPU as an accelerator's row, for the embedded engine: what a short measurement says.

Bandwidth is that of copying 64 MB (read and written bytes, best of five); arithmetic is a guess from the cores
(llama.cpp reaches about 16 GFLOP/s a core on 8-bit weights with AVX2), which is what calibration is for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from steward.capacity.catalog import Accelerator

NAMES: Final = ("cpu", "this-machine")
_GFLOPS_A_CORE: Final = 16.0
_COPIED: Final = 64 * 2**20


def measure_this_machine() -> Accelerator:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory_gib = _memory_gib()
    return Accelerator(
        name="cpu",
        vendor="CPU",
        arch=f"{cores} cores",
        bf16_tflops=cores * _GFLOPS_A_CORE / 1e3,
        memory_gb=memory_gib * 2**30 / 1e9,
        memory_gib_visible=memory_gib,
        bandwidth_gb_s=_bandwidth_gb_s(),
        source="measured here: copying 64 MB, best of five; arithmetic assumed at 16 GFLOP/s a core",
    )


def _bandwidth_gb_s() -> float:
    source, target = memoryview(bytearray(_COPIED)), memoryview(bytearray(_COPIED))  # slices of views copy once
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        target[:] = source
        best = min(best, time.perf_counter() - begin)
    return 2 * _COPIED / best / 1e9


def _memory_gib() -> float:
    """What the container may use, where that is less than the machine has."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return float(total) / 2**30
