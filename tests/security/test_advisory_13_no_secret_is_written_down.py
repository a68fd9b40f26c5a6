"""Advisory 13, the litellm incident of 2026-03-18: a guard's result held the whole request, and it went into logs."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from admin_client import app_of, create
from console_client import ask
from steward.core.secret import Secret

CANARY = "canary-5a1c"
HEADERS: list[dict[str, Any]] = [
    {"authorization": f"Bearer {CANARY}"},
    {"x_api_key": CANARY},
    {"cookie": f"a={CANARY}"},
]


def test_a_secret_cannot_be_written_by_any_means() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {secret:>40} {[secret]} { ({'a': secret}) }"
    for write in (msgspec.json.encode, msgspec.to_builtins, pickle.dumps):
        with pytest.raises((TypeError, msgspec.MsgspecError)):
            write(secret)


def test_headers_of_requests_stand_in_no_log_and_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = create(tmp_path)
    app = app_of(tmp_path)
    for headers in HEADERS:
        for path in ("/api/v1/keys", "/metrics", "/", "/nowhere"):
            status, answered, text = ask(app, "GET", path, **headers)
            assert CANARY not in text + str(answered) and status != 200
    ask(app, "GET", "/api/v1/keys", authorization=f"Bearer {key}")
    assert CANARY not in caplog.text and key not in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
