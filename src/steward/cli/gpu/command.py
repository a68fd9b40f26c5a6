"""`steward gpu`: reads once, or follows."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Annotated, Final

import msgspec
import typer
from rich.live import Live

from steward.capacity.gpu_health import GpuHealth, assess_gpus
from steward.cli.common import JsonOption, open_console, show_json, show_lines
from steward.cli.gpu.table import build_page
from steward.core.extend import GpuReader
from steward.workflows.gpus import find_reader, read_once

CODES: Final = {"well": 0, "ill": 1, "none": 3}


def gpu(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep reading, and refresh the table in place.")] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=3600.0, help="Seconds between two readings.")] = 2.0,
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many readings. Default: Ctrl-C stops.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show the GPUs of this machine; exit 1 when one is unhealthy, 3 when there is none, 4 without a driver."""
    reader = find_reader()
    last = _follow(reader, interval, count, json) if watch or count is not None else _show_once(reader, json)
    if CODES[last.verdict]:
        raise typer.Exit(CODES[last.verdict])


def _show_once(reader: GpuReader | str, json: bool) -> GpuHealth:
    health = _read_health(reader)
    if json:
        show_json(health)
    else:
        open_console().print(build_page(health))
    return health


def _follow(reader: GpuReader | str, interval: float, count: int | None, json: bool) -> GpuHealth:
    """One line of JSON for each reading, or one table that changes; in a pipe, one table after another."""
    screen = open_console()
    with Live(console=screen, auto_refresh=False) if screen.is_terminal and not json else nullcontext() as live:
        due, done = time.monotonic(), 1
        while True:
            health = _read_health(reader)
            if json:
                show_lines([msgspec.json.encode(health).decode()])
            elif live is not None:
                live.update(build_page(health), refresh=True)
            else:
                screen.print(build_page(health))
            if health.verdict == "none" or done == count:
                return health
            due, done = max(due + interval, time.monotonic()), done + 1
            time.sleep(max(0.0, due - time.monotonic()))


def _read_health(reader: GpuReader | str) -> GpuHealth:
    return assess_gpus(read_once(reader, processes=True))
