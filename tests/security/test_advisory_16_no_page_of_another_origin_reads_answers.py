"""Advisory 16, CVE-2025-34291: CORS for everybody, a cookie for everybody, and an endpoint that ran code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask
from steward.console.app import build
from steward.console.sessions import Sessions
from steward.gateway.config import CorsConfig

EVIL = "https://evil.example"


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/login", "/api/v1/keys", "/api/v1/openapi.json", "/metrics"])
def test_the_console_lets_no_page_read(tmp_path: Path, method: str, path: str) -> None:
    create(tmp_path)
    headers = ask(app_of(tmp_path), method, path, origin=EVIL, access_control_request_method="POST")[1]
    assert not [name for name in headers if name.startswith("access-control-")]


def test_the_cookie_goes_with_no_request_from_elsewhere() -> None:
    from console_client import snapshot

    app = build(snapshot, Sessions("token"), lambda: "")
    form = {"content_type": "application/x-www-form-urlencoded"}
    status, headers, _ = ask(app, "POST", "/login", b"token=token", **form)
    cookie = headers["set-cookie"].lower()
    assert status == 303 and "samesite=strict" in cookie and "httponly" in cookie


def test_a_key_in_a_cookie_is_no_key(tmp_path: Path) -> None:
    key = create(tmp_path)
    status, _, text = ask(app_of(tmp_path), "GET", "/api/v1/keys", cookie=f"authorization={key}; stw={key}")
    assert status == 401 and json.loads(text)["error"] == "unauthenticated"


def test_the_gateway_lets_no_page_read_unless_it_is_named() -> None:
    assert not CorsConfig().origins
