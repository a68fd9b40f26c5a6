"""What a GPU says of itself: the records that readers make and that the command, the page and the metrics show.

None: the device, its driver or our rights do not give that number. Memory is in bytes; percentages run from 0 to 100.
Names of processes may be personal: who does not need them asks a reader for none.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Reason = Literal[
    "gpu_idle",
    "application_clocks",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal",
    "hw_thermal",
    "hw_power_brake",
    "display_clocks",
]
REASON_BITS: Final[dict[Reason, int]] = {  # nvml.h, "NvmlClocksEventReasons"; DCGM's field 112 has the same bits
    "gpu_idle": 0x1,
    "application_clocks": 0x2,
    "sw_power_cap": 0x4,
    "hw_slowdown": 0x8,
    "sync_boost": 0x10,
    "sw_thermal": 0x20,
    "hw_thermal": 0x40,
    "hw_power_brake": 0x80,
    "display_clocks": 0x100,
}


class Xid(msgspec.Struct, frozen=True):
    """An error that the driver reported, by its number in NVIDIA's catalogue ("XID Errors")."""

    code: int
    at: float  # seconds since the epoch


class GpuProcess(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's process that holds memory of a GPU."""

    pid: int
    name: str  # "": not told
    kind: Literal["compute", "graphics", "both"]
    memory_bytes: int | None = None
    instance: int | None = None  # of the MIG device that it runs on


class MigDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a GPU that is used like a GPU."""

    instance: int | None  # GPU instance id
    profile: str = ""  # "1g.10gb"; "": not told
    uuid: str = ""
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU. With `error` the rest is what could still be read."""

    index: int
    uuid: str = ""
    name: str = ""
    pci: str = ""  # "00000000:17:00.0"
    error: str = ""  # why it cannot be read, such as "GPU is lost"
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None  # without what the driver keeps for itself, where it says so
    memory_free_bytes: int | None = None
    memory_reserved_bytes: int | None = None
    gpu_percent: float | None = None  # of the time in which some kernel ran
    memory_percent: float | None = None  # of the time in which memory was read or written
    encoder_percent: float | None = None
    decoder_percent: float | None = None
    temperature_c: float | None = None
    memory_temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    energy_j: float | None = None  # since the driver was loaded
    sm_clock_mhz: float | None = None
    sm_clock_max_mhz: float | None = None
    memory_clock_mhz: float | None = None
    reasons: tuple[Reason, ...] | None = None  # why the clocks are where they are
    ecc_corrected: int | None = None  # since the driver was loaded
    ecc_uncorrected: int | None = None
    rows_remapped_corrected: int | None = None  # for good
    rows_remapped_uncorrected: int | None = None
    row_remap_pending: bool | None = None
    row_remap_failed: bool | None = None
    last_xid: Xid | None = None
    mig: tuple[MigDevice, ...] | None = None  # None: not divided
    processes: tuple[GpuProcess, ...] | None = None  # None: not asked for, or not told


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """All GPUs of this machine at one moment."""

    at: float
    source: Literal["nvml", "nvidia-smi", "none"]
    driver: str = ""
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    reason: str = ""  # why there is none


class GpuStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The last reading that there was, how old it is, and what has gone wrong since."""

    reading: GpuReading | None = None
    age_s: float | None = None
    error: str = ""
