"""S10: what the engine's library prints once it serves, straight to the descriptors, goes nowhere."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from steward.core.endpoint import Endpoint
from steward.gateway.app import Gateway
from steward.gateway.endpoints import declare_inference
from steward.gateway.rejections import RejectionCounter

CODE = """
import os, sys
from steward.processes.engine import silence_output
os.write(2, b"loading\\n")
silence_output()
os.write(1, b"grammar: 4111 1111 1111 1111\\n")
os.write(2, b"grammar: 4111 1111 1111 1111\\n")
sys.stderr.write("engine: what it says itself\\n")
"""


def test_the_engine_prints_no_words_of_a_request() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "" and done.stderr == "loading\nengine: what it says itself\n"


def test_a_mistake_of_the_gateway_is_logged_without_words_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """The message of an exception may repeat what it could not read."""

    card = " ".join(["4" + "111", *["1" * 4] * 3])  # the trace shows lines of source text

    async def handle(request: Any) -> None:
        raise ValueError(card)

    endpoint: Endpoint[Any] = msgspec.structs.replace(declare_inference("/v1/x", handle), permission="public")
    nobody: Any = None  # a public endpoint asks for no key
    gateway = Gateway([endpoint], nobody, RejectionCounter(), nobody)
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": []}
    asyncio.run(gateway(scope, nobody, send))
    assert sent[0]["status"] == 500 and "4111" not in caplog.text
    assert "request failed" in caplog.text and caplog.text.rstrip().endswith("ValueError")
