"""Work in a process of its own: results, errors, and what is left of a task when it is over."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steward.adapters.executors.helper import LONG_BYTES, HelperProcess, attach, detach, send, serve
from steward.core.errors import InputError, Refused


class Body:
    """What can be watched; bytes cannot."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def measure(data: bytes) -> int:
    return len(data)


def refuse(body: Body) -> int:
    raise InputError(f"{len(body.data)} bytes are too many")


def test_a_result_comes_back() -> None:
    async def run() -> int:
        helper = HelperProcess()
        try:
            return await helper.run(measure, b"x" * 100_000)
        finally:
            await helper.close()

    assert asyncio.run(run()) == 100_000


def test_a_refused_body_is_not_kept_until_a_collection() -> None:
    """Ten megabytes a refused request stayed in the worker: its error held the frames, and these held the body."""

    async def run() -> list[bool]:
        helper, kept = HelperProcess(), []
        gc.disable()
        try:
            for _ in range(3):
                body = Body(b"x" * 100_000)
                watched = weakref.ref(body)
                with pytest.raises(InputError, match="too many"):
                    await helper.run(refuse, body)
                del body
                for _ in range(500):  # the thread that sent it lets go of it
                    if watched() is None:
                        break
                    await asyncio.sleep(0.01)
                kept.append(watched() is not None)
        finally:
            gc.enable()
            await helper.close()
        return kept

    gc.disable()
    try:
        assert asyncio.run(run()) == [False, False, False]
    finally:
        gc.enable()


def sleep(path: str) -> None:
    """Says that it has begun, then works for a minute."""
    Path(path).write_text("begun")
    time.sleep(60)


def test_work_for_a_client_that_hung_up_ends(tmp_path: Path) -> None:
    async def run() -> int:
        helper, begun = HelperProcess(), tmp_path / "begun"
        try:
            gone = asyncio.create_task(helper.run(sleep, str(begun)))
            while not begun.exists():
                await asyncio.sleep(0.01)
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            return await helper.run(measure, b"x" * 7)  # not after a minute: the test would run into its timeout
        finally:
            await helper.close()

    assert asyncio.run(run()) == 7


def test_work_that_has_not_begun_never_does_and_other_work_goes_on(tmp_path: Path) -> None:
    async def run() -> tuple[int, bool]:
        helper, begun = HelperProcess(), tmp_path / "begun"
        try:
            first = asyncio.create_task(helper.run(measure, b"x" * 100_000))
            gone = asyncio.create_task(helper.run(sleep, str(begun)))
            await asyncio.sleep(0)  # both wait for the process, which starts
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            return await first, begun.exists()
        finally:
            await helper.close()

    assert asyncio.run(run()) == (100_000, False)


class Holder(msgspec.Struct):
    """Bytes within what is sent."""

    body: bytes
    name: str = "n"


@pytest.mark.parametrize(("length", "apart"), [(65535, False), (65536, True)])
def test_bytes_from_64_kib_on_travel_beside_what_is_pickled(length: int, apart: bool) -> None:
    body, other, attached = bytes(length), b"o" * length, list[bytes]()
    value = (body, ("x", Holder(other)), 3)
    without = detach(value, attached)
    assert attached == ([body, other] if apart else []) and (without[0] is body) != apart
    assert attach(without, attached) == value
    assert LONG_BYTES == 65536


def answer(tasks: list[Any]) -> list[tuple[Any, Any]]:
    """What the process answers to each task, in this one."""
    ours, theirs = multiprocessing.Pipe()
    for task in tasks:
        send(ours, task)
    answers: list[Any] = []

    class Counting:
        """The connection, which ends after the tasks."""

        def recv(self) -> Any:
            if len(answers) == len(tasks):
                raise EOFError
            return theirs.recv()

        def recv_bytes(self) -> bytes:
            return theirs.recv_bytes()

        def send(self, value: Any) -> None:
            answers.append(value[0])

    connection: Any = Counting()
    serve(connection)
    return answers


def fail() -> None:
    raise ValueError("somebody's words")


def test_a_mistake_of_ours_is_told_by_its_kind_only() -> None:
    (value, none), (_, error) = answer([(measure, (b"xyz",), {}), (fail, (), {})])
    assert (value, none) == (3, None)
    assert error.status == 500 and "Internal error (ValueError)" in error.message and "words" not in error.message


def test_more_than_may_wait_are_told_to_come_again(tmp_path: Path) -> None:
    async def run() -> Refused:
        helper = HelperProcess(most_waiting=1)
        try:
            first = asyncio.create_task(helper.run(measure, b"x"))
            await asyncio.sleep(0)
            with pytest.raises(Refused) as refused:
                await helper.run(measure, b"y")
            assert await first == 1
            assert await helper.run(measure, b"xy") == 2  # there is room again
            return refused.value
        finally:
            await helper.close()

    error = asyncio.run(run())
    assert (error.status, error.code, error.headers) == (503, "overloaded", (("retry-after", "5"),))


def test_what_takes_too_long_ends_and_the_next_task_has_a_process(tmp_path: Path) -> None:
    async def run() -> Refused:
        helper = HelperProcess(longest_s=0.2)
        try:
            with pytest.raises(Refused) as refused:
                await helper.run(sleep, str(tmp_path / "begun"))
            helper._longest_s = 30.0
            assert await helper.run(measure, b"x" * 7) == 7
            return refused.value
        finally:
            await helper.close()

    error = asyncio.run(run())
    assert (error.status, error.code) == (400, "too_complex") and "within 0 s" in error.message


def test_a_task_has_half_a_minute_and_256_may_wait() -> None:
    async def run() -> None:
        helper = HelperProcess()
        assert (helper._longest_s, helper._most_waiting) == (30.0, 256)
        await helper.close()

    asyncio.run(run())


def test_a_process_that_was_killed_is_told_as_busy_and_another_is_started() -> None:
    async def run() -> None:
        helper = HelperProcess()
        try:
            assert await helper.run(measure, b"x") == 1
            assert helper._process is not None and helper._connection is not None
            first, connection = helper._process, helper._connection
            first.kill()
            with pytest.raises(Refused, match="busy with other large requests"):
                await helper.run(measure, b"x")
            assert connection.closed and first.returncode == -9  # nothing of it is left
            assert await helper.run(measure, b"xy") == 2
        finally:
            await helper.close()

    asyncio.run(run())


def test_work_beside_is_done_here_and_one_after_the_other() -> None:
    async def run() -> list[str]:
        helper = HelperProcess()
        try:
            tasks = [helper.run_beside(lambda: threading.current_thread().name) for _ in range(3)]
            return await asyncio.gather(*tasks)
        finally:
            await helper.close()

    assert len(set(asyncio.run(run()))) == 1
