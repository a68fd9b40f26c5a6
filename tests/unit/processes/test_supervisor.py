"""When a process that ended is started again."""

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
from steward.processes.supervisor import STEADY_S, STOP_S, Child, Supervisor, backoff, can_need
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.worker_reports import WorkerVersions


def test_waits_before_restarts_grow_and_the_last_repeats() -> None:
    assert [backoff(failures) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 100)] == [0.1, 0.2, 0.5, 1, 2, 5, 10, 10, 10]


def ended(child: Child, at: float) -> None:
    """The child's process has ended, and the supervisor noticed at `at`."""
    assert child.process is not None
    child.process.wait(30)
    assert child.watch(at)


@pytest.fixture
def child() -> Child:
    return Child("worker-3", [sys.executable, "-c", "raise SystemExit(7)"], ())


def test_a_process_that_ends_is_started_again_after_a_wait(child: Child) -> None:
    child.start(0.0)
    ended(child, 1.0)
    assert (child.kind, child.exit_code, child.is_running, child.restarts) == ("worker", 7, False, 0)
    assert not child.watch(1.09) and child.watch(1.1) and child.restarts == 1
    ended(child, 2.0)
    assert not child.watch(2.19) and child.watch(2.2) and child.restarts == 2  # the second failure waits 0.2 s
    assert child.wait(30) == 7


def test_one_that_lived_long_starts_the_waits_over(child: Child) -> None:
    child.start(0.0)
    ended(child, 1.0)
    child.watch(2.0)
    ended(child, 2.0 + STEADY_S)
    assert not child.watch(2.19 + STEADY_S) and child.watch(2.2 + STEADY_S)  # exactly as long is not longer
    ended(child, 2.3 + 2 * STEADY_S)
    assert child.watch(2.4 + 2 * STEADY_S)
    assert child.wait(30) == 7


def test_one_that_does_not_stop_is_made_to() -> None:
    child = Child("keeper", [sys.executable, "-c", "import time; time.sleep(600)"], ())
    assert child.wait(1.0) is None  # it was never started
    child.signal(15)
    child.start(time.monotonic())
    assert child.is_running and not child.watch(0.0)
    assert child.wait(0.01) == -9 and not child.is_running


def test_a_signal_reaches_it() -> None:
    child = Child("keeper", [sys.executable, "-c", "import time; time.sleep(600)"], ())
    child.start(0.0)
    child.signal(15)
    until(lambda: not child.is_running)
    assert child.wait(1.0) == -15


def test_a_process_gives_memory_back_unless_the_operator_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mallopt(3): a threshold that is set does not grow with what is freed."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "7")
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    script = f"import json, os; json.dump(dict(os.environ), open({str(tmp_path / 'env')!r}, 'w'))"
    child = Child("worker-0", [sys.executable, "-c", script], ())
    child.start(0.0)
    assert child.wait(30) == 0
    seen = json.loads((tmp_path / "env").read_text())
    assert (seen["MALLOC_MMAP_THRESHOLD_"], seen["MALLOC_ARENA_MAX"]) == ("262144", "7")


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


def test_a_process_that_cannot_be_started_is_tried_again_later() -> None:
    child = Child("worker-0", ["/no/such/program"], ())
    assert child.watch(0.0) and child.process is None and child.restarts == 1
    assert not child.watch(0.05)  # BACKOFF_S: 0.1 s after the first failure
    child._command = [sys.executable, "-c", ""]
    assert child.watch(0.1) and child.process is not None and child.restarts == 2
    child.wait(30)


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
