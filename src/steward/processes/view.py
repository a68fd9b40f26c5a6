"""Serves the pages of `steward eval view` until it is interrupted: one process, nothing written."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

from steward.console.view import build
from steward.core.tls import ServerTls
from steward.evaluation.run_shelf import RunShelf
from steward.processes.lifeline import disable_core_dumps
from steward.processes.rating import serve_pages


def serve(folder: Path, host: str, port: int, ready: Callable[[str], None], tls: ServerTls | None = None) -> None:
    """`ready` gets the address that lets its reader in. :raises InputError: no folder, or the port is taken"""
    disable_core_dumps()  # prompts and answers pass through here
    token = secrets.token_urlsafe(24)
    app = build(RunShelf(folder), token)
    serve_pages(app, host, port, "the pages", lambda address: ready(f"{address}/open/{token}"), tls)
