"""Whether a worker would answer: found out once in a while, whoever asks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from steward.workflows.serve.readiness import Readiness, find_lack


def test_an_answer_holds_for_a_second_and_a_half() -> None:
    checks: list[float] = []
    now = [0.0]

    async def check() -> str | None:
        checks.append(now[0])
        return f"problem {len(checks)}" if len(checks) > 1 else None

    async def go() -> list[str | None]:
        readiness, seen = Readiness(check, lambda: now[0]), []
        for now[0] in (0.0, 1.49, 1.5, 2.99, 3.0):
            seen.append(await readiness.find_problem())
        return seen

    assert asyncio.run(go()) == [None, None, "problem 2", "problem 2", "problem 3"]
    assert checks == [0.0, 1.5, 3.0]


def test_while_it_starts_an_answer_holds_for_a_tenth_of_a_second() -> None:
    """What never comes up is looked for as seldom as all else, once ten seconds are over."""
    checks: list[float] = []
    now = [0.0]

    async def check() -> str | None:
        checks.append(now[0])
        return "no model answers"

    async def go() -> None:
        readiness = Readiness(check, lambda: now[0])
        for now[0] in (1.0, 1.05, 1.1, 9.9, 10.0, 11.4, 11.5):
            assert await readiness.find_problem() == "no model answers"

    asyncio.run(go())
    assert checks == [1.0, 1.1, 9.9, 10.0, 11.5]


def test_those_who_ask_meanwhile_wait_for_the_same_answer() -> None:
    checks: list[int] = []

    async def check() -> str | None:
        checks.append(1)
        await asyncio.sleep(0)
        return None

    async def go() -> list[str | None]:
        readiness = Readiness(check, lambda: 0.0)
        return await asyncio.gather(*(readiness.find_problem() for _ in range(5)))

    assert asyncio.run(go()) == [None] * 5 and len(checks) == 1


def test_a_folder_with_room_lacks_nothing_and_keeps_nothing(tmp_path: Path) -> None:
    assert find_lack(tmp_path) is None and list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    problem = find_lack(tmp_path / "gone")
    assert problem is not None and str(tmp_path / "gone") in problem
