"""S12: strangers may ask `/readyz` as often as they like; upstreams are asked once in 1.5 seconds."""

from __future__ import annotations

import asyncio

from steward.workflows.serve.readiness import FRESH_S, Readiness


def test_fifty_questions_at_once_are_one_check() -> None:
    checks = 0

    async def check() -> str | None:
        nonlocal checks
        checks += 1
        await asyncio.sleep(0)
        return "no model is available yet"

    async def go() -> list[str | None]:
        readiness = Readiness(check)
        return list(await asyncio.gather(*(readiness.find_problem() for _ in range(50))))

    assert asyncio.run(go()) == ["no model is available yet"] * 50
    assert checks == 1


def test_an_answer_holds_for_a_while_and_no_longer() -> None:
    now, found = 0.0, [None, "down"]

    async def check() -> str | None:
        return found.pop(0)

    async def go() -> list[str | None]:
        nonlocal now
        readiness = Readiness(check, lambda: now)
        answers = []
        for at in (0.0, FRESH_S - 0.1, FRESH_S):
            now = at
            answers.append(await readiness.find_problem())
        return answers

    assert asyncio.run(go()) == [None, None, "down"]


def test_a_deployment_that_never_comes_up_is_checked_ten_times_a_second_for_ten_seconds_at_most() -> None:
    now, checks = 0.0, 0

    async def check() -> str | None:
        nonlocal checks
        checks += 1
        return "no model is available yet"

    async def go() -> None:
        nonlocal now
        readiness = Readiness(check, lambda: now)
        for number in range(20_000):  # a thousand a second
            now = number / 1000
            await readiness.find_problem()

    asyncio.run(go())
    assert checks <= 100 + 10 / FRESH_S + 1
