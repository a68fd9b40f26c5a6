"""Who may call what: the table of endpoints decides, and the key is checked once, before the body is read."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import Any

import msgspec
import pytest

from steward.core.endpoint import Endpoint
from steward.core.errors import Exhausted, Refused
from steward.core.extend import RequestSender
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway, explain_failure, not_found_error
from steward.gateway.cors import CorsPolicy
from steward.gateway.http import ALREADY_COUNTED, HttpRequest
from steward.gateway.rejections import RejectionCounter

KEY = Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


class OneKey:
    """Knows one key, and counts how often it is asked."""

    def __init__(self, caller: Caller = KEY) -> None:
        self.asked, self._caller = 0, caller

    def authenticate(self, sender: RequestSender) -> Caller:
        self.asked += 1
        if sender.headers.get("authorization") != "Bearer right":
            raise Refused("No.", status=401, type="invalid_request_error", code="invalid_api_key")
        return self._caller


async def tell_caller(request: HttpRequest) -> None:
    await request.respond(Answer(200, request.caller.principal.id.encode()))


ENDPOINTS = [
    Endpoint(
        method="GET",
        path=path,
        permission=right,
        tenancy="none",
        guards="none",
        audit="none",
        max_body_bytes=0,
        handler=tell_caller,
    )
    for path, right in (("/open", "public"), ("/models", "models.read"), ("/keys", "keys.manage"))
]  # type: list[Endpoint[Any]]


def ask(path: str, key: str = "right", method: str = "GET", keys: OneKey | None = None) -> tuple[int, bytes]:
    """Status and body."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body is not read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    gateway = Gateway(ENDPOINTS, keys or OneKey(), RejectionCounter(), None)  # type: ignore[arg-type]
    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def test_a_public_endpoint_asks_for_no_key() -> None:
    keys = OneKey()
    assert ask("/open", "wrong", keys=keys) == (200, b"-") and keys.asked == 0


def test_a_right_that_the_key_has_opens_the_endpoint() -> None:
    keys = OneKey()
    assert ask("/models", keys=keys) == (200, b"k") and keys.asked == 1


@pytest.mark.parametrize(
    ("path", "key", "method", "status", "code"),
    [
        ("/models", "wrong", "GET", 401, "invalid_api_key"),
        ("/keys", "right", "GET", 403, "insufficient_permissions"),
        ("/models", "right", "POST", 405, None),
        ("/nothing", "right", "GET", 404, None),
    ],
)
def test_who_may_not_is_told_why(path: str, key: str, method: str, status: int, code: str | None) -> None:
    seen, body = ask(path, key, method)
    assert (seen, json.loads(body)["error"]["code"]) == (status, code)


async def tell_rest(request: HttpRequest) -> None:
    await request.respond(Answer(200, f"{request.path} {request.rest}".encode()))


async def fail(request: HttpRequest) -> None:
    raise Refused("No.", status=400, type="invalid_request_error")


MORE = [
    *ENDPOINTS,
    msgspec.structs.replace(ENDPOINTS[0], path="/v1/files/{name...}", handler=tell_rest),
    msgspec.structs.replace(ENDPOINTS[0], path="/v1/open", handler=tell_rest),
    msgspec.structs.replace(ENDPOINTS[0], path="/bad", handler=fail),
    msgspec.structs.replace(ENDPOINTS[1], path="/closed", handler=fail),
]


class Lives:
    """Notes when it starts and stops."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    async def start(self) -> None:
        self._notes.append("start")

    async def stop(self) -> None:
        self._notes.append("stop")


def call(scope: dict[str, Any], rejections: RejectionCounter | None = None) -> list[Any]:
    """What was sent, and in between when something lived."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        sent.append("receive")
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    gateway = Gateway(MORE, OneKey(), rejections or RejectionCounter(), Lives(sent))
    asyncio.run(gateway(scope, receive, send))
    return sent


def get(path: str, rejections: RejectionCounter | None = None, key: str = "right", **more: Any) -> tuple[int, str]:
    headers = [(b"authorization", f"Bearer {key}".encode())]
    sent = call({"type": "http", "method": "GET", "path": path, "headers": headers, **more}, rejections)
    return sent[0]["status"], sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/files/a", "/v1/files/{name...} a"),
        ("/v1/files//a/b/", "/v1/files/{name...} a/b"),
        ("/v1/v1/files/a", "/v1/files/{name...} a"),
        ("/files/a", "/v1/files/{name...} a"),
        ("/v1/files/{name...}/", "/v1/files/{name...} {name...}"),
        ("/v1/open/", "/v1/open "),
        ("//v1//open", "/v1/open "),
    ],
)
def test_a_path_may_be_spelt_a_little_otherwise(path: str, answer: str) -> None:
    assert get(path) == (200, answer)


@pytest.mark.parametrize("path", ["/v1/files/", "/v1/files", "/v1/nothing-at-all-of-this-length", "/v2/open", "/"])
def test_what_no_spelling_means_is_not_found(path: str) -> None:
    assert get(path)[0] == 404


def test_a_lifespan_starts_before_and_stops_after_it_is_said() -> None:
    assert call({"type": "lifespan"}) == [
        "receive", "start", {"type": "lifespan.startup.complete"},
        "receive", "stop", {"type": "lifespan.shutdown.complete"},
    ]  # fmt: skip


