"""What the sending processes say becomes a run's result; and (K9) what an interrupt means while they run."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from steward.core.errors import InputError, StewardError, Unavailable
from steward.loadtest.config import LoadConfig
from steward.loadtest.ipc import SenderProgress, SenderTask
from steward.loadtest.recorder import SenderStats
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


class FakeProcess:
    """A sending process that says what it is given, and notes what it is told."""

    def __init__(self, *frames: tuple[bytes, bytes], returncode: int | None = None) -> None:
        self.stdout = asyncio.StreamReader()
        for kind, payload in frames:
            self.stdout.feed_data(struct.pack(">I", len(payload)) + kind + payload)
        self.stdout.feed_eof()
        self.told: list[bytes] = []
        self.stdin = self
        self.returncode = returncode

    def write(self, line: bytes) -> None:
        self.told.append(line)

    async def wait(self) -> int:
        return 3


def progress(sent: int) -> tuple[bytes, bytes]:
    return b"p", msgspec.json.encode(
        SenderProgress(at_s=1.0, sent=sent, answered=0, failed=0, in_flight=0, output_tokens=0)
    )


def end(connections: int) -> tuple[bytes, bytes]:
    return b"n", msgspec.json.encode(SenderStats(connections=connections))


def hold(*processes: FakeProcess) -> SenderProcesses:
    held = SenderProcesses(LoadConfig(url="http://127.0.0.1:9/v1", model="m", processes=len(processes)), began=5.0)
    held._processes = cast(Any, list(processes))
    return held


def test_records_that_come_in_parts_are_one_result_a_process() -> None:
    seen: list[list[int]] = []

    def note(newest: Sequence[SenderProgress]) -> str | None:
        seen.append([one.sent for one in newest])
        return None

    async def go() -> None:
        processes = [
            FakeProcess(progress(1), (b"b", b"ab"), progress(2), (b"b", b"cd"), (b"g", b"gaps"), end(7)),
            FakeProcess((b"b", b"x"), end(8)),
        ]
        held, before = hold(*processes), (time.monotonic(), time.time())
        first, second = await held.run(note)
        assert (bytes(first.rows), first.gaps, first.stats.connections) == (b"abcd", b"gaps", 7)
        assert (bytes(second.rows), second.gaps, second.stats.connections) == (b"x", b"", 8)
        assert seen == [[1], [2]]  # the second said nothing of itself
        for process in processes:  # all begin at one time, which is yet to come when they read it
            assert process.told == [b"go %.9f\n" % held.start]
        assert held.start >= before[0] + 0.03 and held.started_at >= before[1] + 0.03
        assert held.started_at - held.start == pytest.approx(before[1] - before[0], abs=0.02)

    asyncio.run(go())


def test_a_reason_to_stop_is_told_to_every_process_that_runs_once() -> None:
    async def go() -> None:
        one, other, gone = FakeProcess(progress(1), progress(2), end(1)), FakeProcess(end(1)), FakeProcess(returncode=0)
        held = hold(one, other)
        held._processes.append(cast(Any, gone))
        await asyncio.gather(
            *(held._collect(n, cast(Any, p), [None] * 3, lambda _: "too slow") for n, p in enumerate((one, other)))
        )
        assert one.told == other.told == [b"stop too slow\n"] and gone.told == []

    asyncio.run(go())


@pytest.mark.parametrize(
    ("frame", "error", "code", "said"),
    [
        ((b"e", msgspec.json.encode(("InputError", "no such model", 4))), InputError, 4, "no such model"),
        ((b"e", msgspec.json.encode(("UnknownName", "unknown metric", 2))), StewardError, 2, "unknown metric"),
        ((b"e", msgspec.json.encode(("Lost", "gone", 1))), Unavailable, 1, "gone"),
        (None, Unavailable, None, "ended early with exit code 3"),
    ],
)
def test_what_a_process_fails_with_is_what_the_command_fails_with(
    monkeypatch: pytest.MonkeyPatch, frame: tuple[bytes, bytes] | None, error: type[StewardError], code: int, said: str
) -> None:
    frames = [frame] if frame else []

    async def go() -> None:
        with pytest.raises(error, match=said) as ran:
            await hold(FakeProcess(*frames)).run(lambda _: None)
        assert code is None or ran.value.exit_code == code

        async def start(*command: str, **how: Any) -> FakeProcess:
            return FakeProcess(*frames)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        with pytest.raises(error, match=said):
            await SenderProcesses(LoadConfig(url="http://127.0.0.1:9/v1", model="m")).launch()

    asyncio.run(go())


def test_each_process_is_given_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[FakeProcess] = []

    async def start(*command: str, **how: Any) -> FakeProcess:
        assert how["start_new_session"]  # Ctrl-C is the command's alone
        assert how["limit"] == 1_048_576  # bytes of a frame that are held at once
        started.append(FakeProcess((b"r", b"")))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    config = LoadConfig(url="http://127.0.0.1:9/v1", model="m", processes=2)
    asyncio.run(SenderProcesses(config, began=5.0).launch())
    tasks = [msgspec.json.decode(process.told[0], type=SenderTask) for process in started]
    assert [(task.index, task.of, task.began) for task in tasks] == [(0, 2, 5.0), (1, 2, 5.0)]
    assert all(process.told[0].endswith(b"}\n") for process in started)


def test_a_process_that_does_not_end_in_five_seconds_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has ended is not waited for: its number may be another program's by now."""
    waited: list[float] = []
    killed: list[tuple[int, int]] = []

    class Hanging(FakeProcess):
        pid = 4_194_305  # beyond the greatest process id
        closed = False

        def close(self) -> None:
            self.closed = True

    async def wait_for(waiting: Any, timeout_s: float) -> None:
        waiting.close()
        waited.append(timeout_s)
        raise TimeoutError

    async def go() -> list[bool]:
        processes = [Hanging(), Hanging(returncode=0)]
        await hold(*processes).close()
        return [one.closed for one in processes]

    monkeypatch.setattr(asyncio, "wait_for", wait_for)
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    assert asyncio.run(go()) == [True, True]
    assert waited == [5] and killed == [(4_194_305, signal.SIGKILL)]
