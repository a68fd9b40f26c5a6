"""Load testing's composition root: processes of this machine or Ray tasks send; one report comes out."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from steward.core import files
from steward.core.errors import InputError, Unavailable
from steward.core.load_report import LoadReport
from steward.core.secret import resolve
from steward.loadtest.config import LoadConfig, check_config
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.recorder import SenderResult

_SCRAPE_S: Final = 1.0
_RAY_LEAD_S: Final = 3.0
OnProgress = Callable[[Sequence[SenderProgress]], str | None]


class MonitorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is read beside the run. `metrics_url` None: /metrics of the server, where there is one."""

    metrics_url: str | None = None
    metrics_key: str | None = None  # env:NAME or file:PATH
    gpu: bool = True  # of this machine, where nvidia-smi is


class FinishedRun(msgspec.Struct, frozen=True):
    """A report and the rows that it is of."""

    report: LoadReport
    results: list[SenderResult]
    config: LoadConfig


def require_extra() -> None:
    """:raises InputError: the extra `load` is not installed"""
    import importlib.util

    if not importlib.util.find_spec("numpy"):
        raise InputError("steward load needs numpy: pip install 'llm-steward[load]'")


def run_load(
    config: LoadConfig,
    *,
    on_progress: OnProgress = lambda progress: None,
    watched: MonitorOptions | None = None,
    began: float | None = None,
) -> FinishedRun:
    """One load test from processes of this machine.

    A run that is interrupted comes back with `partial` set.

    :raises InputError: the configuration, a prompt file or a trace is wrong
    :raises Unavailable: no such host, nobody listens, or a process died
    """
    require_extra()
    check_config(config)
    return asyncio.run(_run(config, on_progress, watched or MonitorOptions(gpu=False), began))


def run_on_ray(config: LoadConfig) -> FinishedRun:
    """One load test from Ray tasks, `config.processes` of them, on whatever machines the cluster gives them.

    All begin at one time of the machines' clocks, some seconds from now: Ray starts its workers in between.

    :raises InputError: the configuration is wrong, or the extra `ray` is not installed
    """
    require_extra()
    check_config(config)
    from steward.loadtest.sender import send_in_task

    try:
        from steward.adapters.executors.ray import RayExecutor
    except ImportError as error:
        raise InputError("--ray needs Ray: pip install 'llm-steward[ray]'") from error
    with RayExecutor(config.processes) as executor:
        list(executor.map(_awake, list(range(config.processes))))
        start_at = time.time() + _RAY_LEAD_S
        shares = [
            SenderTask(config=config, index=index, of=config.processes, began=0.0) for index in range(config.processes)
        ]
        results = list(executor.map(send_in_task, [(share, start_at) for share in shares]))
    return build_finished_run(config, results, start_at)


def _awake(index: int) -> int:
    """Has a worker load what the run needs, before the run."""
    import steward.loadtest.sender  # noqa: F401

    return index


async def _run(
    config: LoadConfig, on_progress: OnProgress, watched: MonitorOptions, began: float | None
) -> FinishedRun:
    from steward.workflows.load_processes import SenderProcesses

    fleet = SenderProcesses(config, began)
    pages: list[tuple[float, str]] = []
    cards: list[tuple[float, str]] = []
    try:
        await fleet.open()
        fleet.handle_signals(asyncio.get_running_loop())
        watching = [asyncio.create_task(work) for work in _build_monitors(config, watched, fleet, pages, cards)]
        try:
            results = await fleet.run(on_progress)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    except BaseException:
        fleet.kill()
        raise
    finally:
        await fleet.close()
    return build_finished_run(config, results, fleet.started_at, pages, cards)


def build_finished_run(
    config: LoadConfig,
    results: list[SenderResult],
    started_at: float,
    pages: Sequence[tuple[float, str]] = (),
    cards: Sequence[tuple[float, str]] = (),
) -> FinishedRun:
    """The report of what all processes brought. numpy is loaded only here: that takes longer than to start."""
    from steward.loadtest.measure import build_report
    from steward.loadtest.servermetrics import build_gpu_tracks, build_tracks

    found = build_report(config, results, started_at + config.warmup_s, build_tracks(pages) + build_gpu_tracks(cards))
    return FinishedRun(found, results, config)


def _build_monitors(
    config: LoadConfig,
    watched: MonitorOptions,
    fleet: Any,
    pages: list[tuple[float, str]],
    cards: list[tuple[float, str]],
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
    watchers.append(_poll_every_second(page, fleet, config.warmup_s, pages, patient=watched.metrics_url is not None))
    if watched.gpu and shutil.which("nvidia-smi"):
        watchers.append(_poll_every_second(card, fleet, config.warmup_s, cards, patient=False))
    return watchers


async def _poll_every_second(
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


def check_writable(path: Path) -> Path:
    """The same path. :raises InputError: its folder is not there; said before a long run, not after it"""
    if not path.parent.is_dir():
        raise InputError(f"{path}: no folder {path.parent}; make it first")
    return path


def write_file(path: Path, content: bytes) -> None:
    """Whole or not at all where `path` is a file. :raises OSError: a full disk, a folder that is not ours"""
    if path.exists() and not path.is_file():  # /dev/stdout, a named pipe
        path.write_bytes(content)
        return
    files.write_file(path, content, mode=0o644)


def encode_report(report: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def write_reports(finished: FinishedRun, *, out: Path | None, csv: Path | None, html: Path | None) -> list[Path]:
    """The files that were asked for. :raises Unavailable: one could not be written; the others are"""
    from steward.loadtest.csv_export import format_csv_lines

    written, failed = [], []
    makers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (out, lambda: encode_report(finished.report)),
        (csv, lambda: "".join(format_csv_lines(finished.results)).encode()),
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
    from steward.loadtest.report import render_report

    return render_report(report).encode()
