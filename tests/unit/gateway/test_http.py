"""One request as a handler sees it: its body within bounds, its answer with the right head, its stream to the end.

Statuses: RFC 9110 (413, 415, 503). Headers that SDKs read: `x-request-id` (OpenAI), `request-id` (Anthropic).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from steward.core.errors import InputError, Refused, Unavailable
from steward.gateway.answer import Answer
from steward.gateway.exchange import Exchange
from steward.gateway.http import CERTIFICATE, CONNECTION, HttpRequest, internal_error, stopping_error

Message = dict[str, Any]


class Connection:
    """Our own server's: takes what is at hand, unless its client is slow."""

    def __init__(self, body: bytes | None = None, slow: bool = False) -> None:
        self.body, self.slow = body, slow
        self.answers: list[tuple[int, list[tuple[bytes, bytes]], bytes]] = []
        self.watched: list[object] = []

    def take_body(self) -> bytes | None:
        taken, self.body = self.body, None
        return taken

    def watch(self, on_disconnect: Callable[[], None] | None) -> None:
        self.watched.append(on_disconnect)

    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        if not self.slow:
            self.answers.append((status, headers, body))
        return not self.slow

    def write(self, events: bytes) -> bool:
        return True


class Wire:
    """What was sent, and what is still to be received."""

    def __init__(self, *parts: bytes | None) -> None:
        self.sent: list[Message] = []
        self.parts = list(parts)

    async def receive(self) -> Message:
        part = self.parts.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(self.parts)}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


def make(
    wire: Wire, connection: Connection | None = None, path: str = "/v1/chat/completions", **headers: str
) -> HttpRequest:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"path": path, "headers": raw, "extensions": {CONNECTION: connection} if connection else {}}
    return HttpRequest("req_1", scope, wire.receive, wire.send)


def read(request: HttpRequest, limit: int = 10, kind: str = "application/json") -> bytes:
    return asyncio.run(request.read_body(limit, kind))


def refused(request: HttpRequest, limit: int = 10) -> tuple[int, str | None, str]:
    with pytest.raises(Refused) as caught:
        read(request, limit)
    return caught.value.status, caught.value.code, caught.value.message


# ---- bodies


@pytest.mark.parametrize("parts", [(b"0123456789",), (b"0123", b"456789"), (b"", b"0123456789"), (b"0123456789", b"")])
def test_a_body_may_have_as_many_bytes_as_the_limit(parts: tuple[bytes, ...]) -> None:
    assert read(make(Wire(*parts))) == b"0123456789"


@pytest.mark.parametrize("parts", [(b"01234567890",), (b"0123456789", b"0")])
def test_one_byte_more_is_too_large(parts: tuple[bytes, ...]) -> None:
    assert refused(make(Wire(*parts))) == (
        413, "request_too_large", "The request body has at least 11 bytes; the limit is 10 (gateway.max_body_bytes).",
    )  # fmt: skip


def test_a_declared_length_is_believed_before_anything_is_read() -> None:
    assert refused(make(Wire(), content_length="11"))[0] == 413
    assert read(make(Wire(b"0"), content_length="10")) == b"0"
    assert read(make(Wire(b"0"), content_length="x")) == b"0"


def test_a_body_that_is_at_hand_is_taken() -> None:
    assert read(make(Wire(), Connection(b"0123456789"))) == b"0123456789"
    assert refused(make(Wire(), Connection(b"01234567890")))[0] == 413
    assert read(make(Wire(b"later"), Connection())) == b"later"


def test_the_endpoints_own_bound_is_named_by_its_path() -> None:
    request = make(Wire(b"0123456"))
    request.max_body_bytes = 5
    assert refused(request)[2] == ("The request body has at least 7 bytes; the limit is 5 for /v1/chat/completions.")
    request = make(Wire(b"0123456789"))
    request.max_body_bytes = 20
    assert read(request) == b"0123456789"
    request = make(Wire(b"01234567890"))
    request.max_body_bytes = 20
    assert "(gateway.max_body_bytes)" in refused(request)[2]


def test_a_client_that_leaves_has_sent_no_request() -> None:
    assert refused(make(Wire(b"0", None)))[0] == 400


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"content_type": "application/json"}, {"content_type": "Application/JSON; charset=UTF-8"},
        {"content_type": 'application/json; charset="utf8"'}, {"content_encoding": "identity"},
        {"content_type": "application/json;x=1"},
    ],
)  # fmt: skip
def test_json_in_utf8_is_taken(headers: dict[str, str]) -> None:
    assert read(make(Wire(b"{}"), **headers)) == b"{}"


AS_CURL_SENDS = {"content_type": "application/x-www-form-urlencoded"}  # curl -d, where nothing else is said
CURL = " With curl: -H 'Content-Type: application/json' -d @request.json"


