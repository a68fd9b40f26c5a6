"""Opens a port, or says what is in the way."""

from __future__ import annotations

import errno
import socket

from steward.core.errors import InputError
from steward.workflows.serve.plan import ServePlan


def listen(host: str, port: int, what: str, flag: str) -> socket.socket:
    """A listening socket. :raises InputError: the port is taken, or not ours to open"""
    listener = _bind(host, port, what, flag)
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def check_ports(plan: ServePlan) -> None:
    """Whether the ports of both could be opened now; nothing listens. :raises InputError: as `listen`"""
    with _bind(plan.host, plan.port, "gateway", "--port"):
        _bind(plan.console_host, plan.console_port, "console", "--console-port").close()


def _bind(host: str, port: int, what: str, flag: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = (
            "is taken by another process" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        )
        raise InputError(f"{what}: {host}:{port} {why}; choose another with {flag} or stop what uses it") from error
    return listener
