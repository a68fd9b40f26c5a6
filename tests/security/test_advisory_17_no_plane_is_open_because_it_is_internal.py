"""Advisory 17, CVE-2023-48022: a jobs API without any key, called internal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask, snapshot, source
from steward.console.api import PREFIX, build_api
from steward.console.app import list_pages
from steward.console.operations import list_operations
from steward.console.sessions import Sessions
from steward.workflows.serve.endpoints import list_gateway_endpoints

PUBLIC = {"/healthz", "/readyz", "/login", "/logout", "/static/{name}", f"{PREFIX}/openapi.json"}


def list_console() -> list[tuple[str, str, str]]:
    pages = [
        *list_pages(snapshot, Sessions("t"), str, source=source()),
        build_api(list_operations(Path("nowhere")), "1"),
    ]
    return [(one.method, one.path, one.permission) for page in pages for one in page.endpoints]


def test_what_is_open_is_listed_here() -> None:
    endpoints = [*list_console(), *((one.method, one.path, one.permission) for one in list_gateway_endpoints())]
    assert {path for _, path, permission in endpoints if permission == "public"} <= PUBLIC


@pytest.mark.parametrize(("method", "path", "permission"), list_console())
def test_loopback_opens_nothing_but_metrics(tmp_path: Path, method: str, path: str, permission: str) -> None:
    create(tmp_path)
    asked = re.sub(r"{[^}]*}", "x", path)
    for client, host in (("10.0.0.9", "x"), ("127.0.0.1", "evil.example")):
        status = ask(app_of(tmp_path), method, asked, client=client, host=host)[0]
        assert permission == "public" or status in (303, 401), (client, status)
