"""A few lines on the terminal that follow a run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from steward.loadtest.config import LoadConfig
from steward.loadtest.ipc import SenderProgress
from steward.workflows.loadtest.processes import OnProgress

HISTORY = 60  # bars


@contextmanager
def show_live(config: LoadConfig) -> Iterator[OnProgress]:
    """Show progress on standard error if that is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.live import Live

    history: list[float] = []
    with Live(console=Console(stderr=True), transient=True, refresh_per_second=4) as live:

        def show(progress: Sequence[SenderProgress]) -> None:
            live.update(draw_progress(config, progress, history))

        yield show


def draw_progress(config: LoadConfig, progress: Sequence[SenderProgress], history: list[float]) -> str:
    """Counts, tokens per second, and the medians of TTFT in the last minute as bars. `history` is extended."""
    at_s = max(one.at_s for one in progress)
    ttft_ms = sorted(value for one in progress for value in one.ttft_ms)
    if ttft_ms:
        history.append(ttft_ms[len(ttft_ms) // 2])
        del history[:-HISTORY]
    end = f" of {config.warmup_s + config.duration_s:.0f}" if config.duration_s else ""
    sent, answered, failed, in_flight, tokens = (
        sum(getattr(one, name) for one in progress)
        for name in ("sent", "answered", "failed", "in_flight", "output_tokens")
    )
    late_ms = max(one.late_ms for one in progress)
    lines = [
        f"{at_s:6.1f}{end} s   {sent:,} sent   {answered:,} answered   {failed:,} failed   {in_flight:,} in flight",
        f"{tokens / max(at_s, 1e-9):10,.0f} output tokens/s   client late by at most {late_ms:.1f} ms",
    ]
    if history:
        lines.append(f"time to first token, p50 {history[-1]:.0f} ms  {draw_bars(history)}")
    return "\n".join(lines)


def draw_bars(values: Sequence[float]) -> str:
    """
    >>> draw_bars([0, 1, 2, 4])
    '▁▃▅█'
    """
    top = max(values) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[min(7, round(7 * value / top))] for value in values)
