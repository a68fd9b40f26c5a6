"""The middleware that keeps answers: before the client knows that they have ended, and never at the price of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from steward.core.errors import Refused
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer, EventFilter, TokenBudget
from steward.gateway.exchange import Exchange
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import keep_responses
from steward.gateway.middleware.offload import InThisProcess
from steward.gateway.request_reading import read_request
from steward.gateway.stored_responses import MOST_ANSWERS, StoredResponse

NAME = "a" * 24
OUTPUT = [{"id": f"msg_{NAME}", "type": "message", "role": "assistant", "content": []}]
ANSWER = {"id": f"resp_{NAME}", "output": OUTPUT}


class Store:
    def __init__(self, fails: bool = False) -> None:
        self.kept: dict[tuple[str, str, str], StoredResponse] = {}
        self._fails = fails

    def put(self, tenant: str, project: str, name: str, answer: StoredResponse, subject: str | None = None) -> None:
        if self._fails:
            raise OSError(28, "No space left on device")
        self.kept[tenant, project, name] = answer

    def find(self, tenant: str, project: str, names: frozenset[str]) -> Mapping[str, StoredResponse]:
        return {name: self.kept[tenant, project, name] for name in names if (tenant, project, name) in self.kept}


class Events:
    """A stream; `seen` is what the store held when each of its events was handed on."""

    ended, broke = True, False

    def __init__(self, *events: bytes) -> None:
        self.filter: EventFilter | None = None
        self.budget: TokenBudget | None = None
        self._events = iter(events)

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        try:
            return next(self._events)
        except StopIteration:
            raise StopAsyncIteration from None

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        raise AssertionError("an event would pass unseen")


def make(fields: dict[str, Any], endpoint: str = "/v1/responses") -> Exchange:
    body = json.dumps({"model": "m", **fields}).encode()
    caller = Caller(principal=Principal(kind="key", id="k", tenant="t", project="p"))
    exchange = Exchange(f"req_{NAME}", endpoint, {}, body, 0.0, 0.0, caller)
    exchange.request, exchange.fields, exchange.body = read_request(endpoint, body)
    return exchange


def run(store: Store, exchange: Exchange, answer: Answer, most: int = 10_000) -> tuple[Answer, Exchange]:
    async def inner(seen: Exchange) -> Answer:
        return answer

    async def go() -> Answer:
        return await keep_responses(store, most)(inner)(exchange)

    return asyncio.run(go()), exchange


def test_a_whole_answer_is_kept_for_its_project() -> None:
    store = Store()
    answer, exchange = run(store, make({"input": "hi"}), Answer(200, json.dumps(ANSWER).encode()))
    [(where, kept)] = store.kept.items()
    assert where == ("t", "p", NAME) and json.loads(kept.output) == OUTPUT
    assert json.loads(kept.input) == [{"type": "message", "role": "user", "content": "hi"}]
    assert exchange.kept is not None and json.loads(answer.body) == ANSWER


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"input": "hi", "store": False}, Answer(200, json.dumps(ANSWER).encode())),
        ({"input": "hi"}, Answer(400, json.dumps(ANSWER).encode())),
        ({"input": "hi"}, Answer(200, json.dumps({**ANSWER, "id": "resp_of_the_upstream"}).encode())),
    ],
)
def test_what_is_not_kept(fields: dict[str, Any], answer: Answer) -> None:
    store = Store()
    run(store, make(fields), answer)
    assert store.kept == {}


def test_other_endpoints_are_not_looked_at() -> None:
    store = Store()
    _, exchange = run(store, make({"messages": []}, "/v1/chat/completions"), Answer(200, json.dumps(ANSWER).encode()))
    assert store.kept == {} and exchange.kept is None


@pytest.mark.parametrize("how", ["completed", "incomplete"])
def test_a_streamed_answer_is_kept_before_its_end_is_told(how: str) -> None:
    store = Store()
    end = f"event: response.{how}\ndata: {json.dumps({'response': ANSWER})}\n\n".encode()
    answer, _ = run(store, make({"input": "hi", "stream": True}), Answer(200, stream=Events(b"data: {}\n\n", end)))
    stream = answer.stream
    assert stream is not None and stream.ended and not stream.broke

    async def read() -> list[tuple[bytes, int]]:
        await stream.forward(lambda events: True)
        return [(events, len(store.kept)) async for events in stream]

    assert asyncio.run(read()) == [(b"data: {}\n\n", 0), (end, 1)]


def test_guards_and_budgets_reach_the_stream_within() -> None:
    inner = Events()
    answer, _ = run(Store(), make({"input": "hi", "stream": True}), Answer(200, stream=inner))
    marks: Any = (object(), object())
    assert answer.stream is not None
    answer.stream.filter, answer.stream.budget = marks
    assert (inner.filter, inner.budget) == marks == (answer.stream.filter, answer.stream.budget)


def test_an_answer_that_cannot_be_kept_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    answer, _ = run(Store(fails=True), make({"input": "hi"}), Answer(200, json.dumps(ANSWER).encode()))
    assert json.loads(answer.body) == ANSWER and "No space left on device" in caplog.text


def test_the_whole_conversation_is_what_comes_after_sees() -> None:
    store = Store()
    store.kept["t", "p", NAME] = StoredResponse(at=1.0, output=json.dumps(OUTPUT).encode(), input=b"[]")
    references = [{"type": "item_reference", "id": f"msg_{NAME}"}, {"role": "user", "content": "and now?"}]
    _, exchange = run(store, make({"input": references, "store": False}), Answer(200, b"{}"))
    assert json.loads(exchange.body)["input"] == [OUTPUT[0], references[1]]
    assert json.loads(bytes(exchange.request.input)) == [OUTPUT[0], references[1]]


def test_a_long_conversation_is_put_in_place_elsewhere_and_means_the_same() -> None:
    store = Store()
    long = [{**OUTPUT[0], "content": [{"type": "output_text", "text": "x" * 200_000}]}]
    store.kept["t", "p", NAME] = StoredResponse(at=1.0, output=json.dumps(long).encode(), input=b"[]")
    asked = make({"input": [{"type": "item_reference", "id": f"msg_{NAME}"}], "store": False})
    _, exchange = run(store, asked, Answer(200, b"{}"), 1_000_000)
    assert json.loads(exchange.body)["input"] == long and exchange.size is not None
    with pytest.raises(Refused, match="the limit is 1,000"):
        run(store, make({"input": [{"type": "item_reference", "id": f"msg_{NAME}"}]}), Answer(200, b"{}"), 1000)


def test_a_request_may_refer_to_so_many_answers() -> None:
    def ask(count: int) -> Exchange:
        names = [f"msg_{number:024x}" for number in range(count)]
        return make({"input": [{"type": "item_reference", "id": name} for name in names]})

    run(Store(), ask(MOST_ANSWERS), Answer(200, b"{}"))
    with pytest.raises(Refused, match="refers to 257 stored answers; at most 256"):
        run(Store(), ask(MOST_ANSWERS + 1), Answer(200, b"{}"))


class Elsewhere(InThisProcess):
    """Notes what others do not wait for."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        self.done.append(function.__name__)
        return function(*arguments, **named)


