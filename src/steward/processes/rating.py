"""Serves a human study until it is interrupted: one process, one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from steward.console.rating import build
from steward.core.timeouts import ClientTimeouts
from steward.processes.http_protocol import log_rejection, make_protocol
from steward.processes.lifeline import disable_core_dumps
from steward.processes.ports import listen
from steward.workflows.study import open_session


def serve(study: Path, host: str, port: int, ready: Callable[[str], None]) -> None:
    """`ready` gets the address once the port is open. :raises InputError: the port is taken, or no study"""
    disable_core_dumps()  # prompts, answers and comments pass through here
    session = open_session(study)
    try:
        serve_pages(build(session), host, port, "the study", ready)
    finally:
        session.close()


def serve_pages(app: Starlette, host: str, port: int, subject: str, ready: Callable[[str], None]) -> None:
    """Until it is interrupted. `ready` gets the address. :raises InputError: the port is taken"""
    listener = listen(host, port, subject, "--port")
    bound = listener.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    ready(f"http://[{shown}]:{bound}" if ":" in shown else f"http://{shown}:{bound}")
    config = uvicorn.Config(
        app,
        http=make_protocol(ClientTimeouts(), log_rejection),
        log_config=None,
        log_level="error",  # its warnings come with each malformed request: strangers shall not fill the log
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        listener.close()
