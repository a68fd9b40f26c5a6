"""The supervisor: starts, watches and restarts the other processes; drains on SIGTERM; serves nothing.

Start order: keeper (migrates the store), engines, workers, console. Stop order: workers first, so that
streams finish while their engine lives, then engines, console, keeper, which drains the ledger last.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.workflows.serve import ServePlan

BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # waits before restarts; the last repeats
STEADY_S = 30.0  # a process that lived this long starts the waits over
STOP_S = {"worker": 2.0, "engine": 6.0, "console": 4.0, "keeper": 15.0}  # beyond the drain limit


def backoff(failures: int) -> float:
    """Seconds to wait before the restart after `failures` failures in a row (1 or more)."""
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]


class Child:
    """One supervised process."""

    def __init__(self, name: str, command: list[str], fds: tuple[int, ...]) -> None:
        self.name = name
        self.kind = name.partition("-")[0]
        self._command, self._fds = command, fds
        self.process: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.exit_code: int | None = None
        self._failures = 0
        self._started = 0.0
        self._start_at = 0.0

    def start(self, now: float) -> None:
        self._started = now
        self.process = subprocess.Popen(
            self._command, pass_fds=self._fds, stdin=subprocess.DEVNULL, start_new_session=True
        )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def watch(self, now: float) -> bool:
        """Notice an end and restart when it is time; true when something changed."""
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return False
            self.exit_code = code
            self.process = None
            self._failures = 1 if now - self._started > STEADY_S else self._failures + 1
            self._start_at = now + backoff(self._failures)
            return True
        if now < self._start_at:
            return False
        self.restarts += 1
        self.start(now)
        return True

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> None:
        """Wait for the end; after `seconds` make it."""
        if self.process is None:
            return
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def listen(host: str, port: int, what: str, flag: str) -> socket.socket:
    """A listening socket. :raises InputError: the port is taken, or not ours to open"""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        why = (
            "is taken by another process" if error.errno == errno.EADDRINUSE else f"cannot be opened ({error.strerror})"
        )
        raise InputError(f"{what}: {host}:{port} {why}; choose another with {flag} or stop what uses it") from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


class Supervisor:
    """Holds the sockets, the lifeline and the children of one deployment."""

    def __init__(self, plan: ServePlan) -> None:
        self.plan = plan
        self._run = Path(plan.home) / "run"
        self._run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._gateway = listen(plan.host, plan.port, "gateway", "--port")
        self._console = listen(plan.console_host, plan.console_port, "console", "--console-port")
        self.plan = msgspec.structs.replace(
            plan, port=self._gateway.getsockname()[1], console_port=self._console.getsockname()[1]
        )
        self._alive_read, self._alive_write = os.pipe()
        self.started_at = time.time()
        self.token_file = self._run / "console-token"
        if not self.token_file.exists():
            write_private(self.token_file, secrets.token_urlsafe(24).encode())
        write_private(self.plan.file(), msgspec.json.encode(self.plan))
        self.children = self._children()
        self._store_ready = self._run / "store-ready"  # the keeper makes it when the tables are there
        self._store_ready.unlink(missing_ok=True)
        self._stopping = False

    @property
    def gateway_url(self) -> str:
        return f"http://{self.plan.host}:{self.plan.port}"

    @property
    def console_url(self) -> str:
        return f"http://{self.plan.console_host}:{self.plan.console_port}"

    def _children(self) -> list[Child]:
        plan, alive = self.plan, self._alive_read
        common = ["--plan", str(plan.file()), "--alive-fd", str(alive)]

        def python(module: str, *arguments: str) -> list[str]:
            return [sys.executable, "-m", f"steward.processes.{module}", *arguments]

        keeper = python("keeper", *common)
        children = [Child("keeper", keeper, (alive,))]
        children += [
            Child(f"engine-{model.name}", python("engine", *common, "--model", model.name), (alive,))
            for model in plan.models
            if model.backend == "embedded"
        ]
        fd = self._gateway.fileno()
        worker = python("worker", *common, "--fd", str(fd))
        children += [Child(f"worker-{number}", worker, (alive, fd)) for number in range(plan.workers)]
        fd = self._console.fileno()
        console = python("console", *common, "--fd", str(fd), "--token-file", str(self.token_file))
        children.append(Child("console", console, (alive, fd)))
        return children

    def run(self, on_ready: Callable[[], None], ready_limit_s: float = 60.0) -> None:
        """Start everything and watch until SIGTERM or SIGINT.

        :raises Unavailable: a process that cannot start, or not ready within `ready_limit_s`
        """
        signal.signal(signal.SIGTERM, self._stop_soon)
        signal.signal(signal.SIGINT, self._stop_soon)
        now = time.monotonic()
        for child in self.children:
            child.start(now)
        self._write_state()
        try:
            self._until_ready(now + ready_limit_s)
            if not self._stopping:
                on_ready()
            while not self._stopping:
                self._watch()
                time.sleep(0.05)
        finally:
            self.stop()

    def _until_ready(self, limit: float) -> None:
        while not self._stopping and not self._ready():
            for child in self.children:
                code = child.process.poll() if child.process else child.exit_code
                if code == InputError.exit_code:
                    raise InputError(f"{child.name} could not start; its message is above")
            if time.monotonic() > limit:
                raise Unavailable("not ready in time; the messages above say which process is at fault")
            self._watch()
            time.sleep(0.02)

    def _ready(self) -> bool:
        if not self._store_ready.exists():
            return False
        try:
            with urllib.request.urlopen(f"{self.gateway_url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _watch(self) -> None:
        now = time.monotonic()
        if any([child.watch(now) for child in self.children]):
            self._write_state()

    def _stop_soon(self, *_: Any) -> None:
        self._stopping = True

    def stop(self) -> None:
        """Workers drain first; nobody is left behind."""
        self._gateway.close()
        self._console.close()
        for kind in ("worker", "engine", "console", "keeper"):
            group = [child for child in self.children if child.kind == kind]
            for child in group:
                child.signal(signal.SIGTERM)
            extra = self.plan.drain_s if kind == "worker" else 0.0
            for child in group:
                child.wait(STOP_S[kind] + extra)
        (self._run / "state.json").unlink(missing_ok=True)

    def _write_state(self) -> None:
        """What `steward status` and the console read."""
        processes = [
            {
                "name": child.name,
                "pid": child.process.pid if child.process else None,
                "state": "ok" if child.running else "down",
                "restarts": child.restarts,
            }
            for child in self.children
        ]
        state = {
            "pid": os.getpid(),
            "gateway_url": self.gateway_url,
            "console_url": self.console_url,
            "started_at": self.started_at,
            "version": self.plan.version,
            "processes": processes,
            "models": [model.name for model in self.plan.models],
        }
        write_private(self._run / "state.json", json.dumps(state).encode())


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` at once, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
