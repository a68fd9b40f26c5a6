"""Places on a route: who waits, who is sent away, and that no place is lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.core.records import Priority
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.middleware import queue
from steward.gateway.middleware.queue import build_queue, overloaded_error, requested_priority
from steward.gateway.queue_records import QueueDecision, QueuedRequest, QueuePlan
from steward.gateway.route_queue import RouteQueue
from steward.gateway.route_records import Route, Target

ROUTE = Route("m", (Target("m"),))


class Events:
    """A stream that somebody else ends."""

    filter = budget = None
    ended, broke = True, False

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def forward(self, write: Callable[[bytes], bool]) -> None: ...


def make(key: str = "k", priority: Priority = "normal", **headers: str) -> Exchange:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    loop = asyncio.get_running_loop()
    caller = Caller(principal=Principal(kind="key", id=key), priority=priority)
    exchange = Exchange("req_1", "/v1/chat/completions", named, b"{}", 0.0, loop.time(), caller)
    exchange.route = "m"
    return exchange


class Gates:
    """A route whose requests run until they are let go."""

    def __init__(self, concurrency: int, length: int, wait_s: float = 60.0) -> None:
        self.lines: dict[str, RouteQueue] = {}
        self.running: dict[str, asyncio.Future[Answer]] = {}
        self.order: list[str] = []
        self.handle = queue({"m": ROUTE}, QueuePlan(concurrency, length, wait_s), 1, self.lines)(self.inner)

    async def inner(self, exchange: Exchange) -> Answer:
        name = exchange.caller.principal.id
        self.order.append(name)
        self.running[name] = asyncio.get_running_loop().create_future()
        return await self.running[name]

    def ask(self, key: str, **more: Any) -> asyncio.Task[Answer]:
        return asyncio.ensure_future(self.handle(make(key, **more)))

    def depth(self) -> tuple[int, int]:
        """(running, waiting)"""
        return self.lines["m"].running, self.lines["m"].waiting


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        await test()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("concurrency", "length", "workers", "expected"),
    [(None, None, 1, (10, 20)), (None, None, 4, (3, 5)), (7, 0, 2, (4, 0)), (0, 9, 1, (0, 9))],
)
def test_a_routes_own_numbers_go_before_and_are_shared(
    concurrency: int | None, length: int | None, workers: int, expected: tuple[int, int]
) -> None:
    route = Route("m", (Target("m"),), concurrency=concurrency, queue=length)
    line = build_queue(route, QueuePlan(10, 20), workers)
    assert (line.concurrency, line.length) == expected


def test_requests_wait_for_a_place_and_get_it_in_turn() -> None:
    async def test() -> None:
        gates = Gates(1, 5)
        tasks = [gates.ask(key) for key in ("a", "b", "c")]
        await settle()
        assert gates.order == ["a"] and gates.depth() == (1, 2)
        for number, key in enumerate(("a", "b", "c")):
            gates.running[key].set_result(Answer(200))
            await settle()
            assert tasks[number].done() and gates.order == ["a", "b", "c"][: number + 2]
        assert gates.depth() == (0, 0)

    run(test)


def test_a_full_line_sends_the_next_away() -> None:
    async def test() -> None:
        gates = Gates(1, 1)
        for key in ("a", "b"):
            gates.ask(key)
        await settle()
        with pytest.raises(Refused) as caught:
            await gates.ask("b")
        error = caught.value
        assert (error.status, error.code) == (503, "overloaded")
        assert error.message == "The model 'm' is overloaded: its queue is full. Try again in 1 s."
        assert error.headers == (("retry-after", "1"), ("retry-after-ms", "1000"))
        assert gates.depth() == (1, 1)

    run(test)


def test_a_higher_priority_takes_the_place_of_a_lower_one() -> None:
    async def test() -> None:
        gates = Gates(1, 2)
        gates.ask("a")
        await settle()
        low = [gates.ask("b", priority="low"), gates.ask("c", priority="low")]
        await settle()
        high = gates.ask("d", priority="high")
        await settle()
        lost = [task for task in low if task.done()]
        assert len(lost) == 1 and isinstance(lost[0].exception(), Refused) and gates.depth() == (1, 2)
        gates.running["a"].set_result(Answer(200))
        await settle()
        assert gates.order == ["a", "d"] and not high.done()

    run(test)


def test_a_place_is_held_until_a_stream_has_ended() -> None:
    async def test() -> None:
        gates = Gates(1, 1)
        exchange = make("a")
        task = asyncio.ensure_future(gates.handle(exchange))
        await settle()
        gates.running["a"].set_result(Answer(200, stream=Events()))
        await task
        assert gates.depth() == (1, 0)
        exchange.end()
        assert gates.depth() == (0, 0)

    run(test)


def test_a_failure_gives_the_place_back() -> None:
    async def test() -> None:
        gates = Gates(1, 1)
        task = gates.ask("a")
        await settle()
        gates.running["a"].set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await task
        assert gates.depth() == (0, 0)

    run(test)


def test_who_waits_longer_than_its_client_is_sent_away() -> None:
    async def test() -> None:
        gates = Gates(1, 5)
        gates.ask("a")
        await settle()
        with pytest.raises(Refused) as caught:
            await gates.ask("b", x_stainless_read_timeout="0.01")
        assert "the answer would arrive after the client's deadline" in caught.value.message
        assert gates.depth() == (1, 0)

    run(test)


def test_a_client_that_leaves_while_waiting_leaves_no_trace() -> None:
    async def test() -> None:
        gates = Gates(1, 5)
        gates.ask("a")
        waiting = gates.ask("b")
        await settle()
        waiting.cancel()
        await settle()
        assert waiting.cancelled() and gates.depth() == (1, 0)
        gates.running["a"].set_result(Answer(200))
        await settle()
        assert gates.depth() == (0, 0) and gates.order == ["a"]

    run(test)


def test_a_place_that_comes_in_the_moment_of_leaving_goes_on() -> None:
    async def test() -> None:
        gates = Gates(1, 5)
        gates.ask("a")
        leaving, staying = gates.ask("b"), gates.ask("c")
        await settle()
        gates.running["a"].set_result(Answer(200))
        await asyncio.sleep(0)  # "a" is answered; "b" has got its place and does not know
        assert gates.order == ["a"] and gates.depth() == (1, 1)
        leaving.cancel()
        await settle()
        assert leaving.cancelled() and gates.order == ["a", "c"] and gates.depth() == (1, 0)
        gates.running["c"].set_result(Answer(200))
        await staying
        assert gates.depth() == (0, 0)

    run(test)


@pytest.mark.parametrize(
    ("own", "asked", "priority"),
    [("normal", None, "normal"), ("normal", "low", "low"), ("normal", "high", "normal"), ("high", "normal", "normal")],
)
def test_a_request_may_give_way_and_never_push(own: Priority, asked: str | None, priority: str) -> None:
    async def test() -> None:
        headers = {} if asked is None else {"x_steward_priority": asked}
        assert requested_priority(make("k", own, **headers)) == priority

    run(test)


def test_a_priority_that_there_is_not() -> None:
    async def test() -> None:
        with pytest.raises(Refused) as caught:
            requested_priority(make("k", x_steward_priority="x" * 101))
        assert (caught.value.status, caught.value.param) == (400, "x-steward-priority")
        assert caught.value.message == f"x-steward-priority is '{'x' * 99}…'; expected high, normal or low."

    run(test)


def test_a_priority_that_is_named_is_looked_at_though_there_is_room() -> None:
    async def test() -> None:
        gates = Gates(5, 5)
        with pytest.raises(Refused):
            await gates.ask("a", x_steward_priority="urgent")
        task = gates.ask("b", x_steward_priority="low")
        await settle()
        gates.running["b"].set_result(Answer(200))
        await task
        assert gates.depth() == (0, 0)

    run(test)


@pytest.mark.parametrize(("wait_s", "seconds"), [(0.0, 1), (1.2, 2), (59.5, 60), (300.0, 60)])
def test_when_to_come_back(wait_s: float, seconds: int) -> None:
    error = overloaded_error("m", QueueDecision("shed", "late", wait_s))
    assert error.headers == (("retry-after", str(seconds)), ("retry-after-ms", str(seconds * 1000)))


def test_how_long_a_request_waited_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)

    async def test() -> None:
        gates = Gates(1, 5)
        gates.ask("a")
        waiting = make("b")
        waiting.started = 100.0
        module = sys.modules["steward.gateway.middleware.queue"]  # its name is its function's, too
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now))
        task = asyncio.ensure_future(gates.handle(waiting))
        await settle()
        clock.now = 107.5
        gates.running["a"].set_result(Answer(200))
        await settle()
        assert (waiting.queued_s, waiting.ready) == (7.5, 107.5)
        gates.running["b"].set_result(Answer(200))
        await task

    run(test)


def test_what_has_passed_already_counts_for_the_deadline() -> None:
    async def test() -> None:
        gates = Gates(1, 5, wait_s=3_600.0)
        gates.ask("a")
        await settle()
        early, late = make("b"), make("c")
        early.started -= 600
        late.started -= 7_200
        waiting = asyncio.ensure_future(gates.handle(early))
        await settle()
        with pytest.raises(Refused, match="after the client's deadline"):
            await gates.handle(late)
        assert not waiting.done() and gates.depth() == (1, 1)
        waiting.cancel()

    run(test)


def test_who_loses_its_place_and_leaves_in_the_same_moment_gives_nothing_on() -> None:
    async def test() -> None:
        gates = Gates(1, 2)
        gates.ask("a")
        await settle()
        low = [gates.ask("b", priority="low"), gates.ask("c", priority="low")]
        await settle()
        gates.ask("d", priority="high")
        await asyncio.sleep(0)  # "d" has taken the place of one of them, who does not know
        for task in low:
            task.cancel()
        await settle()
        assert gates.order == ["a"] and gates.depth() == (1, 1)

    run(test)


def test_a_wait_is_predicted_from_how_long_places_are_held() -> None:
    async def test() -> None:
        gates = Gates(1, 5)
        task = gates.ask("a")
        await settle()
        gates.running["a"].set_result(Answer(200))
        await task
        assert 0 < gates.lines["m"].predict_wait_s(QueuedRequest(9, "z")) < 600  # seconds, not the time of day

    run(test)
