"""Load testing's composition root: processes of this machine or Ray tasks send; one report comes out."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.load_report import LoadReport
from steward.core.secret import resolve
from steward.loadtest.book import Outcome
from steward.loadtest.config import LoadConfig, check
from steward.loadtest.messages import Progress, Share

_SCRAPE_S: Final = 1.0
_RAY_LEAD_S: Final = 3.0
Shown = Callable[[Sequence[Progress]], str | None]


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is read beside the run. `metrics_url` None: /metrics of the server, where there is one."""

    metrics_url: str | None = None
    metrics_key: str | None = None  # env:NAME or file:PATH
    gpu: bool = True  # of this machine, where nvidia-smi is


class Finished(msgspec.Struct, frozen=True):
    """A report and the rows that it is of."""

    report: LoadReport
    outcomes: list[Outcome]
    config: LoadConfig


def need_extra() -> None:
    """:raises InputError: the extra `load` is not installed"""
    import importlib.util

    if not importlib.util.find_spec("numpy"):
        raise InputError("steward load needs numpy: pip install 'llm-steward[load]'")


def run_load(
    config: LoadConfig,
    *,
    shown: Shown = lambda progress: None,
    watched: Watched | None = None,
    began: float | None = None,
) -> Finished:
    """One load test from processes of this machine.

    A run that is interrupted comes back with `partial` set.

    :raises InputError: the configuration, a prompt file or a trace is wrong
    :raises Unavailable: no such host, nobody listens, or a process died
    """
    need_extra()
    check(config)
    return asyncio.run(_run(config, shown, watched or Watched(gpu=False), began))


def run_on_ray(config: LoadConfig) -> Finished:
    """One load test from Ray tasks, `config.processes` of them, on whatever machines the cluster gives them.

    All begin at one time of the machines' clocks, some seconds from now: Ray starts its workers in between.

    :raises InputError: the configuration is wrong, or the extra `ray` is not installed
    """
    need_extra()
    check(config)
    from steward.loadtest.run import send_share

    try:
        from steward.adapters.executors.ray import RayExecutor
    except ImportError as error:
        raise InputError("--ray needs Ray: pip install 'llm-steward[ray]'") from error
    with RayExecutor(config.processes) as executor:
        list(executor.map(_awake, list(range(config.processes))))
        start_at = time.time() + _RAY_LEAD_S
        shares = [
            Share(config=config, index=index, of=config.processes, began=0.0) for index in range(config.processes)
        ]
        outcomes = list(executor.map(send_share, [(share, start_at) for share in shares]))
    return finish(config, outcomes, start_at)


def _awake(index: int) -> int:
    """Has a worker load what the run needs, before the run."""
    import steward.loadtest.run  # noqa: F401

    return index


async def _run(config: LoadConfig, shown: Shown, watched: Watched, began: float | None) -> Finished:
    from steward.workflows.load_processes import Fleet

    fleet = Fleet(config, began)
    pages: list[tuple[float, str]] = []
    cards: list[tuple[float, str]] = []
    try:
        await fleet.open()
        fleet.interruptible(asyncio.get_running_loop())
        watching = [asyncio.create_task(work) for work in _watchers(config, watched, fleet, pages, cards)]
        try:
            outcomes = await fleet.run(shown)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    except BaseException:
        fleet.kill()
        raise
    finally:
        await fleet.close()
    return finish(config, outcomes, fleet.started_at, pages, cards)


def finish(
    config: LoadConfig,
    outcomes: list[Outcome],
    started_at: float,
    pages: Sequence[tuple[float, str]] = (),
    cards: Sequence[tuple[float, str]] = (),
) -> Finished:
    """The report of what all processes brought. numpy is loaded only here: that takes longer than to start."""
    from steward.loadtest.measure import report
    from steward.loadtest.servermetrics import gpu_tracks, tracks

    found = report(config, outcomes, started_at + config.warmup_s, tracks(pages) + gpu_tracks(cards))
    return Finished(found, outcomes, config)


def _watchers(
    config: LoadConfig, watched: Watched, fleet: Any, pages: list[tuple[float, str]], cards: list[tuple[float, str]]
) -> list[Any]:
    place = urlsplit(config.url)
    url = watched.metrics_url or f"{place.scheme}://{place.netloc.rpartition('@')[2]}/metrics"
    headers = {"User-Agent": "steward-load"}
    if watched.metrics_key is not None:
        headers["Authorization"] = f"Bearer {resolve(watched.metrics_key).reveal()}"

    def page() -> str | None:
        import urllib.request  # in this thread, while the first requests are under way

        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=2) as answer:
            return str(answer.read(4_000_000).decode(errors="replace"))

    command = ["nvidia-smi", "--query-gpu=" + _gpu_query(), "--format=csv,noheader,nounits"]

    def card() -> str | None:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout

    watchers: list[Any] = []
    watchers.append(_every(page, fleet, config.warmup_s, pages, patient=watched.metrics_url is not None))
    if watched.gpu and shutil.which("nvidia-smi"):
        watchers.append(_every(card, fleet, config.warmup_s, cards, patient=False))
    return watchers


async def _every(
    read: Callable[[], str | None], fleet: Any, warmup_s: float, kept: list[tuple[float, str]], *, patient: bool
) -> None:
    """Once a second, in a thread; a page that is not there is asked for once, unless it was named."""
    while True:
        try:
            text = await asyncio.to_thread(read)
        except (OSError, ValueError, subprocess.SubprocessError):
            if not patient:
                return
            text = None
        if text is not None and fleet.start:
            kept.append((max(0.0, time.monotonic() - fleet.start - warmup_s), text))
        await asyncio.sleep(_SCRAPE_S)


def _gpu_query() -> str:
    from steward.loadtest.servermetrics import GPU_QUERY

    return ",".join(GPU_QUERY)


# -- files ---------------------------------------------------------------------------------------------


def writable(path: Path) -> Path:
    """The same path. :raises InputError: its folder is not there; said before a long run, not after it"""
    if not path.parent.is_dir():
        raise InputError(f"{path}: no folder {path.parent}; make it first")
    return path


def write_file(path: Path, content: bytes) -> None:
    """Whole or not at all where `path` is a file. :raises OSError: a full disk, a folder that is not ours"""
    if path.exists() and not path.is_file():  # /dev/stdout, a named pipe
        path.write_bytes(content)
        return
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise


def encoded(report: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def write_reports(finished: Finished, *, out: Path | None, csv: Path | None, html: Path | None) -> list[Path]:
    """The files that were asked for. :raises Unavailable: one could not be written; the others are"""
    from steward.loadtest.rows import csv_lines

    written, failed = [], []
    makers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (out, lambda: encoded(finished.report)),
        (csv, lambda: "".join(csv_lines(finished.outcomes)).encode()),
        (html, lambda: _page(finished.report)),
    )
    for path, made in makers:
        if path is None:
            continue
        try:
            write_file(path, made())
            written.append(path)
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    if failed:
        raise Unavailable(f"{'; '.join(failed)}; the run is over and its numbers are above, but not in that file")
    return written


def _page(report: LoadReport) -> bytes:
    from steward.loadtest.report import render

    return render(report).encode()
