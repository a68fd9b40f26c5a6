"""Work on large bodies, where nobody says where: in this process, or in a thread of it."""

import asyncio
import threading

from steward.gateway.middleware.offload import HERE


def test_it_is_done_here_or_in_a_thread() -> None:
    def where(*, named: int) -> tuple[bool, int]:
        return threading.current_thread() is threading.main_thread(), named

    async def go() -> list[tuple[bool, int]]:
        seen = [await HERE.run(where, named=1), await HERE.run_beside(where, named=2)]
        await HERE.close()
        return seen

    assert asyncio.run(go()) == [(True, 1), (False, 2)]
