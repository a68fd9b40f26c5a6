"""The pool of copies: so many at the same time, and none beyond."""

from __future__ import annotations

import asyncio

from steward.gateway.middleware.shadow import TaskPool


def test_a_pool_is_full_and_has_room_again() -> None:
    async def go() -> None:
        pool, gate = TaskPool(1), asyncio.Event()

        async def work() -> None:
            await gate.wait()

        assert not pool.is_full
        pool.start(work())
        assert pool.is_full
        gate.set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not pool.is_full

    asyncio.run(go())


def test_closing_ends_what_is_under_way() -> None:
    async def go() -> None:
        pool = TaskPool(2)
        pool.start(asyncio.sleep(3600))
        await pool.close()
        await asyncio.sleep(0)
        assert not pool.is_full

    asyncio.run(go())
