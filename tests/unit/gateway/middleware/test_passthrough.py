"""The endpoints whose bodies pass as they are: reading, guarding and calling.

Fields: OpenAI API reference, "Create speech", "Create transcription", "Create image", "Create moderation"; Cohere API
reference, "Rerank".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from compatibility.scripted_engine import CALLER, ScriptedAnswer, ScriptedEngine
from steward.core.errors import Refused, TimedOut, Unavailable
from steward.core.extend import GuardContext, Verdict
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.large import LARGE_BYTES
from steward.gateway.middleware import call_passthrough, guard_passthrough, identify_passthrough
from steward.gateway.middleware.passthrough import read_whole
from steward.gateway.models import ModelEntry
from steward.gateway.route_records import Route, Target, Unreadable

SPEECH, MODERATIONS, TRANSCRIPTIONS = "/v1/audio/speech", "/v1/moderations", "/v1/audio/transcriptions"
JSON = {"content-type": "application/json"}


class Recorder:
    def __init__(self) -> None:
        self.done: list[str] = []

    async def run(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        self.done.append(f"elsewhere:{function.__name__}")
        return function(*arguments, **named)

    async def run_beside(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        self.done.append(function.__name__)
        return function(*arguments, **named)

    async def close(self) -> None: ...


class Capitals:
    name = "capitals"

    def request(self, exchange: GuardContext, fields: Sequence[str]) -> Verdict:
        return Verdict("rewrite", texts=tuple(text.upper() for text in fields))

    def delta(self, exchange: GuardContext, choice: int, field: str, text: str, last: bool) -> str:
        return text.lower()

    def close(self, exchange: GuardContext) -> Verdict:
        return Verdict("allow")


class Engine(ScriptedEngine):
    """Gives one answer, or raises; keeps what it was asked."""

    def __init__(self, answer: ScriptedAnswer | Exception) -> None:
        super().__init__(lambda body: (200, {}))
        self.answer = answer
        self.sent: list[tuple[str, bytes, dict[str, str], bool]] = []

    async def call(
        self, endpoint: str, body: bytes, headers: Mapping[str, str] | None = None, streamed: bool = False
    ) -> ScriptedAnswer:
        self.sent.append((endpoint, body, dict(headers or {}), streamed))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def reply(status: int, content: Any, kind: str = "application/json", **headers: str) -> ScriptedAnswer:
    answer = ScriptedAnswer(status, content)
    answer.headers = {"content-type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return answer


def form(size: int = 10, letter: bytes = b"s", **fields: str) -> tuple[bytes, dict[str, str]]:
    """A transcription's form with a file of so many bytes."""
    head = "--x\r\ncontent-disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'{head}"file"; filename="a.mp3"\r\n\r\n'.encode() + letter * size
    return "".join(parts).encode() + file + b"\r\n--x--\r\n", {"content-type": "multipart/form-data; boundary=x"}


def asked(
    endpoint: str,
    answer: ScriptedAnswer | Exception,
    body: bytes,
    headers: dict[str, str] | None = None,
    guards: Sequence[Capitals] = (),
    unreadable: Unreadable = "refuse",
    passes: bool = True,
    recorder: Recorder | None = None,
) -> tuple[Answer, bytes, Exchange, Engine]:
    """The answer, its content, the exchange and the engine. :raises Refused: as the client would see it"""
    engine, offload = Engine(answer), recorder or Recorder()
    entry = ModelEntry("m", engine, "up", passes_through=passes)
    route = Route("m", (Target("m"),), unreadable=unreadable)

    async def go() -> tuple[Answer, bytes, Exchange]:
        handle = guard_passthrough(guards, {"m": route}, offload)(call_passthrough({"m": entry}, offload))
        exchange = Exchange("req_1", endpoint, headers or JSON, body, 0.0, asyncio.get_running_loop().time(), CALLER)
        exchange.model = exchange.route = "m"
        states.append(exchange)
        given = await identify_passthrough(lambda tenant: b"k" * 32, offload)(handle)(exchange)
        content = given.body
        if given.stream is not None:
            content = b"".join([piece async for piece in given.stream])
        exchange.end()
        return given, content, exchange

    given, content, exchange = asyncio.run(go())
    return given, content, exchange, engine


