"""This machine as an accelerator."""

import os

import pytest

from steward.capacity.machine import measure_this_machine


def test_this_machine_is_measured_not_looked_up() -> None:
    found = measure_this_machine()
    cores = len(os.sched_getaffinity(0))
    assert found.is_cpu and found.arch == f"{cores} cores"
    assert found.bf16_tflops == pytest.approx(cores * 0.016)  # 16 GFLOP/s a core
    assert 0.2 < found.bandwidth_gb_s < 2_000  # from one slow channel to a server's twelve
    total_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    assert 0.05 < found.memory_gib <= total_gib * 1.001
    assert found.memory_gb == pytest.approx(found.memory_gib * 2**30 / 1e9)
