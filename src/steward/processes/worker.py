"""A worker: the data plane on the supervisor's listening socket. No SQL, no blocking calls."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import secrets
import socket
import sys
from pathlib import Path

import uvicorn

from steward.core.tls import ReloadingContext, build_server_context
from steward.processes.http_protocol import make_protocol
from steward.processes.lifeline import disable_core_dumps, end_with_supervisor, report_errors
from steward.processes.tls_server import TlsServer
from steward.workflows.serve.plan import read_plan
from steward.workflows.serve.service import WorkerService

SWITCH_S = 0.001  # after which a thread that works lets the event loop have its turn; 5 ms is Python's default
GC_THRESHOLDS = (20_000, 20, 50)  # requests leave no cycles; at 700 the collector looks for some 30 times a second


def main() -> None:
    """`python -m steward.processes.worker --plan FILE --fd N --alive-fd N`"""
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True)
    arguments = parser.parse_args()
    disable_core_dumps()
    logging.basicConfig(level=logging.WARNING, format="worker %(levelname)s %(message)s")
    plan = read_plan(arguments.plan)
    end_with_supervisor(arguments.alive_fd, plan.drain_s + 2)
    service = WorkerService(plan, writer_id=f"w{os.getpid()}-{secrets.token_hex(4)}")
    config = uvicorn.Config(
        service.app,
        interface="asgi3",
        loop="uvloop",
        http=make_protocol(plan.client_timeouts, service.count_rejection, service.list_page_headers),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # its warnings come with each malformed request: strangers shall not fill the log
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,  # gateway.trusted_proxies says whose word counts
        timeout_keep_alive=plan.client_timeouts.keep_alive_s,
        timeout_graceful_shutdown=int(plan.drain_s),
    )
    listener = socket.socket(fileno=arguments.fd)
    context = ReloadingContext(plan.tls, build_server_context) if plan.tls is not None else None
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    TlsServer(config, context, plan.client_timeouts.receive_s).run(sockets=[listener])


if __name__ == "__main__":
    with report_errors("worker"):
        main()
