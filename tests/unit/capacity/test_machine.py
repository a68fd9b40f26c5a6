"""This machine as an accelerator."""

import os
from pathlib import Path

import pytest

from steward.capacity.machine import measure_bandwidth_gb_s, measure_this_machine, read_memory_gib


def test_this_machine_is_measured_not_looked_up() -> None:
    found = measure_this_machine()
    cores = len(os.sched_getaffinity(0))
    assert found.is_cpu and found.arch == f"{cores} cores"
    assert found.bf16_tflops == pytest.approx(cores * 0.016)  # 16 GFLOP/s a core
    assert 0.2 < found.bandwidth_gb_s < 2_000  # from one slow channel to a server's twelve
    total_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    assert 0.05 < found.memory_gib <= total_gib * 1.001
    assert found.memory_gb == pytest.approx(found.memory_gib * 1.073741824, rel=1e-12)


def test_bandwidth_is_that_of_the_fastest_of_five_copies() -> None:
    """64 MiB read and 64 MiB written in half a second; a sixth copy, which would be faster, is not made."""
    times = iter([0.0, 3.0, 10.0, 12.0, 20.0, 20.5, 30.0, 31.0, 40.0, 41.0, 50.0, 50.25])
    assert measure_bandwidth_gb_s(lambda: next(times)) == pytest.approx(2 * 67_108_864 / 0.5e9, rel=1e-12)


def test_a_containers_limit_counts_where_it_is_below_the_machines_memory(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("53687091\n")
    assert read_memory_gib(limit) == pytest.approx(0.05, rel=1e-6)
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    for text in ("max\n", str(2**62)):
        limit.write_text(text)
        assert read_memory_gib(limit) == pytest.approx(whole)
    assert read_memory_gib(tmp_path / "none") == pytest.approx(whole)
