"""The supervisor: starts, watches and restarts the other processes; drains on SIGTERM; serves nothing.

Start order: keeper (migrates the store), engines, workers, console. Stop order: workers first, so that
streams finish while their engine lives, then engines, console, keeper, which drains the ledger last.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from steward.core.errors import Contradiction, InputError, StewardError, Unavailable
from steward.core.fetch import open_url
from steward.core.files import make_private_folder, write_file
from steward.core.tls import ServerTls
from steward.processes.child import Child, python, start_process
from steward.processes.fork_server import ForkServer, reap_orphans
from steward.processes.lifeline import limit_core_dumps, raise_descriptor_limit
from steward.processes.ports import listen
from steward.workflows.serve.plan import ModelPlan, ServePlan
from steward.workflows.serve.worker_reports import WorkerVersions

STOP_S = {"worker": 2.0, "engine": 6.0, "console": 4.0, "keeper": 15.0}  # beyond the drain limit
SWAP_S = 30.0  # for all workers to serve a new plan
ENGINE_S = 600.0  # for an engine to load its model


class Supervisor:
    """Holds the sockets, the lifeline and the children of one deployment."""

    def __init__(self, plan: ServePlan, fork_server: ForkServer | None = None) -> None:
        self.plan, self._fork_server = plan, fork_server
        self._launch = fork_server.launch if fork_server is not None else start_process
        self._run = Path(plan.home) / "run"
        make_private_folder(self._run)
        for stale in (*self._run.glob("worker-*.json"), *self._run.glob("reload/*")):
            stale.unlink(missing_ok=True)
        self._gateway = listen(plan.host, plan.port, "gateway", "--port")
        self._console = listen(plan.console_host, plan.console_port, "console", "--console-port")
        self.plan = msgspec.structs.replace(
            plan, port=self._gateway.getsockname()[1], console_port=self._console.getsockname()[1]
        )
        self._alive_read, self._alive_write = os.pipe()
        self.started_at = time.time()
        self.token_file = self._run / "console-token"
        if not self.token_file.exists():
            write_file(self.token_file, secrets.token_urlsafe(24).encode())
        write_file(self.plan.file(), msgspec.json.encode(self.plan))
        self.children = self._children()
        self._store_ready = self._run / "store-ready"  # the keeper makes it when the tables are there
        self._store_ready.unlink(missing_ok=True)
        self._stopping = self._untold = False  # untold: the file of the state is older than the state
        self._trouble = ""  # what was said last of a machine that has run out of something
        self._retiring: list[tuple[Child, int]] = []  # engines, and the version that they left with
        self._ending: list[tuple[Child, float]] = []  # told to stop, and when to make them
        self._notes: dict[str, Any] = {"config_error": None}  # what others want told in state.json

    @property
    def gateway_url(self) -> str:
        return self.plan.gateway_url

    @property
    def console_url(self) -> str:
        return self.plan.console_url

    def _children(self) -> list[Child]:
        plan, alive = self.plan, self._alive_read
        common = ["--plan", str(plan.file()), "--alive-fd", str(alive)]

        launch = self._launch
        keeper = python("keeper", *common)
        children = [Child("keeper", keeper, (alive,), launch=launch)]
        children += [self._engine(model) for model in plan.models if model.backend == "embedded"]
        fd = self._gateway.fileno()
        worker = python("worker", *common, "--fd", str(fd))
        children += [Child(f"worker-{number}", worker, (alive, fd), launch=launch) for number in range(plan.workers)]
        fd = self._console.fileno()
        console = python("console", *common, "--fd", str(fd), "--token-file", str(self.token_file))
        children.append(Child("console", console, (alive, fd), launch=launch))
        return children

    def _engine(self, model: ModelPlan) -> Child:
        encoded = msgspec.json.encode(model).decode()
        command = python("engine", "--model", encoded, "--alive-fd", str(self._alive_read))
        return Child(f"engine-{model.name}", command, (self._alive_read,), socket=model.socket)

    def run(
        self, on_ready: Callable[[], None], each_round: Callable[[], None] | None = None, ready_limit_s: float = 60.0
    ) -> None:
        """Start everything and watch until SIGTERM or SIGINT; call `each_round` twenty times a second.

        :raises Unavailable: a process that cannot start, or not ready within `ready_limit_s`
        """
        signal.signal(signal.SIGTERM, self._request_stop)
        signal.signal(signal.SIGINT, self._request_stop)
        raise_descriptor_limit()
        limit_core_dumps()  # before any child runs: a process that has just started must not dump either
        now = time.monotonic()
        for child in self.children:
            child.start(now)
        self._write_state()
        try:
            self._wait_until_ready(now + ready_limit_s)
            if not self._stopping:
                on_ready()
            while not self._stopping:
                self._watch()
                if each_round is not None:
                    self._try(each_round)
                time.sleep(0.05)
        finally:
            self.stop()

    def _wait_until_ready(self, limit: float) -> None:
        while not self._stopping and (lack := self._find_lack()):
            for child in self.children:
                code = child.process.poll() if child.process else child.exit_code
                if code == InputError.exit_code:
                    raise InputError(f"{child.name} could not start; its message is above")
                if code == Contradiction.exit_code:  # it would fail in the same way again
                    raise Contradiction(f"{child.name} could not start; its message is above")
            if time.monotonic() > limit:
                raise Unavailable(f"not ready in time: {lack}; the messages above may say more")
            self._watch()
            time.sleep(0.02)

    def _find_lack(self) -> str:
        """What keeps a request from being answered; empty: it would be."""
        if not self._store_ready.exists():
            return "the keeper has not prepared the store yet"
        try:
            with open_url(f"{self.gateway_url}/readyz", 2, _certificate(self.plan.tls)):
                return ""
        except urllib.error.HTTPError as error:
            return _read_lack(error)
        except OSError as error:
            return f"the gateway at {self.gateway_url} does not answer ({getattr(error, 'reason', error)})"

    def _watch(self) -> None:
        now = time.monotonic()
        changed = [child.watch(now) for child in self.children]
        if any(changed) or self._untold:
            self._write_state()
        self._end_retired(now)
        if self._fork_server is not None:
            self._fork_server.watch(now)
            everyone = [*self.children, *(child for child, _ in (*self._retiring, *self._ending))]
            known = {child.process.pid for child in everyone if child.process is not None}
            reap_orphans({*known, self._fork_server.pid})

    def _try(self, act: Callable[[], object]) -> bool:
        """What the machine has no room for must wait; what serves goes on. Each cause is told once while it lasts."""
        try:
            act()
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            if trouble != self._trouble:
                sys.stderr.write(f"supervisor: {trouble}; tried again until it works\n")
            self._trouble = trouble
            return False
        return True

    def apply(self, plan: ServePlan) -> int:
        """Serve `plan` with all workers: new engines first, then the swap, then the old engines end.

        Returns the number of workers that serve it.
        :raises StewardError: why not; then the old plan serves as before
        """
        before = self.plan
        plan = msgspec.structs.replace(plan, port=before.port, console_port=before.console_port)
        fresh = self._start_engines(plan)
        try:
            self._wait_until(lambda: all(map(_is_answering, fresh)), fresh, ENGINE_S, "a new model is not ready")
            write_file(plan.file(), msgspec.json.encode(plan))
            self._wait_until(lambda: self._is_served(plan.config_version), fresh, SWAP_S, "not all workers serve it")
        except (StewardError, OSError):
            self._try(lambda: write_file(before.file(), msgspec.json.encode(before)))
            self._retire(fresh, plan.config_version)
            raise
        self.plan = plan
        used = {model.socket for model in plan.models}
        self._retire(
            [child for child in self.children if child.socket and child.socket not in used], before.config_version
        )
        return plan.workers

    def _start_engines(self, plan: ServePlan) -> list[Child]:
        """The engines that `plan` needs and that do not run; one that is being retired is taken back."""
        wanted = {model.socket: model for model in plan.models if model.backend == "embedded"}
        back = [child for child, _ in self._retiring if child.socket in wanted]
        self._retiring = [(child, version) for child, version in self._retiring if child not in back]
        self.children += back
        running = {child.socket for child in self.children}
        fresh = [self._engine(model) for socket, model in wanted.items() if socket not in running]
        for child in fresh:
            child.start(time.monotonic())
        self.children += fresh
        self._write_state()
        return [*fresh, *back]

    def _wait_until(self, condition: Callable[[], bool], fresh: list[Child], seconds: float, what: str) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            for child in fresh:
                if child.exit_code is not None:
                    raise InputError(f"{child.name} could not start; its message is in the log")
            if self._stopping:
                raise Unavailable("steward is being stopped")
            if time.monotonic() > limit:
                raise Unavailable(f"{what} within {seconds:.0f} s")
            self._watch()
            time.sleep(0.02)

    def _read_acknowledgements(self) -> list[WorkerVersions | None]:
        """What each worker says that it serves."""
        return [_read_worker_versions(self._run, child) for child in self.children if child.kind == "worker"]

    def _is_served(self, version: int) -> bool:
        """:raises Unavailable: a worker says why it cannot"""
        acks = self._read_acknowledgements()
        for item in acks:
            if item is not None and item.error:
                raise Unavailable(f"a worker does not serve it: {item.error}")
        return all(item is not None and item.version == version for item in acks)

    def _retire(self, engines: list[Child], version: int) -> None:
        """End these engines once no worker holds `version`, the last one that had them."""
        self.children = [child for child in self.children if child not in engines]
        self._retiring += [(child, version) for child in engines]
        self._write_state()

    def _end_retired(self, now: float) -> None:
        if self._retiring:
            acks = self._read_acknowledgements()
            for child, version in list(self._retiring):
                if all(item is not None and not can_need(item, version, self.plan.config_version) for item in acks):
                    self._retiring.remove((child, version))
                    child.signal(signal.SIGTERM)
                    self._ending.append((child, now + STOP_S["engine"]))
        for child, limit in list(self._ending):
            if not child.is_running or now > limit:
                child.wait(0.0)
                self._ending.remove((child, limit))

    def _request_stop(self, *_: Any) -> None:
        """The first signal drains; a second one waits for no stream (the keeper still drains the ledger)."""
        if self._stopping:
            for child in self.children:
                if child.kind != "keeper":
                    child.signal(signal.SIGKILL)
        elif sys.stderr.isatty():
            sys.stderr.write("\nStopping: open streams may finish. Press Ctrl-C again to cut them off.\n")
        self._stopping = True

    def stop(self) -> None:
        """Workers drain first; nobody is left behind."""
        self._gateway.close()
        self._console.close()
        for kind in ("worker", "engine", "console"):
            self._end(kind)
        if not self._end("keeper") and self._store_ready.exists():
            self._drain()
        (self._run / "state.json").unlink(missing_ok=True)

    def _end(self, kind: str) -> bool:
        """Tell all of a kind to stop and wait for them; true when all were there to be told, and ended well."""
        everyone = [*self.children, *(child for child, _ in (*self._retiring, *self._ending))]
        group = [child for child in everyone if child.kind == kind]
        there = [child.is_running for child in group]
        for child in group:
            child.signal(signal.SIGTERM)
        extra = self.plan.drain_s if kind == "worker" else 0.0
        codes = [child.wait(STOP_S[kind] + extra) for child in group]
        return all(there) and not any(codes)

    def _drain(self) -> None:
        """A keeper that was down, or not yet up, when it was told to stop has left the workers' last records behind."""
        command = python("keeper", "--plan", str(self.plan.file()), "--alive-fd", str(self._alive_read), "--once")
        keeper = Child("keeper", command, (self._alive_read,), launch=self._launch)
        keeper.start(time.monotonic())
        keeper.wait(STOP_S["keeper"])

    def publish_notes(self, notes: dict[str, Any]) -> None:
        """Show `notes` with the state."""
        if any(self._notes.get(name) != value for name, value in notes.items()):
            self._notes.update(notes)
            self._write_state()

    def _write_state(self) -> None:
        """What `steward status` and the console read; where there is no room for it, later."""
        self._untold = not self._try(lambda: write_file(self._run / "state.json", self._encode_state()))
        if not self._untold:
            self._trouble = ""

    def _encode_state(self) -> bytes:
        processes = [
            {
                "name": child.name,
                "pid": child.process.pid if child.process else None,
                "state": "ok" if child.is_running else "down",
                "restarts": child.restarts,
            }
            for child in self.children
        ]
        state = {
            "pid": os.getpid(),
            "gateway_url": self.gateway_url,
            "console_url": self.console_url,
            "gateway_certificate": _certificate(self.plan.tls),
            "console_certificate": _certificate(self.plan.console_tls),
            "started_at": self.started_at,
            "version": self.plan.version,
            "processes": processes,
            "models": [model.name for model in self.plan.models],
            "config_version": self.plan.config_version,
            **self._notes,
        }
        return json.dumps(state).encode()


