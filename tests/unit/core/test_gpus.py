"""Why clocks are where they are: the bits of nvml.h, "NvmlClocksEventReasons"."""

from typing import get_args

from steward.core.gpus import REASON_BITS, GpuStatus, Reason


def test_every_reason_has_its_bit() -> None:
    assert list(REASON_BITS.values()) == [1 << number for number in range(9)]
    assert list(REASON_BITS) == list(get_args(Reason))
    assert (REASON_BITS["gpu_idle"], REASON_BITS["hw_slowdown"], REASON_BITS["display_clocks"]) == (0x1, 0x8, 0x100)


def test_nothing_was_read_yet() -> None:
    status = GpuStatus()
    assert (status.reading, status.age_s, status.error) == (None, None, "")
