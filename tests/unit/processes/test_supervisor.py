"""What the supervisor starts, tells and ends."""

import json
import os
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import msgspec
import pytest

from conftest import until
from steward.core.errors import InputError, Unavailable
from steward.processes.child import Child
from steward.processes.supervisor import STOP_S, Supervisor, can_need
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.worker_reports import WorkerVersions


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """Its children are not started."""
    settings = Settings.model_validate(
        {
            "models": [{"name": "m", "backend": "embedded"}, {"name": "far", "backend": "openai", "url": "http://x"}],
            "gateway": {"port": 0, "workers": 2},
            "console": {"port": 0},
        }
    )
    supervisor = Supervisor(make_plan(settings, tmp_path, "1.2"))
    yield supervisor
    supervisor._gateway.close()
    supervisor._console.close()


def start_sleeping(supervisor: Supervisor, name: str) -> Child:
    """One of its children, as a process that only waits."""
    child = next(child for child in supervisor.children if child.name == name)
    child._command, child._fds = [sys.executable, "-c", "import time; time.sleep(600)"], ()
    child.start(0.0)
    return child


def acknowledge(supervisor: Supervisor, worker: Child, *held: int, error: str | None = None) -> None:
    assert worker.process is not None
    report = WorkerVersions(max(held), held, error)
    WorkerVersions.file(supervisor._run, worker.process.pid).write_bytes(msgspec.json.encode(report))


def test_a_deployment_has_a_keeper_its_engines_workers_and_a_console(supervisor: Supervisor) -> None:
    assert [child.name for child in supervisor.children] == ["keeper", "engine-m", "worker-0", "worker-1", "console"]
    sockets = [child.socket for child in supervisor.children]
    assert sockets[1] == supervisor.plan.models[0].socket and sockets.count(None) == 4
    assert supervisor.plan.port > 0 and supervisor.gateway_url == f"http://127.0.0.1:{supervisor.plan.port}"


def test_the_state_says_what_runs(supervisor: Supervisor, tmp_path: Path) -> None:
    worker = start_sleeping(supervisor, "worker-1")
    supervisor.publish_notes({"config_error": {"message": "no"}})
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert state["config_error"] == {"message": "no"} and state["models"] == ["m", "far"]
    assert (state["pid"], state["gateway_certificate"]) == (os.getpid(), None)
    processes = {item["name"]: (item["state"], item["pid"], item["restarts"]) for item in state["processes"]}
    assert worker.process is not None
    assert processes["worker-1"] == ("ok", worker.process.pid, 0) and processes["worker-0"] == ("down", None, 0)
    (tmp_path / "run" / "state.json").unlink()
    supervisor.publish_notes({"config_error": {"message": "no"}})  # nothing new to write
    assert not (tmp_path / "run" / "state.json").exists()
    worker.wait(0.0)


def test_a_plan_is_served_when_every_worker_says_so(supervisor: Supervisor) -> None:
    workers = [start_sleeping(supervisor, f"worker-{number}") for number in (0, 1)]
    assert not supervisor._is_served(3)  # nobody has said anything
    acknowledge(supervisor, workers[0], 3)
    assert not supervisor._is_served(3)
    acknowledge(supervisor, workers[1], 2)
    assert not supervisor._is_served(3)
    acknowledge(supervisor, workers[1], 2, 3)
    assert supervisor._is_served(3)
    acknowledge(supervisor, workers[1], 2, 3, error="no room")
    with pytest.raises(Unavailable, match="a worker does not serve it: no room"):
        supervisor._is_served(3)
    for worker in workers:
        worker.wait(0.0)


def test_an_engine_ends_once_no_worker_holds_its_last_version(supervisor: Supervisor) -> None:
    workers = [start_sleeping(supervisor, f"worker-{number}") for number in (0, 1)]
    engine = start_sleeping(supervisor, "engine-m")
    version = supervisor.plan.config_version
    supervisor.plan = msgspec.structs.replace(supervisor.plan, config_version=version + 1)
    supervisor._retire([engine], version)
    assert "engine-m" not in [child.name for child in supervisor.children]
    for worker in workers:
        acknowledge(supervisor, worker, version, version + 1)
    supervisor._end_retired(0.0)
    assert engine.is_running  # a stream of before goes on
    acknowledge(supervisor, workers[0], version + 1)
    supervisor._end_retired(0.0)
    assert engine.is_running
    acknowledge(supervisor, workers[1], version + 1)
    supervisor._end_retired(0.0)
    until(lambda: not engine.is_running)
    supervisor._end_retired(0.1)
    assert not supervisor._ending and not supervisor._retiring
    for worker in workers:
        worker.wait(0.0)