def _read_lack(error: urllib.error.HTTPError) -> str:
    """What `/readyz` says, in its own words."""
    try:
        told = msgspec.json.decode(error.read())["error"]["message"]
    except (OSError, msgspec.MsgspecError, KeyError, TypeError):
        told = ""
    return f"the gateway answers with {error.code}{f' ({told})' if told else ''}"


def _certificate(tls: ServerTls | None) -> str | None:
    """The file that commands of this machine check the port against."""
    return tls.certificate if tls is not None else None


def _read_worker_versions(run: Path, worker: Child) -> WorkerVersions | None:
    if worker.process is None:
        return None
    try:
        return msgspec.json.decode(WorkerVersions.file(run, worker.process.pid).read_bytes(), type=WorkerVersions)
    except (OSError, msgspec.MsgspecError):
        return None


def can_need(acknowledged: WorkerVersions, version: int, current: int) -> bool:
    """Whether an open exchange may need an engine that no plan after `version` had; `current` does not have it.

    >>> [can_need(WorkerVersions(3, held), 2, 3) for held in ((3,), (2, 3), (1, 3))]
    [False, True, True]

    Version 3 was given up for 2, which serves again: the engines that only 3 had.

    >>> [can_need(WorkerVersions(2, held), 3, 2) for held in ((2,), (2, 3))]
    [False, True]
    """
    return acknowledged.error is not None or any(held <= version and held != current for held in acknowledged.held)


def _is_answering(engine: Child) -> bool:
    """Whether the engine answers on its socket."""
    assert engine.socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2.0)
            connection.connect(engine.socket)
            connection.sendall(b"GET /v1/models HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
