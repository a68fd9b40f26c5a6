"""Advisory 9, CVE-2026-49468: a Host such as `localhost:4000/#@x` confused which route was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask

HOSTS = [
    "localhost:4000/#@x",
    "localhost/api/v1/openapi.json?",
    "localhost:1/../healthz#",
    "[::1",
    "x@localhost",
    "",
    "a b",
]


@pytest.mark.parametrize("host", HOSTS)
def test_the_matched_endpoint_decides_whatever_the_host_says(tmp_path: Path, host: str) -> None:
    key = create(tmp_path)
    app = app_of(tmp_path)
    for client in ("10.0.0.9", "127.0.0.1"):
        for path in ("/api/v1/keys", "/", "/metrics"):
            status = ask(app, "GET", path, host=host, client=client)[0]
            assert status in (303, 400, 401), (client, path, status)
    assert ask(app, "GET", "/api/v1/keys", host=host, authorization=f"Bearer {key}")[0] == 200


def test_this_machine_is_known_by_a_whole_name_alone(tmp_path: Path) -> None:
    app = app_of(tmp_path)
    for host in ("localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081"):
        assert ask(app, "GET", "/metrics", host=host, client="127.0.0.1")[0] == 200
