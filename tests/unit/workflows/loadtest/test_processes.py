"""K9: what an interrupt means during a run, and that it means what it meant before once the run is over."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from steward.loadtest.config import LoadConfig
from steward.workflows.loadtest.processes import SenderProcesses


def test_k9_between_two_runs_an_interrupt_means_what_it_meant_before() -> None:
    """asyncio takes its handlers away and leaves SIGTERM to end the process at once: a sweep lost all its steps."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    async def go() -> None:
        processes = SenderProcesses(LoadConfig(url="http://127.0.0.1:9/v1", model="m"))
        with processes.handle_signals(asyncio.get_running_loop()):
            for number in before:
                assert signal.getsignal(number) is not before[number]

    ours = signal.signal(signal.SIGTERM, noted := lambda *_: None)
    try:
        asyncio.run(go())
        assert signal.getsignal(signal.SIGTERM) is noted and signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_k9_an_interrupt_during_a_run_stops_it(number: signal.Signals) -> None:
    async def go() -> bool:
        processes = SenderProcesses(LoadConfig(url="http://127.0.0.1:9/v1", model="m"))
        with processes.handle_signals(asyncio.get_running_loop()):
            os.kill(os.getpid(), number)
            while not processes._stopped:
                await asyncio.sleep(0.01)
        return processes._stopped

    assert asyncio.run(go())
