"""One HTTP request of a load test: the head that all share, the TLS settings, and its state while it is in flight."""

from __future__ import annotations

import math
import ssl
from typing import Any

from steward.core.errors import InputError
from steward.core.secret import resolve
from steward.loadtest.config import LoadConfig


class InFlightRequest:
    """A request from the moment its bytes are made until its response is recorded. Times are of `timer.clock`, in s."""

    __slots__ = ("connect_s", "data", "in_flight", "intended", "messages", "number", "retried", "sent_at", "turn")

    def __init__(self, number: int, turn: int, intended: float) -> None:
        self.number, self.turn, self.intended = number, turn, intended
        self.data = b""
        self.messages: list[Any] = []  # kept for conversations only
        self.sent_at = self.connect_s = math.nan  # connect_s stays NaN if an open connection was used
        self.in_flight = 0  # requests of this process when it was sent, including this one
        self.retried = False


def build_head(config: LoadConfig, path: str, host: str) -> bytes:
    """The request head up to the value of Content-Length. :raises InputError: an invalid header, or a missing key"""
    lines = [f"POST {path} HTTP/1.1", f"Host: {host.rpartition('@')[2]}"]
    if config.key is not None:
        lines.append(f"Authorization: Bearer {resolve(config.key).reveal()}")
    lines += ["Content-Type: application/json", f"Accept: {'text/event-stream' if config.stream else '*/*'}"]
    lines += ["User-Agent: steward-load"]
    for name, value in config.headers:
        if not name or any(character in name + value for character in "\r\n\0") or ":" in name:
            raise InputError(f"--header {name!r}: expected NAME: VALUE on one line")
        lines.append(f"{name}: {value}")
    return ("\r\n".join(lines) + "\r\nContent-Length: ").encode("latin-1")


def build_tls_context(config: LoadConfig) -> ssl.SSLContext:
    """:raises InputError: `ca_file` cannot be read"""
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--ca-file {config.ca_file}: {error}; expected certificates in PEM format") from error
    if config.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def classify_connect_error(error: Exception) -> str:
    """One of response.CAUSES."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "no_connection"
