"""`steward gpu`: what the GPUs of this machine do, and what is wrong with them."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, table_of, terminal

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from steward.capacity.gpu_health import GpuHealth
    from steward.core.extend import GpuReader
    from steward.core.gpus import Gpu, GpuReading, MigDevice

GIB = 1024**3
CODES = {"well": 0, "ill": 1, "none": 3}
COLUMNS = ("gpu", "name", "busy", "GiB used", "°C", "W", "MHz", "held by", "ECC", "XID")  # ECC: the uncorrected
HELD_BY = {
    "sw_power_cap": "power cap",
    "hw_slowdown": "hardware",
    "hw_thermal": "heat",
    "sw_thermal": "heat",
    "hw_power_brake": "power brake",
}


def gpu(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on, with the table refreshed in place.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=3600.0, help="Seconds between two readings.")] = 2.0,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many readings; else Ctrl-C does.")] = None,
    json: JsonOption = False,
) -> None:
    """Memory, load, heat, errors and processes; exit 1 where a GPU is ill, 3 where there is none, 4 with no driver."""
    from steward.workflows.gpus import find_reader

    found = find_reader()
    last = _follow(found, interval, count, json) if watch or count is not None else _once(found, json)
    if CODES[last.verdict]:
        raise typer.Exit(CODES[last.verdict])


def _once(found: GpuReader | str, json: bool) -> GpuHealth:
    judged = _look(found)
    if json:
        show_json(judged)
    else:
        terminal().print(page(judged))
    return judged


def _follow(found: GpuReader | str, interval: float, count: int | None, json: bool) -> GpuHealth:
    """One line of JSON for each reading, or one table that changes; in a pipe, one table after another."""
    import msgspec
    from rich.live import Live

    screen = terminal()
    with Live(console=screen, auto_refresh=False) if screen.is_terminal and not json else nullcontext() as live:
        due, done = time.monotonic(), 1
        while True:
            judged = _look(found)
            if json:
                show_lines([msgspec.json.encode(judged).decode()])
            elif live is not None:
                live.update(page(judged), refresh=True)
            else:
                screen.print(page(judged))
            if judged.verdict == "none" or done == count:
                return judged
            due, done = max(due + interval, time.monotonic()), done + 1
            time.sleep(max(0.0, due - time.monotonic()))


def _look(found: GpuReader | str) -> GpuHealth:
    from steward.capacity.gpu_health import assess_gpus
    from steward.workflows.gpus import read_once

    return assess_gpus(read_once(found, processes=True))


def page(judged: GpuHealth) -> Group:
    """The table of GPUs, what is wrong, and whose processes they run."""
    from rich.console import Group
    from rich.text import Text

    reading = judged.reading
    if judged.verdict == "none":
        return Group(Text(f"No GPU here: {reading.reason}."))
    rows = [row for item in reading.gpus for row in (_row(item), *map(_mig_device, item.mig or ()))]
    clock = time.strftime("%H:%M:%S", time.localtime(reading.at))
    head = f"{clock}  driver {reading.driver or '?'}, CUDA {reading.cuda or '?'}, read through {reading.source}\n"
    styles = {"ill": "red", "slowed": "yellow", "noted": "dim"}
    said = [Text(f"GPU {item.index}: {item.text}", style=styles[item.severity]) for item in judged.issues]
    parts: list[RenderableType] = [Text(head, style="dim"), table_of(COLUMNS, rows)]
    if said:
        parts += [Text(""), *said]
    if listed := _processes(reading):
        parts += [Text(""), table_of(["gpu", "pid", "kind", "memory", "process"], listed)]
    return Group(*parts)


def _row(item: Gpu) -> list[object]:
    held = {HELD_BY[reason]: None for reason in item.reasons or () if reason in HELD_BY}
    if len(held) > 1:
        held.pop("hardware", None)  # the others say what of
    return [
        str(item.index),
        printable(item.name.removeprefix("NVIDIA ")) or item.error,
        "" if item.gpu_percent is None else f"{item.gpu_percent:.0f} %",
        _memory(item.memory_used_bytes, item.memory_total_bytes),
        _number(item.temperature_c),
        _number(item.power_w) + ("" if None in (item.power_w, item.power_limit_w) else f" / {item.power_limit_w:.0f}"),
        _number(item.sm_clock_mhz),
        ", ".join(held),
        "" if item.ecc_uncorrected is None else f"{item.ecc_uncorrected:,}",
        "" if item.last_xid is None else str(item.last_xid.code),
    ]


def _mig_device(item: MigDevice) -> list[object]:
    name = f"MIG {item.profile}".strip() + ("" if item.instance is None else f", instance {item.instance}")
    return ["", printable(name), "", _memory(item.memory_used_bytes, item.memory_total_bytes), "", "", "", "", "", ""]


def _processes(reading: GpuReading) -> list[list[object]]:
    return [
        [
            str(item.index) if process.instance is None else f"{item.index}, instance {process.instance}",
            str(process.pid),
            process.kind,
            "" if process.memory_bytes is None else f"{process.memory_bytes / GIB:.1f} GiB",
            printable(process.name),
        ]
        for item in reading.gpus
        for process in item.processes or ()
    ]


def printable(text: str) -> str:
    """A process may call itself anything, escape sequences for the terminal included.

    >>> printable("python" + chr(27) + "[2J")
    'python?[2J'
    """
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _memory(used: int | None, total: int | None) -> str:
    if total is None:
        return ""
    return f"{'?' if used is None else f'{used / GIB:.1f}'} / {total / GIB:.1f}"
