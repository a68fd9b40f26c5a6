"""Sends the probes of `security/probes.py` to a gateway, one after another, and judges what comes back."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from steward.core.addresses import refuse_credentials
from steward.core.errors import InputError, Unavailable
from steward.core.excerpts import cut_text
from steward.core.secret import Secret
from steward.security.probes import (
    Probe,
    ProbeAnswer,
    ProbeRequest,
    ProbeResult,
    ProbeVerdict,
    judge_listener,
    list_probes,
)

TIMEOUT_S: Final = 8.0
MOST_BYTES: Final = 65_536  # of an answer that are read
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class SecuritySelfTest(msgspec.Struct, frozen=True, kw_only=True):
    """`steward selftest security --json`."""

    url: str
    results: tuple[ProbeResult, ...]
    held: int
    failed: int
    cannot_tell: int
    not_run: int


def probe_security(
    url: str, key: Secret | None = None, model: str = "", report: Callable[[int, int, str], None] = lambda *_: None
) -> SecuritySelfTest:
    """Run every probe against the gateway at `url`.

    :raises InputError: no URL :raises Unavailable: nothing answers there
    """
    parts = _parse_url(url)
    _check_answers(parts)
    probes = sorted(list_probes(model), key=lambda probe: probe.number)
    results = []
    for number, probe in enumerate(probes):
        report(number, len(probes), f"{probe.number} {probe.title}")
        results.append(_run(probe, parts, key))
    counts = {verdict: sum(one.verdict == verdict for one in results) for verdict in _VERDICTS}
    return SecuritySelfTest(
        url=url,
        results=tuple(results),
        held=counts["held"],
        failed=counts["failed"],
        cannot_tell=counts["cannot tell"],
        not_run=counts["not run"],
    )


_VERDICTS: Final = ("held", "failed", "cannot tell", "not run")


def _parse_url(url: str) -> SplitResult:
    refuse_credentials(url, "give the key by reference: --key env:NAME")
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise InputError(f"{cut_text(url)!r} is no gateway's address; expected http://HOST:PORT or https://HOST")


def _check_answers(parts: SplitResult) -> None:
    answer = _send(parts, ProbeRequest(path="/"), None, "")
    if answer.status is None:
        raise Unavailable(f"{parts.geturl()}: nothing answers there; check the address and that the gateway runs")


def _run(probe: Probe, parts: SplitResult, key: Secret | None) -> ProbeResult:
    verdict: ProbeVerdict
    if probe.needs_key and key is None:
        verdict, because = "not run", "it needs a key: --key env:NAME or file:PATH"
    else:
        with _Listener() as listener:
            answers = [_send(parts, request, key, listener.address) for request in probe.requests]
            calls = listener.calls
        verdict, because = probe.judge(answers)
        if probe.listens:
            verdict, because = judge_listener(parts.hostname in LOOPBACK, calls, (verdict, because))
    return ProbeResult(
        number=probe.number, advisory=probe.advisory, title=probe.title, verdict=verdict, because=because
    )


def _send(parts: SplitResult, request: ProbeRequest, key: Secret | None, listener: str) -> ProbeAnswer:
    started = time.monotonic()
    connection = _connect(parts)
    try:
        path = parts.path.rstrip("/").removesuffix("/v1") + request.path
        connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", request.host or parts.netloc.rpartition("@")[2])
        for name, value in request.headers:
            connection.putheader(name, value)
        if request.with_key and key is not None:
            connection.putheader("Authorization", f"Bearer {key.reveal()}")
        body = request.body.replace(b"{listener}", listener.encode())
        if body or request.method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        content = answer.read(MOST_BYTES)
        return ProbeAnswer(status=answer.status, headers=headers, body=content, seconds=time.monotonic() - started)
    except TimeoutError:
        return ProbeAnswer(status=None, seconds=time.monotonic() - started, timed_out=True)
    except (OSError, http.client.HTTPException):
        return ProbeAnswer(status=None, seconds=time.monotonic() - started)
    finally:
        connection.close()


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    assert parts.hostname is not None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT_S, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)


class _Listener:
    """A port of this machine that counts who calls it, and answers nobody."""

    def __enter__(self) -> _Listener:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.calls = 0
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()
        return self

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            connection.close()

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(1.0)