def test_a_websocket_is_closed_as_data_that_cannot_be_taken() -> None:
    """RFC 6455, section 7.4.1: 1003."""
    assert call({"type": "websocket"}) == [{"type": "websocket.close", "code": 1003}]


@pytest.mark.parametrize(
    ("path", "key", "more", "counted"),
    [
        ("/models", "wrong", {}, 1),
        ("/nothing", "right", {}, 1),
        ("/closed", "right", {}, 1),
        ("/bad", "right", {}, 0),  # public: a page of errors is no rejected client
        ("/open", "right", {}, 0),
        ("/models", "wrong", {ALREADY_COUNTED: True}, 0),
    ],
)
def test_a_rejection_is_counted_once(path: str, key: str, more: dict[str, Any], counted: int) -> None:
    rejections = RejectionCounter()
    get(path, rejections, key, **more)
    tally = rejections.take(0.0)
    assert (sum(count for _, count in tally.counts) if tally else 0) == counted


def test_what_has_run_out_is_a_503_and_any_other_failure_a_500() -> None:
    full = explain_failure(OSError(errno.ENOSPC, ""), "req_1")
    assert (full.status, full.code, full.headers) == (503, "out_of_resources", (("retry-after", "5"),))
    assert "the disk is full" in full.message
    assert explain_failure(Exhausted("no descriptors"), "req_1").status == 503
    assert explain_failure(OSError(errno.ECONNRESET, ""), "req_1").status == 500


def test_a_long_path_is_repeated_in_part() -> None:
    assert not_found_error("/v1/" + "x" * 300, "GET", ()).message == f"No endpoint at /v1/{'x' * 95}…."
    assert "begin with /v1" in not_found_error("/chat", "GET", ()).message
    other = not_found_error("/v1/x", "PUT", ("GET", "POST"))
    assert (other.status, other.message) == (405, "/v1/x accepts GET, POST, not PUT.")
    assert other.headers == (("allow", "GET, POST"),)


def hops(client: Any, *lines: str) -> list[str]:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    return HttpRequest("r", {"path": "/", "client": client, "headers": headers}, ask, ask).list_hops()


def test_the_hops_of_a_request_are_read_from_the_peer_outwards() -> None:
    assert hops(("10.0.0.1", 5)) == ["10.0.0.1"]
    assert hops(("10.0.0.1", 5), "1.1.1.1, 2.2.2.2") == ["10.0.0.1", " 2.2.2.2", "1.1.1.1"]
    assert hops(("10.0.0.1", 5), "1.1.1.1", "2.2.2.2") == ["10.0.0.1", "2.2.2.2", "1.1.1.1"]  # two lines are one list
    assert hops(None) == [""]


def ask_from_page(method: str, path: str, **headers: str) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of the answer to a page, where pages of https://app.example may call."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body is not read")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    scope = {"type": "http", "method": method, "path": path, "headers": list(names.items())}
    policy = CorsPolicy(("https://app.example",))
    gateway = Gateway(ENDPOINTS, OneKey(), RejectionCounter(), None, lambda: policy)  # type: ignore[arg-type]
    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"])


PAGE = "https://app.example"
ASKED = "access_control_request_method"


def test_a_pre_flight_is_answered_without_a_key_with_the_methods_of_its_path() -> None:
    """WHATWG Fetch, section 3.3.5: OPTIONS, with an origin and the method that is asked for."""
    status, headers = ask_from_page("OPTIONS", "/models", origin=PAGE, **{ASKED: "GET"})
    assert (status, headers[b"access-control-allow-methods"]) == (204, b"GET")
    assert headers[b"access-control-allow-origin"] == PAGE.encode()
    status, headers = ask_from_page("OPTIONS", "/nothing", origin=PAGE, **{ASKED: "GET"})
    assert (status, headers[b"access-control-allow-methods"]) == (204, b"GET, POST")


def test_a_page_of_another_origin_is_told_that_it_may_not_call() -> None:
    status, headers = ask_from_page("OPTIONS", "/models", origin="https://evil.example", **{ASKED: "GET"})
    assert status == 403 and b"access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("OPTIONS", {"origin": PAGE}, 405),
        ("OPTIONS", {ASKED: "GET"}, 405),
        ("GET", {"origin": PAGE, ASKED: "GET", "authorization": "Bearer right"}, 200),
        ("GET", {"origin": PAGE, "authorization": "Bearer wrong"}, 401),
        ("GET", {"authorization": "Bearer right"}, 200),
    ],
)
def test_what_is_no_pre_flight_is_a_request_like_any_other(method: str, headers: dict[str, str], status: int) -> None:
    found, told = ask_from_page(method, "/models", **headers)
    assert found == status
    assert (b"access-control-allow-origin" in told) == ("origin" in headers)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/open", "wrong", 200), ("/models", "right", 200), ("/models", "wrong", 401), ("/nothing", "right", 404)],
)
def test_head_is_answered_as_get_is(path: str, key: str, status: int) -> None:
    """As monitors ask /healthz: RFC 9110, section 9.1, has every server answer both."""
    assert ask(path, key, "HEAD")[0] == status
