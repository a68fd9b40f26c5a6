"""One request every few seconds leaves its features, whole and streamed; the answer stays as it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from steward.core.features import RequestFeatures
from steward.core.identity import Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange, Handler
from steward.gateway.middleware.features import MOST_ANSWER_CHARS, MOST_BODY_BYTES, note_features
from steward.text.features import find_topic

CHAT, MESSAGES, EMBEDDINGS = "/v1/chat/completions", "/v1/messages", "/v1/embeddings"
KEY = Caller(principal=Principal(kind="key", id="k"))
QUESTION = "What is the invoice number of this subscription and how do I pay?"
BODY = {"model": "m", "messages": [{"role": "user", "content": QUESTION}]}
TOOL = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"invoice": 7}'}}


class Streamed:
    """An answer's stream of given events, as a client would read it."""

    budget = None
    broke = False

    def __init__(self, events: list[bytes], ended: bool = True) -> None:
        self.filter: Any = None
        self.ended = ended
        self._events = events

    def read(self) -> bytes:
        passed = [self.filter.feed(event) if self.filter else event for event in self._events]
        return b"".join([*passed, self.filter.end() if self.filter else b""])


def ask(started: float = 0.0, endpoint: str = CHAT, body: Any = BODY) -> Exchange:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Exchange("req_1", endpoint, {}, data, 1000.0, started, KEY)


def chat(content: str | None, **message: Any) -> Answer:
    return Answer(200, json.dumps({"choices": [{"index": 0, "message": {"content": content, **message}}]}).encode())


def serve(exchange: Exchange, answer: Answer, wrapped: Handler | None = None, every_s: float = 10.0) -> Exchange:
    async def inner(_: Exchange) -> Answer:
        return answer

    assert asyncio.run((wrapped or note_features(every_s)(inner))(exchange)) is answer
    return exchange


def test_a_whole_answer() -> None:
    features = serve(ask(), chat("I'm sorry, but I can't help with that.")).features
    assert features == RequestFeatures(
        prompt_chars=len(QUESTION), answer_chars=38, language="en", topic=find_topic(QUESTION), refused=True,
        finish_reason="stop", tool_calls=0,
    )  # fmt: skip


def test_a_streamed_answer_passes_unchanged_and_is_noted_at_its_end() -> None:
    chunks = ["Pay ", "it here."]
    deltas = [json.dumps({"choices": [{"index": 0, "delta": {"content": one}}]}) for one in chunks]
    events = [f"data: {delta}\n\n".encode() for delta in deltas]
    stream = Streamed([*events, b"data: [DONE]\n\n"])
    exchange = serve(ask(), Answer(200, stream=stream))  # type: ignore[arg-type]
    assert exchange.features is None
    assert stream.read() == b"".join([*events, b"data: [DONE]\n\n"])
    exchange.end()
    assert exchange.features is not None
    assert (exchange.features.answer_chars, exchange.features.refused) == (12, False)


def test_a_stream_that_did_not_end_or_failed_leaves_nothing() -> None:
    for ended, failed in ((False, False), (True, True)):
        exchange = serve(ask(), Answer(200, stream=Streamed([], ended)))  # type: ignore[arg-type]
        exchange.failed = failed
        exchange.end()
        assert exchange.features is None


@pytest.mark.parametrize(
    ("answer", "shortened", "expected"),
    [
        (chat("ok"), False, ("stop", 0)),
        (chat("ok"), True, ("length", 0)),
        (chat(None, tool_calls=[TOOL]), False, ("tool_calls", 1)),
    ],
)
def test_how_answers_end(answer: Answer, shortened: bool, expected: tuple[str, int]) -> None:
    exchange = ask()
    exchange.shortened = shortened
    features = serve(exchange, answer).features
    assert features is not None and (features.finish_reason, features.tool_calls) == expected


def test_one_request_in_ten_seconds() -> None:
    async def inner(_: Exchange) -> Answer:
        return chat("ok")

    handler = note_features(10.0)(inner)
    noted = []
    for started in (100.0, 100.1, 109.9, 110.0, 115.0):
        exchange = ask(started)
        asyncio.run(handler(exchange))
        noted.append(exchange.features is not None)
    assert noted == [True, False, False, True, False]


def test_nothing_is_noted_where_it_is_off() -> None:
    async def inner(_: Exchange) -> Answer:
        return chat("ok")

    assert note_features(0.0)(inner) is inner


@pytest.mark.parametrize(
    ("exchange", "answer"),
    [
        (ask(endpoint=EMBEDDINGS, body={"input": "x"}), Answer(200, b"{}")),
        (ask(body={"model": "m" * (MOST_BODY_BYTES + 1)}), chat("ok")),
        (ask(body=b"not JSON"), chat("ok")),
        (ask(), Answer(200, b"not JSON")),
        (ask(), Answer(500, b"{}")),
    ],
)
def test_what_cannot_be_read_leaves_nothing_and_the_answer_as_it_is(exchange: Exchange, answer: Answer) -> None:
    assert serve(exchange, answer).features is None


def test_an_answer_beyond_the_bound_has_no_length() -> None:
    features = serve(ask(), chat("x" * (MOST_ANSWER_CHARS + 1))).features
    assert features is not None and (features.answer_chars, features.refused) == (None, None)


def test_the_dialect_of_messages() -> None:
    answer = Answer(200, json.dumps({"type": "message", "content": [{"type": "text", "text": "hello"}]}).encode())
    features = serve(ask(endpoint=MESSAGES), answer).features
    assert features is not None and features.answer_chars == 5


@pytest.mark.parametrize(("size", "is_noted"), [(262_144, True), (262_145, False)])
def test_a_request_of_256_kib_is_looked_at_and_a_longer_one_is_not(size: int, is_noted: bool) -> None:
    start, end = b'{"messages": [{"role": "user", "content": "', b'"}]}'
    exchange = ask(body=start + b"a" * (size - len(start) - len(end)) + end)
    assert (serve(exchange, chat("ok")).features is not None) == is_noted


@pytest.mark.parametrize(("length", "told"), [(262_144, 262_144), (262_145, None)])
def test_of_an_answer_up_to_256_kib_are_counted(length: int, told: int | None) -> None:
    features = serve(ask(), chat("x" * length)).features
    assert features is not None and features.answer_chars == told


@pytest.mark.parametrize(
    ("answer", "refused"),
    [("I'm sorry, but I can't help with that.", True), ("It works so.", False), ("", None),
     ("I'm sorry, but I can't help with that." + "x" * MOST_ANSWER_CHARS, None)],
)  # fmt: skip
def test_a_refusal_is_known_of_an_answer_that_was_read(answer: str, refused: bool | None) -> None:
    features = serve(ask(), chat(answer)).features
    assert features is not None and features.refused is refused
