"""Work in a process of its own: results, errors, and what is left of a task when it is over."""

from __future__ import annotations

import asyncio
import gc
import weakref

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
