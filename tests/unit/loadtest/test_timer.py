import asyncio
import time

import pytest

from steward.loadtest import timer
from steward.loadtest.timer import Timer, clock


def run(test):
    return asyncio.run(asyncio.wait_for(test(), 10))


@pytest.mark.parametrize("with_file", [True, False])
def test_it_calls_at_its_time_and_not_before(monkeypatch, with_file):
    if not with_file:
        monkeypatch.setattr(timer, "_timer_file", lambda: None)

    async def test():
        rang = asyncio.get_running_loop().create_future()
        made = Timer(asyncio.get_running_loop(), lambda: rang.set_result(clock()))
        due = clock() + 0.02
        made.set(due)
        at = await rang
        made.close()
        return at - due

    assert 0 <= run(test) < 5


def test_a_time_that_has_passed_calls_at_once():
    async def test():
        rang = asyncio.Event()
        made = Timer(asyncio.get_running_loop(), rang.set)
        made.set(clock() - 1)
        await rang.wait()
        made.close()

    run(test)


def test_a_later_time_replaces_an_earlier_one_and_a_closed_timer_is_silent():
    async def test():
        calls = []
        made = Timer(asyncio.get_running_loop(), lambda: calls.append(clock()))
        made.set(clock() + 0.01)
        later = clock() + 0.05
        made.set(later)
        while not calls:
            await asyncio.sleep(0.005)
        made.set(clock() + 0.01)
        made.close()
        await asyncio.sleep(0.05)
        return calls, later

    calls, later = run(test)
    assert len(calls) == 1 and calls[0] >= later


def test_the_clock_is_monotonic():
    assert clock() <= time.monotonic()


@pytest.mark.parametrize("with_file", [True, False])
def test_the_very_moment_is_not_too_early(monkeypatch, with_file):
    if not with_file:
        monkeypatch.setattr(timer, "_timer_file", lambda: None)
    monkeypatch.setattr(timer, "clock", lambda: 5.0)  # it stands still at the moment that is due

    async def test():
        rang = asyncio.Event()
        made = Timer(asyncio.get_running_loop(), rang.set)
        made.set(5.0)
        await rang.wait()
        made.close()

    run(test)
