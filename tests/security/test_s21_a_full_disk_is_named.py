"""S21: without room on the disk requests get a 503 that names it, `/readyz` shows it, and it recovers by itself."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
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
from steward.processes.supervisor import Supervisor
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
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

    full = Path("/dev/full")  # whose every write is ENOSPC
    monkeypatch.setattr("steward.workflows.serve.readiness.open_private", lambda path, mode: full.open(mode))
    assert find_lack(tmp_path) == "the disk is full"
    monkeypatch.undo()
    assert find_lack(tmp_path / "none") == f"{tmp_path / 'none'} cannot be written (No such file or directory)"


def test_a_disk_that_is_full_when_a_process_ends_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The supervisor cannot tell of it then; it tells as soon as there is room."""
    settings = Settings.model_validate(
        {
            "models": [{"name": "m", "backend": "openai", "url": "http://127.0.0.1:9"}],
            "gateway": {"port": 0, "workers": 1},
            "console": {"port": 0},
        }
    )
    supervisor, rounds = Supervisor(make_plan(settings, tmp_path, "1")), [0]
    state = tmp_path / "run" / "state.json"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*_: object, **__: object) -> None:
        raise full

    for child in supervisor.children:
        child._command, child._fds = [sys.executable, "-c", "import time; time.sleep(600)"], ()
    with monkeypatch.context() as no_room:
        no_room.setattr("steward.processes.supervisor.write_file", fail)
        no_room.setattr(supervisor, "_find_lack", lambda: "")

        def each_round() -> None:
            rounds[0] += 1
            supervisor._stopping = rounds[0] >= 3
            raise full

        no_room.setattr(supervisor, "stop", lambda: None)
        supervisor.run(lambda: None, each_round)
        assert rounds == [3] and not state.exists() and all(child.is_running for child in supervisor.children)
    supervisor._watch()
    assert json.loads(state.read_text())["processes"][0]["state"] == "ok"
    assert capsys.readouterr().err == "supervisor: No space left on device; tried again until it works\n"
    supervisor.stop()
