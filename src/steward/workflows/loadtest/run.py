"""One load test from processes of this machine: send, watch the server beside it, and build the report."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence

import msgspec

from steward.core.errors import InputError
from steward.core.extras import install_command
from steward.core.load_report import LoadReport
from steward.loadtest.config import LoadConfig, check_config
from steward.loadtest.recorder import SenderResult
from steward.workflows.loadtest.monitors import Monitoring, MonitorOptions, check_metrics_page
from steward.workflows.loadtest.processes import INTERRUPTED, OnProgress, SenderProcesses


class FinishedRun(msgspec.Struct, frozen=True):
    """A report, and the records that it was built from."""

    report: LoadReport
    results: list[SenderResult]
    config: LoadConfig

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM stopped the run; other reasons only make the report partial."""
        return any(result.stats.stopped == INTERRUPTED for result in self.results)


def require_extra() -> None:
    """:raises InputError: the extra `load` is not installed"""
    if not importlib.util.find_spec("numpy"):
        raise InputError(f"steward load needs numpy: {install_command('load')}")


def run_load(
    config: LoadConfig,
    *,
    on_progress: OnProgress = lambda progress: None,
    monitor: MonitorOptions | None = None,
    began: float | None = None,
) -> FinishedRun:
    """Run one load test. A run that is interrupted returns a report with `partial` set.

    `began`: monotonic time at which the command started, for the start-up time.

    :raises InputError: the configuration, a prompt file or a trace is wrong
    :raises Unavailable: unknown host, nobody listens, no metrics page where one was named, or a process died
    """
    require_extra()
    check_config(config)
    return asyncio.run(_run(config, on_progress, monitor or MonitorOptions(gpu=False), began))


async def _run(
    config: LoadConfig, on_progress: OnProgress, options: MonitorOptions, began: float | None
) -> FinishedRun:
    await asyncio.to_thread(check_metrics_page, config, options)
    processes = SenderProcesses(config, began)
    monitoring = Monitoring(config, options, processes)
    try:
        await processes.launch()
        with processes.handle_signals(asyncio.get_running_loop()):
            async with monitoring:
                results = await processes.run(on_progress)
    except BaseException:
        processes.kill()
        raise
    finally:
        await processes.close()
    return build_finished_run(config, results, processes.started_at, monitoring.pages, monitoring.cards)


def build_finished_run(
    config: LoadConfig,
    results: list[SenderResult],
    started_at: float,
    pages: Sequence[tuple[float, str]] = (),
    cards: Sequence[tuple[float, str]] = (),
) -> FinishedRun:
    """Build the report. numpy is imported only here, since importing it takes longer than starting a run.

    `pages`, `cards`: (seconds since the start, text) of the server's metrics and of nvidia-smi.
    """
    from steward.loadtest.measure import build_report
    from steward.loadtest.servermetrics import build_gpu_tracks, build_tracks

    tracks = build_tracks(pages) + build_gpu_tracks(cards)
    return FinishedRun(build_report(config, results, started_at + config.warmup_s, tracks), results, config)
