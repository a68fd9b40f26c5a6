"""One look for all viewers, and the last one for a store that is away."""

import asyncio
import gc
import threading
from typing import Any

import pytest

from steward.console.shared_answers import SharedAnswer, SharedAnswers
from steward.core.errors import Unavailable


class Store:
    def __init__(self) -> None:
        self.looks, self.away = 0, False

    def look(self) -> int:
        self.looks += 1
        if self.away:
            raise Unavailable("locked")
        return self.looks


def test_many_who_ask_at_once_are_answered_by_one_look() -> None:
    store, answers = Store(), SharedAnswers(lambda: 5.0)

    async def ask() -> list[SharedAnswer[int]]:
        return await asyncio.gather(*(answers.find("q", store.look) for _ in range(20)))

    assert asyncio.run(ask()) == [SharedAnswer(1, 5.0)] * 20
    assert store.looks == 1


def test_an_answer_grows_old() -> None:
    store, now = Store(), [0.0]
    answers = SharedAnswers(lambda: now[0])

    async def ask() -> int:
        return (await answers.find("q", store.look, 1.0)).value

    assert [asyncio.run(ask()), asyncio.run(ask())] == [1, 1]
    now[0] = 1.0
    assert asyncio.run(ask()) == 2
    now[0] = 0.5  # the clock was set back
    assert asyncio.run(ask()) == 3


def test_the_last_known_stands_in_and_says_so() -> None:
    store, now = Store(), [0.0]
    answers = SharedAnswers(lambda: now[0])
    with pytest.raises(Unavailable):
        store.away = True
        asyncio.run(answers.find("q", store.look))
    store.away = False
    asyncio.run(answers.find("q", store.look))
    store.away, now[0] = True, 60.0
    assert asyncio.run(answers.find("q", store.look)) == SharedAnswer(2, 0.0, "locked")


def test_after_a_change_everyone_is_answered_anew_and_the_old_answer_stands_in() -> None:
    store, answers = Store(), SharedAnswers(lambda: 0.0)

    async def ask() -> SharedAnswer[int]:
        return await answers.find("q", store.look, 100.0)

    assert [asyncio.run(ask()).value, asyncio.run(ask()).value] == [1, 1]
    answers.expire()
    assert [asyncio.run(ask()).value, asyncio.run(ask()).value] == [2, 2]
    answers.expire()
    store.away = True
    assert asyncio.run(ask()) == SharedAnswer(2, 0.0, "locked")


def test_only_so_many_are_remembered() -> None:
    store, answers = Store(), SharedAnswers(lambda: 0.0, most=2)
    looks = []
    for question in ("a", "b", "a", "b", "c", "b", "a"):  # for c, a is forgotten
        asyncio.run(answers.find(question, store.look))
        looks.append(store.looks)
    assert looks == [1, 2, 2, 2, 3, 3, 4]


def test_an_error_that_nobody_waits_for_any_more_is_nobodys_complaint() -> None:
    """Whoever asked has left; asyncio would log an exception that was never retrieved."""
    goes_on, heard = threading.Event(), list[Any]()

    def fail() -> int:
        goes_on.wait(60)
        raise Unavailable("locked")

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
        answers = SharedAnswers(lambda: 0.0)
        asking = asyncio.create_task(answers.find("q", fail))
        while not answers._running:
            await asyncio.sleep(0)
        asking.cancel()
        goes_on.set()
        while answers._running:
            await asyncio.sleep(0.001)
        gc.collect()

    asyncio.run(leave())
    assert heard == []
