"""Serves a human study until it is interrupted: one process, one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from steward.console.rating import build
from steward.core.timeouts import ClientTimeouts
from steward.core.tls import ReloadingContext, ServerTls, build_server_context
from steward.processes.forwarded import ForwardedScheme
from steward.processes.http_protocol import log_rejection, make_protocol
from steward.processes.lifeline import disable_core_dumps, raise_descriptor_limit
from steward.processes.ports import listen
from steward.processes.tls_server import TlsServer
from steward.workflows.study import open_session


def serve(study: Path, host: str, port: int, ready: Callable[[str], None], tls: ServerTls | None = None) -> None:
    """`ready` gets the address once the port is open. :raises InputError: the port is taken, or no study"""
    disable_core_dumps()  # prompts, answers and comments pass through here
    session = open_session(study)
    try:
        serve_pages(build(session), host, port, "the study", ready, tls)
    finally:
        session.close()


def serve_pages(
    app: Starlette, host: str, port: int, subject: str, ready: Callable[[str], None], tls: ServerTls | None = None
) -> None:
    """Until it is interrupted; over TLS with new files as they come. `ready` gets the address.

    :raises InputError: the port is taken, or the files cannot be used
    """
    raise_descriptor_limit()
    context = ReloadingContext(tls, build_server_context) if tls is not None else None
    timeouts = ClientTimeouts()
    listener = listen(host, port, subject, "--port")
    bound, scheme = listener.getsockname()[1], "http" if tls is None else "https"
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    ready(f"{scheme}://[{shown}]:{bound}" if ":" in shown else f"{scheme}://{shown}:{bound}")
    pages = ForwardedScheme(app)
    config = uvicorn.Config(
        pages,
        proxy_headers=False,  # gateway.trusted_proxies says whose word counts
        http=make_protocol(timeouts, log_rejection),
        log_config=None,
        log_level="error",  # its warnings come with each malformed request: strangers shall not fill the log
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=timeouts.keep_alive_s,
        timeout_graceful_shutdown=2,
    )
    try:
        TlsServer(config, context, timeouts.receive_s).run(sockets=[listener])
    finally:
        listener.close()
