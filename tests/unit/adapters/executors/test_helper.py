"""Work in a process of its own: results, errors, and what is left of a task when it is over."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from pathlib import Path

import pytest

from steward.adapters.executors.helper import HelperProcess
from steward.core.errors import InputError


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
        try:
            for _ in range(3):
                body = Body(b"x" * 100_000)
                watched = weakref.ref(body)
                with pytest.raises(InputError, match="too many"):
                    await helper.run(refuse, body)
                del body
                await asyncio.sleep(0.05)  # the thread that sent it lets go of it
                kept.append(watched() is not None)
        finally:
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
