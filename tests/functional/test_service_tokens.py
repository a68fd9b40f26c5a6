"""Services that send tokens of an identity provider to a running gateway and console; the provider goes away."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from tokens import OTHER_RSA, RSA, make_token, publish

BODY = {"model": "mock", "messages": [{"role": "user", "content": "hi"}]}


class Provider:
    """Publishes keys, and slows down or lies when told."""

    def __init__(self) -> None:
        self.keys = [publish(RSA)]
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found: Any = {"keys": provider.keys}
                if self.path.startswith("/.well-known"):
                    found = {"issuer": provider.url, "jwks_uri": f"{provider.url}/keys"}
                data = json.dumps(found).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def token(self, key: Any = RSA, **claims: Any) -> str:
        now = int(time.time())
        return make_token(key, **{"iss": self.url, "sub": "ci", "iat": now, "exp": now + 600, "groups": None} | claims)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[tuple[Deployment, Provider]]:
    folder, provider = tmp_path_factory.mktemp("tokens"), Provider()
    settings = {
        "models": [{"name": "mock", "backend": "openai", "url": upstream}],
        "security": {"issuers": [{"name": "corp", "issuer": provider.url, "audience": "steward", "tenant": "acme"}]},
    }
    (folder / "steward.yaml").write_text(json.dumps(settings))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment, provider
    deployment.stop()
    provider.stop()


def ask(url: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def grant(home: Path, *arguments: str) -> None:
    assert inside("access", *arguments, "--home", str(home)).returncode == 0


def test_a_service_infers_and_administers_by_its_grants(place: tuple[Deployment, Provider]) -> None:
    deployment, provider = place
    chat = "/v1/chat/completions"
    until(lambda: ask(deployment.url, chat, provider.token(), BODY)[0] != 503, 60)
    assert ask(deployment.url, chat, provider.token(), BODY)[1]["error"]["code"] == "token_without_role"
    grant(deployment.home, "grant", "service:corp/ci", "owner", "--at", "acme")
    until(lambda: ask(deployment.url, chat, provider.token(), BODY)[0] == 200, 60)
    status, listed = ask(deployment.console_url, "/api/v1/grants", provider.token())
    assert status == 200 and [item["subject"] for item in listed] == ["service:corp/ci"]
    assert ask(deployment.url, chat, provider.token(exp=int(time.time()) - 3600), BODY)[0] == 401
    assert ask(deployment.url, chat, provider.token(alg="none"), BODY)[0] == 401


def test_a_rotated_key_is_found_and_a_provider_that_is_down_takes_nothing_away(
    place: tuple[Deployment, Provider],
) -> None:
    deployment, provider = place
    grant(deployment.home, "grant", "service:corp/ci", "developer", "--at", "acme")
    provider.keys = [publish(RSA), publish(OTHER_RSA, "two")]
    fresh = provider.token(OTHER_RSA, header={"kid": "two"})
    until(lambda: ask(deployment.url, "/v1/models", fresh)[0] == 200, 30)
    provider.stop()
    assert ask(deployment.url, "/v1/models", fresh)[0] == 200
    stranger = provider.token(OTHER_RSA, header={"kid": "three"})
    assert ask(deployment.url, "/v1/models", stranger)[0] in (401, 503)
    assert ask(deployment.url, "/v1/models", provider.token())[0] == 200