states: list[Exchange] = []  # the exchange of a request that was refused


def moderation(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def test_a_request_passes_as_it_is() -> None:
    told = {"id": "modr-1", "results": []}
    given, content, exchange, engine = asked(
        MODERATIONS, reply(200, told, x_request_id="r"), moderation(user="ann", odd=1),
        {**JSON, "openai-beta": "b", "authorization": "secret"},
    )  # fmt: skip
    assert (given.status, given.content_type, json.loads(content)) == (200, b"application/json", told)
    endpoint, body, headers, streamed = engine.sent[0]
    assert endpoint == MODERATIONS and json.loads(body) == {"model": "up", "input": "hi", "user": "ann", "odd": 1}
    assert headers == {"openai-beta": "b", "content-type": "application/json"} and not streamed
    assert (exchange.request.model, exchange.request.user, exchange.upstream_id) == ("m", "ann", "modr-1")
    assert exchange.subject is not None and exchange.ttft_s is not None
    assert [(attempt.model, attempt.status, attempt.error) for attempt in exchange.attempts] == [("m", 200, None)]
    assert given.headers == [(b"x-upstream-request-id", b"r")]
    assert exchange.passthrough is not None and exchange.passthrough.answered
    assert exchange.passthrough.answer_bytes == len(content) and 0 <= exchange.attempts[0].duration_s < 600


def test_a_second_path_is_asked_under_the_first() -> None:
    body = json.dumps({"model": "m", "query": "q", "documents": ["a"]}).encode()
    assert asked("/v2/rerank", reply(200, {"results": []}), body)[3].sent[0][0] == "/v1/rerank"


def test_a_model_of_another_backend_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        asked(MODERATIONS, reply(200, {}), moderation(), passes=False)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "model", "unsupported_endpoint")


@pytest.mark.parametrize("status", [199, 300, 302, 399, 600])
def test_what_is_neither_an_answer_nor_an_error_is_a_failure(status: int) -> None:
    with pytest.raises(Refused) as caught:
        asked(MODERATIONS, reply(status, {}), moderation())
    assert (caught.value.status, caught.value.code) == (502, "upstream_unavailable")
    assert f"status {status} instead of 200 or an error" in caught.value.message
    assert states[-1].attempts[0].status == status and states[-1].attempts[0].error is not None


@pytest.mark.parametrize(("error", "status"), [(Unavailable("gone"), 502), (TimedOut("late"), 504)])
def test_no_answer_is_a_failure(error: Unavailable, status: int) -> None:
    with pytest.raises(Refused) as caught:
        asked(MODERATIONS, error, moderation())
    assert caught.value.status == status and states[-1].attempts[0].status is None


@pytest.mark.parametrize(
    ("status", "told", "kind", "seen"),
    [
        (400, {"error": {"message": "no"}}, "application/json", 400),
        (599, {"error": {"message": "no"}}, "application/json", 599),
        (503, b"<html>busy</html>", "text/html", 503),
        (200, {"error": {"message": "slow", "code": 429}}, "application/json", 429),
    ],
)
def test_errors_keep_their_status(status: int, told: Any, kind: str, seen: int) -> None:
    given, _, exchange, _ = asked(MODERATIONS, reply(status, told, kind, retry_after="5"), moderation())
    assert given.status == seen == exchange.attempts[0].status
    assert ((b"retry-after", b"5") in given.headers) == (status >= 400)
    assert exchange.passthrough is not None and not exchange.passthrough.answered


