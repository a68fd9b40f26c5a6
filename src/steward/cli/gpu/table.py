"""The table of GPUs in a terminal: their state, what is wrong with them, and whose processes they run."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from steward.capacity.gpu_health import GpuHealth
from steward.cli.common import make_table
from steward.core.gpus import Gpu, GpuReading, MigDevice

GIB: Final = 1024**3
COLUMNS: Final = (  # ECC: uncorrected errors
    "gpu", "name", "busy", "GiB used", "°C", "W", "MHz", "throttled by", "ECC", "XID",
)  # fmt: skip
THROTTLED_BY: Final = {
    "sw_power_cap": "power cap",
    "hw_slowdown": "hardware",
    "hw_thermal": "heat",
    "sw_thermal": "heat",
    "hw_power_brake": "power brake",
}
STYLES: Final = {"ill": "red", "slowed": "yellow", "noted": "dim"}


def build_page(health: GpuHealth) -> Group:
    reading = health.reading
    if health.verdict == "none":
        return Group(Text(f"No GPU found: {reading.reason}."))
    rows = [row for item in reading.gpus for row in (_list_gpu_cells(item), *map(_mig_device, item.mig or ()))]
    clock = time.strftime("%H:%M:%S", time.localtime(reading.at))
    head = f"{clock}  driver {reading.driver or '?'}, CUDA {reading.cuda or '?'}, read through {reading.source}\n"
    issues = [Text(f"GPU {item.index}: {item.text}", style=STYLES[item.severity]) for item in health.issues]
    parts: list[RenderableType] = [Text(head, style="dim"), make_table(COLUMNS, rows)]
    if issues:
        parts += [Text(""), *issues]
    if processes := _list_processes(reading):
        parts += [Text(""), make_table(["gpu", "pid", "kind", "memory", "process"], processes)]
    return Group(*parts)


def _list_gpu_cells(item: Gpu) -> list[object]:
    causes = {THROTTLED_BY[reason]: None for reason in item.reasons or () if reason in THROTTLED_BY}
    if len(causes) > 1:
        causes.pop("hardware", None)  # the others say why
    return [
        str(item.index),
        make_printable(item.name.removeprefix("NVIDIA ")) or item.error,
        "" if item.gpu_percent is None else f"{item.gpu_percent:.0f} %",
        _format_memory(item.memory_used_bytes, item.memory_total_bytes),
        _format_number(item.temperature_c),
        _format_number(item.power_w)
        + ("" if None in (item.power_w, item.power_limit_w) else f" / {item.power_limit_w:.0f}"),
        _format_number(item.sm_clock_mhz),
        ", ".join(causes),
        "" if item.ecc_uncorrected is None else f"{item.ecc_uncorrected:,}",
        "" if item.last_xid is None else str(item.last_xid.code),
    ]


def _mig_device(item: MigDevice) -> list[object]:
    name = f"MIG {item.profile}".strip() + ("" if item.instance is None else f", instance {item.instance}")
    return [
        "",
        make_printable(name),
        "",
        _format_memory(item.memory_used_bytes, item.memory_total_bytes),
        "",
        "",
        "",
        "",
        "",
        "",
    ]


def _list_processes(reading: GpuReading) -> list[list[object]]:
    return [
        [
            str(item.index) if process.instance is None else f"{item.index}, instance {process.instance}",
            str(process.pid),
            process.kind,
            "" if process.memory_bytes is None else f"{process.memory_bytes / GIB:.1f} GiB",
            make_printable(process.name),
        ]
        for item in reading.gpus
        for process in item.processes or ()
    ]


def make_printable(text: str) -> str:
    """A process may call itself anything, escape sequences for the terminal included.

    >>> make_printable("python" + chr(27) + "[2J")
    'python?[2J'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _format_power(item: Gpu) -> str:
    limit = "" if None in (item.power_w, item.power_limit_w) else f" / {item.power_limit_w:.0f}"
    return _format_number(item.power_w) + limit


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _format_memory(used: int | None, total: int | None) -> str:
    if total is None:
        return ""
    return f"{'?' if used is None else f'{used / GIB:.1f}'} / {total / GIB:.1f}"
