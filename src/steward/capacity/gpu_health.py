"""What is wrong with a GPU, from one reading of it. Pure.

An unhealthy GPU ("ill" in JSON, as first published) computes wrongly or not at all, or soon will: take it out and
follow NVIDIA's advice. A slowed one gives less than it could. Two numbers that are often alerted on mean nothing for a
server of language models: memory that is nearly full (engines take it all when they start) and utilisation near 100 %
(any load does that). Power capping is how large GPUs run under load, so it is shown and not reported. A temperature is
judged by what the GPU does about it.

Sources: NVIDIA "GPU Memory Error Management" (row remapping, containment), "XID Errors" r555 (the catalogue and its
actions), nvml.h "NvmlClocksEventReasons".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from steward.core.gpus import Gpu, GpuReading, Reason

XID_FRESH_S: Final = 86_400.0  # who looks every morning sees it; the log goes on telling it until the machine restarts
HARDWARE_XIDS: Final = {  # those whose action in the catalogue is to reset, to restart or to call the vendor
    46: "GPU stopped processing",
    48: "double-bit ECC error",
    62: "internal micro-controller halt",
    64: "row remapping failed",
    74: "NVLink error",
    79: "GPU has fallen off the bus",
    95: "uncontained ECC error",
    110: "security fault",
    119: "GSP does not answer",
    120: "GSP error",
    136: "link training failed",
    140: "unrecovered ECC error",
    143: "GPU initialisation failed",
}
NOTED_XIDS: Final = {  # an application's own fault, or already dealt with by the driver
    13: "graphics engine exception, mostly of an application",
    31: "memory page fault, mostly of an application",
    43: "GPU stopped an application's work",
    45: "an application was ended",
    63: "a row of memory was remapped",
    68: "video processor exception",
    92: "many corrected ECC errors",
    94: "contained ECC error; the application that had it must restart",
}
SLOWED: Final[dict[Reason, str]] = {
    "hw_slowdown": "the hardware has halved its clocks (heat or power)",
    "hw_thermal": "too hot: the hardware lowers the clocks",
    "sw_thermal": "too hot: the driver lowers the clocks",
    "hw_power_brake": "the power supply forces it to slow down",
}


class GpuIssue(msgspec.Struct, frozen=True):
    """One thing that is wrong with a GPU, and what to do."""

    index: int
    severity: Literal["ill", "slowed", "noted"]
    text: str


class GpuHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`steward gpu --json`."""

    verdict: Literal["well", "ill", "none"]  # none: no GPU here
    issues: tuple[GpuIssue, ...] = msgspec.field(name="complaints")
    reading: GpuReading


def assess_gpus(reading: GpuReading) -> GpuHealth:
    """The machine is unhealthy when one of its GPUs is.

    >>> assess_gpus(GpuReading(at=0.0, source="nvml", gpus=(Gpu(index=0, ecc_uncorrected=0),))).verdict
    'well'
    >>> assess_gpus(GpuReading(at=0.0, source="nvml", gpus=(Gpu(index=0, ecc_uncorrected=1),))).verdict
    'ill'
    >>> assess_gpus(GpuReading(at=0.0, source="none", reason="no driver")).verdict
    'none'
    """
    issues = list_issues(reading)
    ill = any(item.severity == "ill" for item in issues)
    return GpuHealth(verdict="none" if not reading.gpus else "ill" if ill else "well", issues=issues, reading=reading)


def list_issues(reading: GpuReading) -> tuple[GpuIssue, ...]:
    """Everything that is wrong, GPU by GPU, the worst first in each."""
    order = ("ill", "slowed", "noted")
    return tuple(
        item
        for gpu in reading.gpus
        for item in sorted(_find_issues(gpu, reading.at), key=lambda it: order.index(it.severity))
    )


def list_throttle_reasons(gpu: Gpu) -> tuple[Reason, ...]:
    """Why its clocks are held down; empty when they are not, or when it does not report it."""
    return tuple(reason for reason in gpu.reasons or () if reason in SLOWED)


def _find_issues(gpu: Gpu, now: float) -> Iterator[GpuIssue]:
    if gpu.error:
        yield GpuIssue(gpu.index, "ill", f"{gpu.error}: restart the machine, or reset the GPU")
    if gpu.row_remap_failed:
        yield GpuIssue(gpu.index, "ill", "a damaged row of memory could not be remapped: have the GPU replaced")
    if gpu.ecc_uncorrected:
        errors = f"{gpu.ecc_uncorrected:,} uncorrected ECC error{'' if gpu.ecc_uncorrected == 1 else 's'}"
        yield GpuIssue(gpu.index, "ill", f"{errors} since the driver was loaded: restart its processes, reset the GPU")
    if gpu.row_remap_pending:
        yield GpuIssue(gpu.index, "ill", "a row of memory is waiting to be remapped: reset the GPU")
    xid = gpu.last_xid
    if xid is not None and now - xid.at < XID_FRESH_S:
        if xid.code in NOTED_XIDS:
            yield GpuIssue(gpu.index, "noted", f"XID {xid.code}: {NOTED_XIDS[xid.code]}")
        elif xid.code in HARDWARE_XIDS:
            yield GpuIssue(gpu.index, "ill", f"XID {xid.code}: {HARDWARE_XIDS[xid.code]}")
        else:
            yield GpuIssue(gpu.index, "noted", f"XID {xid.code}: see NVIDIA's catalogue of XID errors")
    held = list_throttle_reasons(gpu)
    for reason in held[1:] if held[:1] == ("hw_slowdown",) and len(held) > 1 else held:  # the others say what of
        yield GpuIssue(gpu.index, "slowed", SLOWED[reason])