def test_an_answer_that_is_no_json_is_the_upstreams_failure() -> None:
    with pytest.raises(Refused) as caught:
        asked(MODERATIONS, reply(200, b"hello", "text/plain"), moderation())
    assert (caught.value.status, caught.value.code) == (502, "upstream_malformed")
    with pytest.raises(Refused) as caught:
        asked(MODERATIONS, reply(200, b"hello", "x" * 101), moderation())
    assert caught.value.message == f"The upstream answered with '{'x' * 99}…' where JSON was expected."


def test_a_transcript_may_be_text() -> None:
    body, headers = form(model="m")
    given, content, exchange, engine = asked(TRANSCRIPTIONS, reply(200, b"hello", "text/plain"), body, headers)
    assert (content, given.content_type) == (b"hello", b"text/plain") and exchange.upstream_id is None
    assert exchange.passthrough is not None and exchange.passthrough.report is None
    assert b'name="model"\r\n\r\nup\r\n' in engine.sent[0][1] and not engine.sent[0][3]


def test_sound_is_a_stream_from_its_first_byte() -> None:
    body = json.dumps({"model": "m", "input": "hi", "voice": "v"}).encode()
    given, content, exchange, engine = asked(SPEECH, reply(200, [b"ab", b"cd"], "audio/mpeg"), body)
    assert given.stream is not None and (content, given.content_type) == (b"abcd", b"audio/mpeg")
    assert given.status == 200
    assert engine.sent[0][3] and exchange.passthrough is not None and exchange.passthrough.answered
    given, _, _, _ = asked(SPEECH, reply(200, [b"ab"], ""), body)
    assert given.content_type == b"application/octet-stream"
    given, content, _, _ = asked(SPEECH, reply(200, {"audio": "x"}), body)
    assert given.stream is None and json.loads(content) == {"audio": "x"}
    given, _, _, _ = asked(SPEECH, reply(400, b"bad", "text/plain"), body)
    assert given.status == 400 and given.stream is None
    with pytest.raises(Refused, match="closed the answer before the first byte"):
        asked(SPEECH, reply(200, [b""], "audio/mpeg"), body)


def test_an_answer_may_be_as_long_as_a_bound() -> None:
    class Pieces(ScriptedAnswer):
        closed = False

        def close(self) -> None:
            self.closed = True

    whole, longer = Pieces(200, [b"ab", b"cd"]), Pieces(200, [b"ab", b"cde"])
    assert asyncio.run(read_whole(whole, 4)) == b"abcd" and not whole.closed
    with pytest.raises(Unavailable, match="longer than 4 bytes"):
        asyncio.run(read_whole(longer, 4))
    assert longer.closed


# ---- large bodies


@pytest.mark.parametrize(("size", "steps"), [(1_048_576, 0), (1_048_577, 2)])
def test_of_an_answer_beyond_a_megabyte_the_error_and_the_report_are_read_elsewhere(size: int, steps: int) -> None:
    recorder = Recorder()
    answer = b'{"id":"a"' + b" " * (size - 10) + b"}"
    asked(MODERATIONS, reply(200, answer), moderation(), recorder=recorder)
    assert recorder.done == ["elsewhere:find_error_instead", "elsewhere:read_report"][:steps] and len(answer) == size


def test_large_bodies_are_read_in_a_thread() -> None:
    recorder = Recorder()
    asked(MODERATIONS, reply(200, {}), moderation(input="x" * LARGE_BYTES), recorder=recorder)
    assert recorder.done == ["_read_large"]
    recorder = Recorder()
    body, headers = form(LARGE_BYTES, model="m")
    asked(TRANSCRIPTIONS, reply(200, b"t", "text/plain"), body, headers, recorder=recorder)
    assert recorder.done == ["_read_large"]


def test_a_body_of_very_many_values_is_refused() -> None:
    for many, refused in ((299_996, False), (299_997, True)):  # and 2 colons, 2 brackets; 300,000 in all
        body = moderation(input=["x"] * many)
        if not refused:
            asked(MODERATIONS, reply(200, {}), body)
            continue
        with pytest.raises(Refused) as caught:
            asked(MODERATIONS, reply(200, {}), body)
        assert caught.value.code == "too_complex"
    body, headers = form(300_010, b",", model="m")
    asked(TRANSCRIPTIONS, reply(200, b"t", "text/plain"), body, headers)  # the bytes of a file are no values