@pytest.mark.parametrize(
    "headers", [AS_CURL_SENDS, {"content_type": "text/plain; charset=utf-8"}, {"content_type": "x/y"}]
)
@pytest.mark.parametrize("body", [b"{}", b" \r\n\t{}", b'{"a":1}'])
def test_a_json_object_is_taken_whatever_it_is_called(headers: dict[str, str], body: bytes) -> None:
    assert read(make(Wire(body), **headers)) == read(make(Wire(), Connection(body), **headers)) == body


@pytest.mark.parametrize("body", [b"", b"a=%7B%7D", b"[]", b"a={}", b'"{"'])
def test_what_is_no_json_object_is_told_how_to_be_sent(body: bytes) -> None:
    status, _, message = refused(make(Wire(body), **AS_CURL_SENDS))
    kind = AS_CURL_SENDS["content_type"]
    assert (status, message) == (415, f"Unsupported content type '{kind}'; send application/json.{CURL}")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"])
def test_what_a_web_page_may_send_unasked_is_no_json(kind: str) -> None:
    """The three types of a simple request (Fetch standard, 2.2.2), and none: a browser adds `Origin` to each POST."""
    for more in ({"content_type": kind}, {}):
        assert refused(make(Wire(b"{}"), origin="https://evil.example", **more))[0] == 415
    assert read(make(Wire(b"{}"), origin="https://app.example", content_type="application/json")) == b"{}"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"content_type": "multipart/x"}, f"Unsupported content type 'multipart/x'; send application/json.{CURL}"),
        ({"content_type": "application/json; charset=latin-1"}, "Unsupported charset 'latin-1'; send utf-8."),
        ({"content_type": "text/plain; charset=latin-1"}, "Unsupported charset 'latin-1'; send utf-8."),
        ({"content_encoding": "gzip"}, "Unsupported content encoding 'gzip'; send identity."),
        (
            {"content_type": "multipart/" + "x" * 101},
            f"Unsupported content type 'multipart/{'x' * 89}…'; send application/json.{CURL}",
        ),
    ],
)
def test_other_types_are_refused(headers: dict[str, str], words: str) -> None:
    for connection in (None, Connection(b"{}")):
        status, _, message = refused(make(Wire(b"{}"), connection, **headers))
        assert (status, message) == (415, words)


def test_json_is_not_taken_for_a_form() -> None:
    with pytest.raises(Refused, match="send multipart/form-data"):
        read(make(Wire(b"{}"), **AS_CURL_SENDS), kind="multipart/form-data")


def test_a_form_is_taken_where_it_is_expected() -> None:
    request = make(Wire(b"x"), content_type="multipart/form-data; boundary=a")
    assert read(request, kind="multipart/form-data") == b"x"


# ---- senders


