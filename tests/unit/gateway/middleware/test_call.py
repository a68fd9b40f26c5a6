"""The call in the middle: what an engine is asked, what is noted of it, and what its failures become."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from compatibility.scripted_engine import CALLER, ScriptedAnswer, ScriptedEngine, streamed, whole
from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.traces import make_ids
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.field_names import read_field_names
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import call
from steward.gateway.middleware.call import (
    FORWARDED,
    find_error_within,
    format_dropped,
    select_forwarded,
    upstream_refusal,
)
from steward.gateway.models import OPENAI_ENDPOINTS, ModelEntry
from steward.gateway.wire import decode_request

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Answering(ScriptedEngine):
    """Gives one answer, or raises; notes the headers and whether it was asked to stream."""

    def __init__(self, answer: ScriptedAnswer | Exception) -> None:
        super().__init__(lambda body: (200, {}))
        self.answer = answer
        self.sent_headers: list[dict[str, str]] = []
        self.streamed: list[bool] = []

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> ScriptedAnswer:
        self.endpoints.append(endpoint)
        self.asked.append(json.loads(body))
        self.sent_headers.append(dict(headers or {}))
        self.streamed.append(streamed)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def reply(status: int, content: Any, **headers: str) -> ScriptedAnswer:
    answer = ScriptedAnswer(status, content)
    answer.headers = {**answer.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return answer


def asked(
    answer: ScriptedAnswer | Exception,
    body: dict[str, Any] | None = None,
    endpoint: str = CHAT,
    headers: dict[str, str] | None = None,
    embedded: bool = False,
    endpoints: frozenset[str] = OPENAI_ENDPOINTS,
    heartbeat_s: float = 30.0,
) -> tuple[Answer | Refused, bytes, Exchange, Answering]:
    """The answer, its whole content, the exchange and the engine."""
    engine = Answering(answer)
    raw = json.dumps(body or BODY).encode()

    async def go() -> tuple[Answer | Refused, bytes, Exchange]:
        exchange = Exchange("req_1", endpoint, headers or {}, raw, 0.0, asyncio.get_running_loop().time(), CALLER)
        exchange.request, exchange.fields = decode_request(endpoint, raw), read_field_names(raw)
        exchange.model = "m"
        entry = ModelEntry("m", engine, "up", endpoints=endpoints, embedded=embedded)
        try:
            given = await call({"m": entry}, heartbeat_s)(exchange)
        except Refused as error:
            return error, b"", exchange
        content = given.body
        if given.stream is not None:
            content = b"".join([events async for events in given.stream])
        exchange.end()
        return given, content, exchange

    given, content, exchange = asyncio.run(go())
    return given, content, exchange, engine


TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # W3C Trace Context, section 3.2


def test_a_whole_answer() -> None:
    given, content, exchange, engine = asked(
        reply(200, whole(), x_request_id="r1"),
        headers={"traceparent": TRACEPARENT, "authorization": "secret", "x-other": "o"},
    )
    assert isinstance(given, Answer) and given.status == 200 and json.loads(content) == whole()
    assert engine.asked == [{**BODY, "model": "up"}] and engine.endpoints == [CHAT] and engine.streamed == [False]
    span_id = make_ids(exchange.request_id)[1]
    assert engine.sent_headers == [{"traceparent": TRACEPARENT.replace("00f067aa0ba902b7", span_id)}]
    assert given.headers == [(b"x-upstream-request-id", b"r1")]
    (attempt,) = exchange.attempts
    assert (attempt.model, attempt.status, attempt.error) == ("m", 200, None)
    assert 0 <= attempt.duration_s < 600  # seconds, not the time of day
    assert exchange.ttft_s is not None and exchange.ttft_s >= 0


def test_a_stream() -> None:
    pieces = streamed("a", "b")
    given, content, exchange, engine = asked(
        reply(200, pieces, x_request_id="r1"), {**BODY, "stream": True, "stream_options": {"include_usage": True}}
    )
    assert isinstance(given, Answer) and (given.status, given.content_type) == (200, b"text/event-stream")
    assert content == b"".join(pieces) and engine.streamed == [True]
    assert given.headers == [(b"x-upstream-request-id", b"r1")]
    assert [(attempt.status, attempt.error) for attempt in exchange.attempts] == [(200, None)]
    assert exchange.ttft_s is not None


@pytest.mark.parametrize("status", [100, 199, 300, 302, 399, 600, 999])
def test_what_is_neither_an_answer_nor_an_error_is_a_failure(status: int) -> None:
    given, _, exchange, _ = asked(reply(status, {}))
    assert isinstance(given, Refused) and (given.status, given.code) == (502, "upstream_unavailable")
    assert given.message == (
        f"The upstream of model 'm' failed: it answered with status {status} instead of 200 or an error; check its url"
    )
    (attempt,) = exchange.attempts
    assert attempt.status == status and attempt.error is not None and exchange.ttft_s is None


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 599])
def test_an_error_keeps_its_status_and_says_when_to_come_back(status: int) -> None:
    error = {"error": {"message": "no", "type": "t", "param": None, "code": None}}
    given, content, exchange, _ = asked(reply(status, error, retry_after="7"))
    assert isinstance(given, Answer) and given.status == status and json.loads(content) == error
    assert given.headers == [(b"retry-after", b"7")] and exchange.attempts[0].status == status


def test_an_error_of_a_stream_that_never_began_is_an_error() -> None:
    error = {"error": {"message": "no", "type": "t", "param": None, "code": None}}
    given, content, _, _ = asked(reply(400, error), {**BODY, "stream": True})
    assert isinstance(given, Answer) and given.status == 400 and json.loads(content) == error


@pytest.mark.parametrize(("comments", "status"), [(1_000, 400), (1_001, 200)])
def test_a_thousand_comments_wait_for_the_first_event(comments: int, status: int) -> None:
    event = b'data: {"error":{"message":"no","code":400}}\n\n'
    given, _, _, _ = asked(reply(200, [b": wait\n\n"] * comments + [event]), {**BODY, "stream": True})
    assert isinstance(given, Answer) and given.status == status


def test_a_status_of_200_to_299_is_an_answer() -> None:
    for status in (200, 299):
        given, content, _, _ = asked(reply(status, whole()))
        assert isinstance(given, Answer) and given.status == 200 and json.loads(content) == whole()


def test_an_error_under_200_has_the_status_that_it_names() -> None:
    error = {"error": {"message": "slow", "code": 429}}
    given, _, exchange, _ = asked(reply(200, error, retry_after="7"))
    assert isinstance(given, Answer) and given.status == 429 and exchange.attempts[0].status == 429
    assert given.headers == [(b"retry-after", b"7")]


@pytest.mark.parametrize(("embedded", "status"), [(True, 400), (False, 500)])
def test_an_embedded_engines_500_is_the_requests(embedded: bool, status: int) -> None:
    given, _, exchange, _ = asked(reply(500, {"error": {"message": "no", "code": 500}}), embedded=embedded)
    assert isinstance(given, Answer) and given.status == status == exchange.attempts[0].status
    given, _, _, _ = asked(reply(501, {"error": {"message": "no"}}), embedded=True)
    assert isinstance(given, Answer) and given.status == 501


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_what_an_embedded_engine_cannot_parse_never_reaches_it(size: int) -> None:
    body = {**BODY, "grammar": "(" * 100, "messages": [{"role": "user", "content": "x" * size}]}
    given, _, exchange, engine = asked(reply(200, whole()), body, embedded=True)
    assert isinstance(given, Refused) and given.code == "too_complex" and engine.asked == [] and exchange.attempts == []
    assert isinstance(asked(reply(200, whole()), body)[0], Answer)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Unavailable("gone"), 502, "upstream_unavailable"), (TimedOut("late"), 504, "upstream_timeout")],
)
def test_no_answer_is_502_and_a_late_one_504(error: Unavailable, status: int, code: str) -> None:
    given, _, exchange, _ = asked(error)
    assert isinstance(given, Refused) and (given.status, given.code, given.type) == (status, code, "api_error")
    assert given.message == f"The upstream of model 'm' failed: {error}"
    assert [(attempt.status, attempt.error) for attempt in exchange.attempts] == [(None, str(error))]
    assert upstream_refusal("x", error).status == status


STREAM = {**BODY, "stream": True}


def test_a_stream_that_is_empty_or_beyond_all_bounds_is_no_answer() -> None:
    for pieces in ([b""], [b": wait\n\n"], [b"data: {" + b"x" * (4 * 1024 * 1024)]):
        given, _, exchange, _ = asked(reply(200, pieces), STREAM)
        assert isinstance(given, Refused) and (given.status, given.code) == (502, "upstream_unavailable")
        assert exchange.attempts[0].error is not None


def test_an_error_in_the_first_event_has_its_status() -> None:
    event = b'data: {"error":{"message":"too long","code":400}}\n\n'
    given, content, exchange, _ = asked(reply(200, [b": wait\n\n", event]), STREAM)
    assert isinstance(given, Answer) and given.status == 400 and given.stream is None
    assert json.loads(content)["error"]["message"] == "too long" and exchange.attempts[0].status == 400
    event = b'data: {"error":{"message":"busy"}}\n\n'
    given, _, _, _ = asked(reply(200, [streamed("a")[0], event]), STREAM)
    assert isinstance(given, Answer) and given.status == 200  # it has begun


class Silent(ScriptedAnswer):
    """Says nothing until it has been waited for."""

    def __init__(self) -> None:
        super().__init__(200, streamed("a"))

    def take_arrived(self) -> bytes | None:
        return None

    async def read_piece(self) -> bytes:
        await asyncio.sleep(3600)
        raise AssertionError


def test_a_stream_that_has_not_begun_gets_its_headers() -> None:
    engine = Answering(Silent())
    raw = json.dumps(STREAM).encode()

    async def go() -> tuple[Answer, Exchange, bytes]:
        exchange = Exchange("req_1", CHAT, {}, raw, 0.0, asyncio.get_running_loop().time(), CALLER)
        exchange.request, exchange.model = decode_request(CHAT, raw), "m"
        given = await call({"m": ModelEntry("m", engine, "m")}, 0.01)(exchange)
        assert given.stream is not None
        first = await anext(given.stream)
        exchange.end()
        return given, exchange, first

    given, exchange, first = asyncio.run(go())
    assert given.status == 200 and first.startswith(b":") and exchange.ttft_s is None


def test_what_a_translation_left_out_is_named() -> None:
    body = {"model": "m", "max_tokens": 5, "messages": BODY["messages"], "container": "c", "betas": ["b"]}
    given, _, _, engine = asked(reply(200, whole()), body, MESSAGES)
    assert isinstance(given, Answer) and engine.endpoints == [CHAT]
    assert (b"x-steward-dropped", b"container, betas") in given.headers
    given, _, _, _ = asked(reply(200, streamed("a")), {**body, "stream": True}, MESSAGES)
    assert isinstance(given, Answer) and (b"x-steward-dropped", b"container, betas") in given.headers
    given, _, _, _ = asked(reply(200, whole()))
    assert isinstance(given, Answer) and given.headers == []


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_a_large_answer_is_translated_as_a_small_one(size: int) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": BODY["messages"]}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    given, content, exchange, _ = asked(reply(200, whole("y" * (size + 1), usage=usage)), body, MESSAGES)
    assert isinstance(given, Answer) and given.status == 200
    message = json.loads(content)
    assert message["content"][0]["text"] == "y" * (size + 1) and message["usage"]["input_tokens"] == 3
    assert exchange.usage is not None and exchange.usage.completion_tokens == 2


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_a_large_request_is_asked_as_a_small_one(size: int) -> None:
    long = [{"role": "user", "content": "x" * size}]
    body = {"model": "m", "max_tokens": 5, "messages": long, "container": "c", "stream": True}
    given, content, exchange, engine = asked(reply(200, streamed("a")), body, MESSAGES)
    assert isinstance(given, Answer) and b"message_stop" in content and not exchange.asked_usage
    assert engine.asked[0]["messages"] == long and engine.asked[0]["model"] == "up"
    assert engine.asked[0]["stream_options"] == {"include_usage": True}
    assert (b"x-steward-dropped", b"container") in given.headers
    chat = {**STREAM, "messages": long, "stream_options": {"include_usage": True}}
    assert asked(reply(200, streamed("a")), chat)[2].asked_usage


def test_a_refused_field_is_left_out_and_remembered() -> None:
    def rule(body: dict[str, Any]) -> tuple[int, Any]:
        if "stream_options" in body:
            return 422, {"detail": "unknown field stream_options"}
        return 200, streamed("a")

    engine, clock = ScriptedEngine(rule), [0.0]
    raw = json.dumps(STREAM).encode()

    async def go() -> list[list[bool]]:
        handle = call({"m": ModelEntry("m", engine, "m")}, clock=lambda: clock[0])
        seen = []
        for now in (0.0, 3_599.0, 3_600.0):
            clock[0] = now
            exchange = Exchange("req_1", CHAT, {}, raw, 0.0, asyncio.get_running_loop().time(), CALLER)
            exchange.request, exchange.model = decode_request(CHAT, raw), "m"
            engine.asked.clear()
            answer = await handle(exchange)
            assert answer.stream is not None
            exchange.end()
            seen.append(["stream_options" in body for body in engine.asked])
            problem = "it does not take stream_options"
            assert [attempt.error for attempt in exchange.attempts] == [problem, None][-len(engine.asked) :]
        return seen

    assert asyncio.run(go()) == [[True, False], [False], [True, False]]


@pytest.mark.parametrize(("status", "asked_again"), [(200, [False]), (400, [True, False])])
def test_only_what_an_answer_proves_is_remembered(status: int, asked_again: list[bool]) -> None:
    """Where it fails without the field, too, the field may not have been why."""

    def rule(body: dict[str, Any]) -> tuple[int, Any]:
        if "stream_options" in body:
            return 422, {"detail": "unknown field stream_options"}
        return (200, streamed("a")) if status == 200 else (status, {"error": {"message": "too long"}})

    engine, raw = ScriptedEngine(rule), json.dumps(STREAM).encode()

    async def go() -> list[bool]:
        handle = call({"m": ModelEntry("m", engine, "m")})
        for _ in range(2):
            exchange = Exchange("req_1", CHAT, {}, raw, 0.0, asyncio.get_running_loop().time(), CALLER)
            exchange.request, exchange.model = decode_request(CHAT, raw), "m"
            engine.asked.clear()
            assert (await handle(exchange)).status == status
            exchange.end()
        return ["stream_options" in body for body in engine.asked]

    assert asyncio.run(go()) == asked_again


def test_headers_of_the_client_that_the_upstream_sees() -> None:
    names = {"anthropic-version", "anthropic-beta", "openai-beta", "x-client-request-id", "traceparent", "tracestate"}
    assert names == FORWARDED
    assert select_forwarded(make_exchange({"cookie": "c"}), False) == {}
    kept = {"anthropic-beta": "b", "tracestate": "s"}
    assert select_forwarded(make_exchange({**kept, "cookie": "c"}), False) == kept
    assert set(select_forwarded(make_exchange({"cookie": "c"}), True)) == {"traceparent"}


def make_exchange(headers: dict[str, str]) -> Exchange:
    return Exchange("req_1", CHAT, headers, b"", 0.0, 0.0, CALLER)


def test_twenty_paths_are_named_each_once() -> None:
    paths = [f"tools.{number}" for number in range(22)]
    assert format_dropped(paths[:20]) == ", ".join(paths[:20]).encode()
    assert format_dropped(paths) == ", ".join(paths[:20]).encode() + b", and 2 more"
    assert format_dropped(["a", "a", "b", "ü", "c\n"]) == b"a, b"


@pytest.mark.parametrize("size", [0, LARGE_BYTES])
def test_an_answer_in_the_clients_dialect_passes_whatever_its_size(size: int) -> None:
    given, content, _, _ = asked(reply(200, whole("y" * size)))
    assert isinstance(given, Answer) and given.status == 200 and json.loads(content) == whole("y" * size)


def test_a_guess_that_did_not_help_is_not_remembered() -> None:
    engine = ScriptedEngine(lambda body: (422, b"unsupported field"))
    raw = json.dumps(STREAM).encode()

    async def go() -> list[list[bool]]:
        handle = call({"m": ModelEntry("m", engine, "m")})
        seen = []
        for _ in range(2):
            exchange = Exchange("req_1", CHAT, {}, raw, 0.0, asyncio.get_running_loop().time(), CALLER)
            exchange.request, exchange.model = decode_request(CHAT, raw), "m"
            engine.asked.clear()
            assert (await handle(exchange)).status == 422
            seen.append(["stream_options" in body for body in engine.asked])
        return seen

    assert asyncio.run(go()) == [[True, False]] * 2


@pytest.mark.parametrize(("size", "whole_error"), [(256 * 1024, True), (256 * 1024 + 1, False)])
def test_of_a_long_error_the_first_256_kilobytes_are_read(size: int, whole_error: bool) -> None:
    error = b'{"error":{"message":"x","more":"' + b"x" * (size - 35) + b'"}}'
    given, content, _, _ = asked(reply(500, error))
    assert isinstance(given, Answer) and given.status == 500 and len(error) == size
    assert (content == error) is whole_error and json.loads(content)["error"]["message"]


class Recorder:
    """Does the work here and notes what it was."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        self.done.append(function.__name__)
        return function(*arguments, **named)

    run_beside = run

    async def close(self) -> None: ...


@pytest.mark.parametrize(("size", "elsewhere"), [(1024 * 1024, []), (1024 * 1024 + 1, ["find_error_instead"])])
def test_an_error_in_a_long_answer_is_looked_for_elsewhere(size: int, elsewhere: list[str]) -> None:
    recorder = Recorder()
    body = b'{"choices":[{"message":{}}]}' + b" " * (size - 28)
    assert asyncio.run(find_error_within("/v1/chat/completions", body, recorder)) is None and recorder.done == elsewhere
