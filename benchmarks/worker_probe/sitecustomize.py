"""Watches a worker from within, for `profile_gateway.py`, which puts this folder on its path.

SIGUSR1 begins and, the second time, ends: then the file that PROBE_OUT names has what was counted, by module.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

TICK_S: Final = 0.001  # of processor time; the system may round it up
LOOP: Final = "event loop (uvloop, asyncio)"


def name_module(code: CodeType) -> str:
    """Of a frame: a module of ours, the package of another's, or the event loop that calls both."""
    path = code.co_filename
    if "/src/steward/" in path:
        return path.partition("/src/steward/")[2]
    package = path.partition("/site-packages/")[2] or path.rpartition("/python3")[2].partition("/")[2]
    return LOOP if package.startswith(("uvloop", "asyncio")) else package


class Probe:
    """Counts Python's calls and C's, or samples: `counts` is by module and what was counted."""

    def __init__(self, out: Path, samples: bool) -> None:
        self._out, self._samples, self._on = out, samples, False
        self._counts: Counter[tuple[CodeType, str]] = Counter()
        signal.signal(signal.SIGUSR1, self._switch)
        signal.signal(signal.SIGPROF, self._sample)

    def _switch(self, number: int, frame: FrameType | None) -> None:
        self._on = not self._on
        if self._samples:
            signal.setitimer(signal.ITIMER_PROF, TICK_S * self._on, TICK_S * self._on)
        else:
            sys.setprofile(self._count if self._on else None)
        if not self._on:
            self._write()

    def _sample(self, number: int, frame: FrameType | None) -> None:
        if frame is not None:
            self._counts[frame.f_code, "samples"] += 1

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self._counts[frame.f_code, event] += 1

    def _write(self) -> None:
        found: dict[str, Counter[str]] = {}
        for (code, what), count in self._counts.items():
            found.setdefault(name_module(code), Counter())[what] += count
        waiting = self._out.with_suffix(".part")
        waiting.write_text(json.dumps(found))
        waiting.replace(self._out)


if "steward.processes.worker" in sys.orig_argv and "PROBE_OUT" in os.environ:
    Probe(Path(os.environ["PROBE_OUT"]), os.environ.get("PROBE_SAMPLES") == "1")
