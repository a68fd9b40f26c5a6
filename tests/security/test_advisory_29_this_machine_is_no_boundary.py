"""Advisory 29, CVE-2025-49596 and CVE-2025-66416: a page of the web reached a server on localhost."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask

READING = ["/", "/api/status", "/api/snapshot", "/api/v1/keys", "/api/v1/audit"]


@pytest.mark.parametrize("path", READING)
@pytest.mark.parametrize("host", ["127.0.0.1:8081", "localhost:8081", "evil.example", "127.0.0.1.evil.example"])
def test_a_request_from_this_machine_needs_a_token_all_the_same(tmp_path: Path, path: str, host: str) -> None:
    create(tmp_path)
    assert ask(app_of(tmp_path), "GET", path, client="127.0.0.1", host=host)[0] in (303, 401)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "x", "127.0.0.2"])
def test_a_name_that_was_bound_to_this_address_opens_not_even_metrics(tmp_path: Path, host: str) -> None:
    app = app_of(tmp_path)
    assert ask(app, "GET", "/metrics", client="127.0.0.1", host=host)[0] == 401
    assert ask(app, "GET", "/metrics", client="127.0.0.1", host="localhost", x_forwarded_for="1.2.3.4")[0] == 401
    assert ask(app, "GET", "/metrics", client="127.0.0.1", host="localhost")[0] == 200