@pytest.mark.parametrize(
    ("more", "padding", "done"),
    [(0, 0, []), (1, 0, ["expand"]), (-1, LARGE_BYTES, ["find_references", "expand", "read_large_request"])],
)
def test_others_do_not_wait_for_long_answers_or_bodies(more: int, padding: int, done: list[str]) -> None:
    """64 KiB of answers, with what they were asked, are put in place at once."""
    store, elsewhere = Store(), Elsewhere()
    output = json.dumps([{**OUTPUT[0], "content": [{"type": "output_text", "text": ""}]}]).encode()
    text = b"x" * (65_536 + more - len(output) - len(b"[]"))
    output = output.replace(b'"text": ""', b'"text": "' + text + b'"')
    store.kept["t", "p", NAME] = StoredResponse(at=1.0, output=output, input=b"[]")
    asked = make({"input": [{"type": "item_reference", "id": f"msg_{NAME}"}], "store": False, "user": "u" * padding})

    async def inner(_: Exchange) -> Answer:
        return Answer(200, b"{}")

    asyncio.run(keep_responses(store, 1_000_000, elsewhere)(inner)(asked))  # type: ignore[arg-type]
    assert elsewhere.done == done and json.loads(asked.body)["input"][0]["content"][0]["text"] == text.decode()