def test_an_engine_that_does_not_end_is_made_to_after_six_seconds(supervisor: Supervisor) -> None:
    engine = start_sleeping(supervisor, "engine-m")
    supervisor._ending = [(engine, 6.0)]
    supervisor._end_retired(6.0)
    assert engine.is_running and STOP_S == {"worker": 2.0, "engine": 6.0, "console": 4.0, "keeper": 15.0}
    supervisor._end_retired(6.01)
    assert not engine.is_running and not supervisor._ending


@pytest.mark.parametrize(
    ("held", "version", "current", "needs"),
    [((3,), 2, 3, False), ((2, 3), 2, 3, True), ((1, 3), 2, 3, True), ((2,), 3, 2, False), ((2, 3), 3, 2, True)],
)
def test_who_may_still_need_an_engine(held: tuple[int, ...], version: int, current: int, needs: bool) -> None:
    assert can_need(WorkerVersions(max(held), held), version, current) == needs
    assert can_need(WorkerVersions(max(held), held, "an error"), version, current)


def test_the_second_signal_waits_for_no_stream_but_the_ledger(supervisor: Supervisor) -> None:
    worker, keeper = start_sleeping(supervisor, "worker-0"), start_sleeping(supervisor, "keeper")
    supervisor._request_stop()
    assert supervisor._stopping and worker.is_running
    supervisor._request_stop()
    until(lambda: not worker.is_running)
    assert keeper.is_running
    keeper.wait(0.0)


def test_nobody_is_left_behind_and_the_state_is_gone(supervisor: Supervisor, tmp_path: Path) -> None:
    children = [start_sleeping(supervisor, name) for name in ("worker-0", "engine-m", "console", "keeper")]
    supervisor._write_state()
    supervisor.stop()
    assert [child.is_running for child in children] == [False] * 4
    assert not (tmp_path / "run" / "state.json").exists()


@pytest.mark.parametrize(
    ("code", "error", "says"), [(2, InputError, "engine-m could not start"), (7, Unavailable, "in time")]
)
def test_a_process_that_can_never_start_ends_the_wait(
    supervisor: Supervisor, code: int, error: type[Exception], says: str
) -> None:
    engine = next(child for child in supervisor.children if child.name == "engine-m")
    supervisor.children = [engine]
    engine._command, engine._fds = [sys.executable, "-c", f"raise SystemExit({code})"], ()
    engine.start(0.0)
    assert engine.process is not None
    engine.process.wait(30)
    with pytest.raises(error, match=says):
        supervisor._wait_until_ready(time.monotonic() - 1.0 if code == 7 else time.monotonic() + 30.0)
    engine.wait(30)


class NotReady(BaseHTTPRequestHandler):
    """`/readyz` of a gateway, with the body that its server was given."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(cast(Any, self.server).body)

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "Not ready: small does not answer."}}', "503 (Not ready: small does not answer.)"),
        (b"<html>", "503"),
        (b"[1]", "503"),
    ],
)
def test_what_is_not_ready_is_named(supervisor: Supervisor, body: bytes, said: str) -> None:
    assert supervisor._find_lack() == "the keeper has not prepared the store yet"
    supervisor._store_ready.parent.mkdir(parents=True, exist_ok=True)
    supervisor._store_ready.touch()
    with HTTPServer(("127.0.0.1", 0), NotReady) as server:
        vars(server)["body"] = body
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        supervisor.plan = msgspec.structs.replace(supervisor.plan, port=server.server_port)
        assert supervisor.gateway_url == url and supervisor._find_lack() == f"the gateway answers with {said}"
        server.shutdown()
    assert supervisor._find_lack().startswith(f"the gateway at {url} does not answer")