# ---- guards


def test_texts_of_request_and_answer_are_seen() -> None:
    given, content, exchange, engine = asked(
        MODERATIONS, reply(200, {"text": "YES"}), moderation(), guards=[Capitals()]
    )
    assert json.loads(engine.sent[0][1])["input"] == "HI" and json.loads(content) == {"text": "yes"}
    assert given.headers == [(b"x-steward-guards", ", ".join(exchange.guards).encode())]
    assert exchange.guards[0] == "capitals=rewrite"
    given, _, _, _ = asked(MODERATIONS, reply(200, {}), moderation())
    assert given.headers == []


def test_errors_are_no_answers() -> None:
    error = {"error": {"message": "NO", "type": "T", "param": None, "code": None}}
    assert json.loads(asked(MODERATIONS, reply(400, error), moderation(), guards=[Capitals()])[1]) == error


def test_longer_texts_are_seen_in_a_thread() -> None:
    empty = len(moderation(input=""))
    for size, steps in ((4_095, ["_guard_answer"]), (4_096, ["_guard_texts", "_guard_answer"])):
        recorder, body = Recorder(), moderation(input="x" * (size - empty))
        asked(MODERATIONS, reply(200, {}), body, guards=[Capitals()], recorder=recorder)
        assert recorder.done == steps and len(body) == size


def test_what_no_guard_can_read_is_refused_unless_the_route_lets_it_pass() -> None:
    body, headers = form(model="m", prompt="hi", language="en")
    answer = reply(200, b"HELLO", "text/plain")
    with pytest.raises(Refused) as caught:
        asked(TRANSCRIPTIONS, answer, body, headers, [Capitals()])
    assert caught.value.status == 403
    given, content, exchange, engine = asked(TRANSCRIPTIONS, answer, body, headers, [Capitals()], "pass")
    assert content == b"hello" and exchange.guards[0] == "unread=request"
    sent = engine.sent[0][1]
    assert b"\r\n\r\nHI\r\n" in sent and b"\r\n\r\nup\r\n" in sent and b"ssss" in sent
    assert given.headers[-1][0] == b"x-steward-guards"


def test_an_answer_that_no_guard_can_read_passes() -> None:
    body = json.dumps({"model": "m", "prompt": "hi"}).encode()
    given, content, exchange, _ = asked(
        "/v1/images/generations", reply(200, {"data": [{"b64_json": "AAAA"}]}), body, None, [Capitals()], "pass"
    )
    assert json.loads(content) == {"data": [{"b64_json": "AAAA"}]} and exchange.guards[0] == "unread=answer"
    assert given.status == 200


def test_both_halves_that_no_guard_can_read_are_named() -> None:
    body, headers = form(model="m", prompt="hi")
    body = body.replace(b'name="file"', b'name="image"')
    _, _, exchange, _ = asked("/v1/images/edits", reply(200, {"data": []}), body, headers, [Capitals()], "pass")
    assert exchange.guards[0] == "unread=request+answer"


def test_a_streamed_transcript_cannot_be_guarded() -> None:
    body, headers = form(model="m", stream="true")
    with pytest.raises(Refused) as caught:
        asked(TRANSCRIPTIONS, reply(200, b"x", "text/plain"), body, headers, [Capitals()], "pass")
    assert (caught.value.status, caught.value.param) == (400, "stream")
    plain = asked(TRANSCRIPTIONS, reply(200, [b"data: {}\n\n"], "text/event-stream"), body, headers)
    assert plain[0].stream is not None and plain[3].sent[0][3]
    speech = json.dumps({"model": "m", "input": "hi", "stream_format": "sse"}).encode()
    answer = reply(200, [b"data: {}\n\n"], "text/event-stream")
    assert asked(SPEECH, answer, speech, None, [Capitals()], "pass")[0].stream is not None
