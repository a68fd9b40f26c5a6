"""C5: pages of configured origins may call from a browser; none by default.

Right values: WHATWG Fetch, section 3.3, as a browser checks them.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from raw_connection import Connection, converse, echo
from steward.core.endpoint import Endpoint
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.config import CorsConfig
from steward.gateway.cors import EXPOSED
from steward.gateway.http import HttpRequest
from steward.gateway.rejections import RejectionCounter

SOURCE = Path(__file__).parents[2] / "src" / "steward" / "gateway"
APP = "https://app.example.com"


class Keys:
    def authenticate(self, request: Any) -> Caller:
        if request.headers.get("authorization") != "Bearer right":
            raise Refused("No.", status=401, type="invalid_request_error", code="invalid_api_key")
        return Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


async def answer(request: HttpRequest) -> None:
    await request.respond(Answer(200, b"{}"))


CHAT: Endpoint[Any] = Endpoint(
    method="POST", path="/v1/chat/completions", permission="infer", tenancy="none", guards="none", audit="none",
    handler=answer, max_body_bytes=None,
)  # fmt: skip


def send(method: str, headers: dict[str, str], path: str = CHAT.path, **settings: Any) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer, as a browser gets them."""
    policy = CorsConfig(**settings).policy()
    cors = policy if policy.origins else None
    gateway = Gateway([CHAT], Keys(), RejectionCounter(), None, lambda: cors)  # type: ignore[arg-type]
    sent: list[dict[str, Any]] = []

    async def take(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    asyncio.run(gateway(scope, None, take))  # type: ignore[arg-type]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def preflight(origin: str, path: str = CHAT.path, **settings: Any) -> tuple[int, dict[str, str]]:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return send("OPTIONS", {"origin": origin, **asked}, path, **settings)


def post(origin: str, key: str = "right", **settings: Any) -> tuple[int, dict[str, str]]:
    return send("POST", {"origin": origin, "authorization": f"Bearer {key}"}, **settings)


def test_no_page_may_call_by_default() -> None:
    status, headers = preflight(APP)
    assert status == 405 and headers["allow"] == "POST"
    status, headers = post(APP)
    assert status == 200 and not [name for name in headers if name.startswith("access-control") or name == "vary"]


def test_a_pre_flight_of_a_configured_origin_needs_no_key() -> None:
    status, headers = preflight(APP, origins=[APP])
    assert status == 204
    assert headers["access-control-allow-origin"] == APP and headers["vary"] == "Origin"
    assert headers["access-control-allow-methods"] == "POST"
    assert headers["access-control-allow-headers"] == "authorization, content-type"
    assert headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in headers


def test_an_answer_and_an_error_can_be_read_by_the_page() -> None:
    for key, status in (("right", 200), ("wrong", 401)):
        seen, headers = post(APP, key, origins=[APP])
        assert seen == status and headers["access-control-allow-origin"] == APP and headers["vary"] == "Origin"
        assert {"x-request-id", "retry-after", "x-should-retry"} <= set(
            headers["access-control-expose-headers"].split(", ")
        )
    assert send("POST", {"origin": APP}, "/v1/nowhere", origins=[APP])[1]["access-control-allow-origin"] == APP
    assert preflight(APP, "/v1/nowhere", origins=[APP])[0] == 204  # so that the page sees the 404


def test_other_origins_get_no_headers_but_caches_are_told() -> None:
    status, headers = preflight("https://evil.example", origins=[APP])
    assert status == 403 and "access-control-allow-origin" not in headers
    status, headers = post("https://evil.example", origins=[APP])
    assert status == 200 and "access-control-allow-origin" not in headers and headers["vary"] == "Origin"
    status, headers = send("POST", {"authorization": "Bearer right"}, origins=[APP])
    assert status == 200 and headers["vary"] == "Origin" and "access-control-allow-origin" not in headers


def test_every_page() -> None:
    for origin in (APP, "null", "http://127.0.0.1:5173"):
        headers = post(origin, origins=["*"])[1]
        assert headers["access-control-allow-origin"] == "*" and "vary" not in headers
        assert preflight(origin, origins=["*"])[1]["access-control-allow-headers"] == "authorization, content-type"


@pytest.mark.parametrize(
    ("setting", "origin", "allowed"),
    [
        (APP, APP, True),
        (APP, "https://app.example.com:8443", False),
        (APP, "http://app.example.com", False),
        (APP, "https://APP.example.com", True),
        (APP, "https://app.example.com.evil.example", False),
        (APP, "null", False),
        ("https://app.example.com:443", APP, True),
        ("https://*.example.com", APP, True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com", "https://app.example.com.evil.example", False),
        ("https://*.example.com", "http://app.example.com", False),
        ("https://*.example.com", "https://app.example.com:8443", False),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost.evil.example:1", False),
        ("null", "null", True),
        ("null", APP, False),
        ("capacitor://localhost", "capacitor://localhost", True),
        ("http://[::1]:3000", "http://[::1]:3000", True),
    ],
)
def test_which_origin_fits(setting: str, origin: str, allowed: bool) -> None:
    assert ("access-control-allow-origin" in post(origin, origins=[setting])[1]) is allowed


@pytest.mark.parametrize(
    "origin",
    ["app.example.com", "https://app.example.com/", "https://app.example.com/x", "https://*", "https://a*.example.com",
     "https://*.*.com", "", "https://user@example.com", "https://app.example.com:99999x", "https://app example.com"],
)  # fmt: skip
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="not an origin"):
        CorsConfig(origins=[origin])


@pytest.mark.parametrize("origin", ["*", "null"])
def test_credentials_need_named_origins(origin: str) -> None:
    with pytest.raises(ValidationError, match="any page act as the user"):
        CorsConfig(origins=[APP, origin], credentials=True)
    headers = post(APP, origins=[APP], credentials=True)[1]
    assert headers["access-control-allow-credentials"] == "true" and headers["access-control-allow-origin"] == APP
    assert "access-control-allow-credentials" not in post("https://evil.example", origins=[APP], credentials=True)[1]


def test_headers_that_are_asked_for_are_names_and_bounded() -> None:
    def asked(names: str) -> str:
        headers = {"origin": APP, "access-control-request-method": "POST", "access-control-request-headers": names}
        return send("OPTIONS", headers, origins=[APP])[1]["access-control-allow-headers"]

    assert asked("X-Stainless-OS, a b, x\ty, anthropic-version") == "x-stainless-os, anthropic-version"
    assert len(asked(",".join(f"x-{number}" for number in range(500))).split(", ")) == 64


def test_plain_options_is_no_pre_flight() -> None:
    assert send("OPTIONS", {"origin": APP}, origins=[APP])[0] == 405


def test_every_header_of_ours_is_exposed() -> None:
    written = {
        name
        for file in SOURCE.rglob("*.py")
        for name in re.findall(r'\(b?"(x-[a-z-]+|retry-after(?:-ms)?)",', file.read_text())
    }
    of_requests = {"x-accel-buffering", "x-stainless-read-timeout", "x-client-request-id"}
    assert written - of_requests <= set(EXPOSED)


HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nOrigin: {APP}\r\n".encode()


def say(piece: bytes, wait_s: float = 0.0) -> list[bytes]:
    """The lines of the answer that a connection gives before the gateway has seen a request."""
    lines: list[bytes] = []

    async def talk(connection: Connection) -> None:
        await connection.send(piece)
        await connection.wait(wait_s)
        lines.extend(connection.transport.written.partition(b"\r\n\r\n")[0].split(b"\r\n"))

    converse(echo, talk, cors=CorsConfig(origins=(APP,)).policy())
    return lines


@pytest.mark.parametrize(
    ("rest", "wait_s", "status"),
    [
        (b"X-A: " + b"x" * 70_000 + b"\r\n\r\n", 0.0, 431),
        (b"".join(b"X-%d: a\r\n" % number for number in range(300)) + b"\r\n", 0.0, 431),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 0.0, 400),
        (b"Content-Length: x\r\n\r\n", 0.0, 400),
        (b"X-A: a\r\nno header\r\n\r\n", 0.0, 400),
        (b"Authorization: a\r\nAuthorization: b\r\n\r\n", 0.0, 400),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n", 0.0, 501),
        (b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n", 0.0, 400),
        (b"X-A: never ends", 500.0, 408),
        (b"Content-Length: 99\r\n\r\n{", 500.0, 408),
    ],
)
def test_a_page_can_read_why_its_request_was_refused_unread(rest: bytes, wait_s: float, status: int) -> None:
    lines = say(HEAD + rest, wait_s)
    assert int(lines[0].split()[1]) == status
    assert f"access-control-allow-origin: {APP}".encode() in lines and b"vary: Origin" in lines


@pytest.mark.parametrize(
    "head",
    [
        HEAD.replace(APP.encode(), b"https://evil.example"),
        HEAD + b"Origin: https://other.example\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n",
    ],
)
def test_no_other_page_is_told(head: bytes) -> None:
    lines = say(head + b"Content-Length: x\r\n\r\n")
    assert lines[0].split()[1] == b"400" and not any(line.startswith(b"access-control") for line in lines)
