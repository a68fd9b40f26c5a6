"""What a worker does beside answering goes on, whatever happens in one round."""

from __future__ import annotations

import asyncio

import pytest

from steward.core.errors import Unavailable
from steward.workflows.serve.service import repeat_every


@pytest.mark.parametrize("error", [Unavailable("away"), OSError(28, "full"), ValueError("a mistake of ours")])
def test_k1_no_failure_ends_a_periodic_action(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[int] = []

    async def act() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise error

    async def main() -> None:
        task = asyncio.create_task(repeat_every(0.0, act))
        while len(rounds) < 3:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    assert rounds[:3] == [0, 1, 2]
    assert str(error) not in caplog.text  # it may repeat what somebody wrote
    assert ("ValueError" in caplog.text) is isinstance(error, ValueError)
