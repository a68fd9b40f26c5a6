"""An identity provider that is down, slow, lies or rotates its keys, by a clock that the tests turn."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import Refused, Unavailable
from steward.core.issuers import IssuerPlan
from steward.workflows.serve.issuer_keys import (
    FRESH_S,
    PAUSE_S,
    IssuerKeys,
    discover,
    fetch_json,
    find_jwks_url,
    is_safe,
)
from tokens import ISSUER, OTHER_RSA, RSA, publish

PLAN = IssuerPlan(name="corp", issuer=ISSUER, audience="steward")
JWKS = "https://idp.example/keys"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


class Provider:
    """What it answers, and how often it was asked for its keys."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.answers: dict[str, Any] = {DISCOVERY: {"issuer": ISSUER, "jwks_uri": JWKS}, JWKS: {"keys": list(keys)}}
        self.asked = 0
        self.now = 0.0

    def fetch(self, url: str) -> Any:
        self.asked += url == JWKS
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


def keys_of(provider: Provider, home: Path) -> IssuerKeys:
    return IssuerKeys(home, [PLAN], provider.fetch, lambda: provider.now)


def pending(keys: IssuerKeys, kid: str) -> bool:
    try:
        return keys.find("corp", kid) is None
    except Refused as error:
        assert (error.status, error.code) == (503, "signing_keys_pending")
        return True


def test_keys_are_fetched_once_and_then_every_five_minutes(tmp_path: Path) -> None:
    provider = Provider(publish(RSA))
    keys = keys_of(provider, tmp_path)
    assert pending(keys, "one")
    for now in (0.0, 1.0, FRESH_S - 0.1):
        provider.now = now
        asyncio.run(keys.refresh())
    assert keys.find("corp", "one") is not None and provider.asked == 1
    provider.now = FRESH_S
    asyncio.run(keys.refresh())
    assert provider.asked == 2


def test_a_new_key_is_looked_for_at_once_and_strangers_cannot_make_it_be_asked_often(tmp_path: Path) -> None:
    provider = Provider(publish(RSA))
    keys = keys_of(provider, tmp_path)
    asyncio.run(keys.refresh())
    provider.answers[JWKS] = {"keys": [publish(RSA), publish(OTHER_RSA, "two")]}
    assert keys.find("corp", "two") is None  # it was asked a moment ago
    provider.now = PAUSE_S
    assert pending(keys, "two")
    asyncio.run(keys.refresh())
    assert keys.find("corp", "two") is not None and keys.find("corp", "one") is not None and provider.asked == 2
    for number in range(100):
        assert keys.find("corp", f"made-up-{number}") is None
        asyncio.run(keys.refresh())
    assert provider.asked == 2


@pytest.mark.parametrize(
    "failure",
    [
        OSError("connection refused"),
        TimeoutError("slow"),
        ValueError("not JSON"),
        {"keys": []},
        {"nothing": 1},
        [],
        None,
    ],
)
def test_a_failed_fetch_takes_no_key_away(tmp_path: Path, failure: Any, caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider(publish(RSA))
    keys = keys_of(provider, tmp_path)
    asyncio.run(keys.refresh())
    provider.answers[JWKS] = failure
    for turn in range(1, 4):
        provider.now = turn * FRESH_S
        asyncio.run(keys.refresh())
        assert keys.find("corp", "one") is not None
    assert len(caplog.records) == 1 and "the last ones go on" in caplog.text


def test_a_restart_while_the_provider_is_down_finds_the_last_keys(tmp_path: Path) -> None:
    provider = Provider(publish(RSA))
    asyncio.run(keys_of(provider, tmp_path).refresh())
    provider.answers[DISCOVERY] = OSError("down")
    again = keys_of(provider, tmp_path)
    asyncio.run(again.refresh())
    assert again.find("corp", "one") is not None
    (tmp_path / "run" / "jwks-corp.json").write_text("half")
    assert pending(keys_of(provider, tmp_path), "one")


def test_without_any_key_it_is_asked_again_soon(tmp_path: Path) -> None:
    provider = Provider(publish(RSA))
    provider.answers[JWKS] = OSError("down")
    keys = keys_of(provider, tmp_path)
    asyncio.run(keys.refresh())
    assert pending(keys, "one")
    provider.answers[JWKS] = {"keys": [publish(RSA)]}
    provider.now = PAUSE_S
    asyncio.run(keys.refresh())
    assert keys.find("corp", "one") is not None


def test_a_withdrawn_key_is_no_longer_believed(tmp_path: Path) -> None:
    provider = Provider(publish(RSA), publish(OTHER_RSA, "two"))
    keys = keys_of(provider, tmp_path)
    asyncio.run(keys.refresh())
    provider.answers[JWKS] = {"keys": [publish(RSA)]}
    provider.now = FRESH_S
    asyncio.run(keys.refresh())
    assert keys.find("corp", "two") is None and keys.find("corp", "one") is not None


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"issuer": "https://evil.example", "jwks_uri": JWKS}, "names another issuer"),
        ({"issuer": f"{ISSUER}/", "jwks_uri": JWKS}, "names another issuer"),
        ({"issuer": ISSUER}, "no jwks_uri"),
        ({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"}, "jwks_uri does not begin with https"),
        ({"issuer": ISSUER, "jwks_uri": "http://169.254.169.254/"}, "jwks_uri does not begin with https"),
        ({"issuer": ISSUER, "jwks_uri": JWKS, "token_endpoint": "http://a/"}, "token_endpoint does not begin"),
        (None, "names another issuer"),
    ],
)
def test_a_discovery_document_is_not_believed_blindly(document: Any, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        discover(ISSUER, lambda url: document)


def test_a_configured_address_needs_no_discovery() -> None:
    plan = IssuerPlan(name="c", issuer=ISSUER, audience="a", jwks_url="https://keys.example/x")
    assert find_jwks_url(plan, lambda url: json.loads("{")) == "https://keys.example/x"


@pytest.mark.parametrize(
    ("url", "safe"),
    [("https://a", True), ("http://localhost:1", True), ("http://[::1]/", True),
     ("http://a", False),
     ("ftp://localhost", False), ("", False)],
)  # fmt: skip
def test_which_addresses_are_safe_to_ask(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


@pytest.mark.parametrize(("size", "is_read"), [(256 * 1024, True), (256 * 1024 + 1, False)])
def test_a_provider_cannot_fill_the_memory(size: int, is_read: bool) -> None:
    """256 KiB are read, which no provider's keys need."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'"' + b"x" * (size - 2) + b'"')

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/keys"
        if is_read:
            assert len(fetch_json(url)) == size - 2
        else:
            with pytest.raises(ValueError, match=f"{url}: more than 262,144 bytes"):
                fetch_json(url)
        server.shutdown()