def test_the_addresses_that_a_request_came_through() -> None:
    wire = Wire()
    request = make(wire)
    assert request.list_hops() == [""] and request.certificate is None
    request.scope["client"] = ("192.0.2.1", 5)
    request.scope["headers"] += [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.2"), (b"x-forwarded-for", b"10.0.0.1")]
    assert request.list_hops() == ["192.0.2.1", "10.0.0.1", " 198.51.100.2", "203.0.113.9"]
    request.scope[CERTIFICATE] = "client-1"
    assert request.certificate == "client-1"


# ---- whole answers

NAMES = [(b"x-request-id", b"req_1"), (b"request-id", b"req_1")]


def test_a_whole_answer_has_its_length_and_its_name() -> None:
    wire = Wire()
    request, answer = make(wire), Answer(201, b"{}")
    answer.headers.append((b"x-a", b"b"))
    request.cors = ((b"access-control-allow-origin", b"*"),)
    asyncio.run(request.respond(answer))
    head, body = wire.sent
    assert head["status"] == 201 and body == {"type": "http.response.body", "body": b"{}"}
    assert head["headers"] == [
        (b"content-type", b"application/json"), *NAMES, (b"x-a", b"b"), (b"access-control-allow-origin", b"*"),
        (b"content-length", b"2"),
    ]  # fmt: skip


def test_a_fast_client_is_answered_at_once() -> None:
    for slow, sent in ((False, 0), (True, 2)):
        wire, connection = Wire(), Connection(slow=slow)
        asyncio.run(make(wire, connection).respond(Answer(200, b"x")))
        assert len(wire.sent) == sent and len(connection.answers) == (0 if slow else 1)


def test_a_refusal_is_spelt_as_its_path_expects() -> None:
    error = Refused("No.", status=429, type="t", code="c", headers=(("retry-after", "3"),))
    answer = make(Wire()).refusal(error)
    assert answer.status == 429 and json.loads(answer.body)["error"]["code"] == "c"
    assert answer.headers == [(b"retry-after", b"3")]
    assert json.loads(make(Wire(), path="/v1/messages").refusal(error).body)["type"] == "error"


async def pieces(*parts: bytes, fails: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if fails is not None:
        raise fails


def test_a_file_is_sent_piece_by_piece() -> None:
    wire = Wire()
    asyncio.run(make(wire).respond_pieces(b"text/plain", 4, pieces(b"ab", b"cd")))
    assert wire.sent[0]["status"] == 200 and wire.sent[0]["headers"][-1] == (b"content-length", b"4")
    assert [message["body"] for message in wire.sent[1:]] == [b"ab", b"cd", b""]
    assert "more_body" not in wire.sent[-1]


@pytest.mark.parametrize("error", [InputError("gone"), OSError("gone")])
def test_a_file_that_cannot_be_read_to_its_end_is_no_whole_one(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire()
    asyncio.run(make(wire).respond_pieces(b"text/plain", 4, pieces(b"ab", fails=error)))
    assert [message.get("more_body") for message in wire.sent[1:]] == [True] and "req_1" in caplog.text


# ---- streams


class Events:
    """A stream of these events, which may fail at its end."""

    filter = budget = None
    ended, broke = True, False

    def __init__(self, *events: bytes, fails: BaseException | None = None) -> None:
        self.events, self.fails, self.forwarded = list(events), fails, 0

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        if self.events:
            return self.events.pop(0)
        if self.fails is not None:
            raise self.fails
        raise StopAsyncIteration

    async def forward(self, write: Callable[[bytes], bool]) -> None:
        self.forwarded += 1


def stream(
    events: Events, connection: Connection | None = None, gone: bool = False
) -> tuple[list[Message], Exchange, list[str]]:
    """What was sent, the exchange, and whether its endings ran."""
    wire, ends = Wire(), list[str]()
    exchange = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.client_closed = gone
    answer = Answer(200, stream=events, content_type=b"text/event-stream")
    exchange.when_ended(answer, lambda: ends.append("ended"))

    async def go() -> None:
        try:
            await make(wire, connection).respond_stream(exchange, answer)
        except asyncio.CancelledError:
            ends.append("cancelled")

    asyncio.run(go())
    return wire.sent, exchange, ends


def test_a_stream_is_sent_event_by_event() -> None:
    sent, _, ends = stream(Events(b"data: 1\n\n", b"data: 2\n\n"))
    assert sent[0]["headers"] == [
        (b"content-type", b"text/event-stream"), *NAMES, (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"),
    ]  # fmt: skip
    assert [(message["body"], message.get("more_body", False)) for message in sent[1:]] == [
        (b"data: 1\n\n", True), (b"data: 2\n\n", True), (b"", False),
    ]  # fmt: skip
    assert ends == ["ended"]


def test_our_own_server_takes_what_arrives_meanwhile() -> None:
    for connection, forwarded in ((None, 0), (Connection(), 2)):
        events = Events(b"1", b"2")
        stream(events, connection)
        assert events.forwarded == forwarded


@pytest.mark.parametrize(
    ("error", "code", "cut_off"),
    [
        (Refused("No.", status=502, type="t", code="odd"), b'"odd"', False),
        (asyncio.CancelledError(), b'"stopping"', True),
        (ZeroDivisionError("secret"), b"Internal error", False),
    ],
)
def test_a_stream_that_fails_says_so(error: BaseException, code: bytes, cut_off: bool) -> None:
    sent, exchange, ends = stream(Events(b"data: 1\n\n", fails=error))
    assert code in sent[2]["body"] and b"secret" not in sent[2]["body"] and sent[-1]["body"] == b""
    assert exchange.cut_off is cut_off and ends == ["ended"]


def test_a_client_that_is_gone_is_told_nothing() -> None:
    sent, exchange, ends = stream(Events(b"1", fails=asyncio.CancelledError()), gone=True)
    assert len(sent) == 2 and not exchange.cut_off and ends == ["ended", "cancelled"]


def test_sound_that_breaks_off_has_no_end() -> None:
    sent, _, ends = stream(Events(b"1", fails=Unavailable("broke")))
    assert [message.get("more_body") for message in sent[1:]] == [True] and ends == ["ended"]


# ---- watching


def test_a_client_is_watched_by_the_connection_or_by_waiting() -> None:
    connection, gone = Connection(), list[int]()
    request = make(Wire(), connection)
    request.watch(lambda: gone.append(1))
    request.unwatch()
    assert len(connection.watched) == 2 and connection.watched[1] is None

    async def go() -> None:
        other = make(Wire(b"part", b"part", None))
        other.watch(lambda: gone.append(2))
        for _ in range(5):
            await asyncio.sleep(0)
        other.unwatch()

        class Staying(Wire):
            async def receive(self) -> Message:
                if not self.parts:
                    await asyncio.sleep(3600)
                return await super().receive()

        staying = make(Staying(b"part", b"part"))
        staying.watch(lambda: gone.append(3))
        for _ in range(5):
            await asyncio.sleep(0)
        staying.unwatch()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}  # nobody listens any more

    asyncio.run(go())
    assert gone == [2]


def test_mistakes_of_ours_and_a_stop_have_their_statuses() -> None:
    assert (internal_error().status, internal_error().type) == (500, "server_error")
    assert (stopping_error().status, stopping_error().headers) == (503, (("retry-after", "1"),))
