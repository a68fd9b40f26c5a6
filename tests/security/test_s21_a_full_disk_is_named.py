"""S21: without room on the disk requests get a 503 that names it, `/readyz` shows it, and it recovers by itself."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from steward.core.endpoint import Endpoint
from steward.core.records import LedgerRecord, Settled
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway
from steward.gateway.endpoints import declare_inference
from steward.gateway.exchange import Exchange
from steward.gateway.http import HttpRequest
from steward.gateway.middleware import settle
from steward.gateway.rejections import RejectionCounter
from steward.workflows.serve.readiness import find_lack


class Disk:
    """A ledger on a disk that may be full."""

    def __init__(self) -> None:
        self.full, self.rows = True, []  # type: tuple[bool, list[LedgerRecord]]

    def append(self, record: LedgerRecord) -> None:
        if self.full and not isinstance(record, Settled):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.rows.append(record)


class Anybody:
    def authenticate(self, sender: object) -> Any:
        from steward.core.identity import KEY_RIGHTS, Caller, Principal

        return Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


def ask(disk: Disk) -> tuple[int, dict[str, Any]]:
    async def call(exchange: Exchange) -> Answer:
        return Answer(200, b"{}")

    async def handle(request: HttpRequest) -> None:
        exchange = Exchange("req_1", request.path, {}, b"{}", time.time(), 0.0, request.caller)
        await request.respond(await settle(disk, {})(call)(exchange))

    endpoint: Endpoint[Any] = declare_inference("/v1/chat/completions", handle)
    gateway = Gateway([endpoint], Anybody(), RejectionCounter(), None)  # type: ignore[arg-type]
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    asyncio.run(gateway(scope, None, send))  # type: ignore[arg-type]
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_request_is_told_that_the_disk_is_full_and_the_next_one_is_served() -> None:
    disk = Disk()
    status, body = ask(disk)
    assert status == 503 and "the disk is full" in body["error"]["message"] and not disk.rows
    disk.full = False
    assert ask(disk)[0] == 200 and len(disk.rows) == 2


def test_readiness_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_lack(tmp_path) is None and not list(tmp_path.iterdir())

    def write(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", write)
    assert find_lack(tmp_path) == "the disk is full"
    monkeypatch.undo()
    assert find_lack(tmp_path / "none") == f"{tmp_path / 'none'} cannot be written (No such file or directory)"
