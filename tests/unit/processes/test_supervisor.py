"""What the supervisor starts, tells and ends."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import msgspec
import pytest

from conftest import until
from steward.core.errors import Contradiction, InputError, Unavailable
from steward.processes.child import Child
from steward.processes.supervisor import STOP_S, Supervisor, _is_answering, can_need
from steward.settings import Settings
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.plan import ModelPlan, ServePlan
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
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        supervisor.plan = msgspec.structs.replace(supervisor.plan, port=server.server_port)
        assert supervisor.gateway_url == url and supervisor._find_lack() == f"the gateway answers with {said}"
        server.shutdown()
    assert supervisor._find_lack().startswith(f"the gateway at {url} does not answer")


class PlayedProcess:
    """A process that ends with `code` when it is told to (None: it does not), and tells what was asked of it."""

    def __init__(self, pid: int, code: int | None = 0) -> None:
        self.pid, self.code = pid, code
        self.ended: int | None = None
        self.waits: list[float | None] = []
        self.signals: list[int] = []

    def poll(self) -> int | None:
        return self.ended

    def wait(self, timeout: float | None = None) -> int:
        self.waits.append(timeout)
        return self.ended or 0

    def send_signal(self, sig: int) -> None:
        self.signals.append(sig)
        self.ended = self.code

    def kill(self) -> None:
        self.ended = -9


class Launcher:
    """In the place of a fork server."""

    pid = 7

    def __init__(self) -> None:
        self.processes: list[PlayedProcess] = []
        self.watched = 0

    def launch(self, _: list[str], __: tuple[int, ...]) -> PlayedProcess:
        self.processes.append(PlayedProcess(100 + len(self.processes)))
        return self.processes[-1]

    def watch(self, _: float) -> None:
        self.watched += 1


class Clock:
    """`time`, as far as a supervisor asks for it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("steward.processes.supervisor.time", clock)
    return clock


@pytest.fixture
def played(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """All its children are played, and started at second 0."""
    launcher, let_go = Launcher(), list[set[int | None]]()
    supervisor._fork_server = cast(Any, launcher)
    monkeypatch.setattr("steward.processes.supervisor.reap_orphans", let_go.append)
    vars(supervisor)["let_go"] = let_go
    for child in supervisor.children:
        child._launch = launcher.launch
        child.start(0.0)
    return supervisor


def processes(supervisor: Supervisor) -> dict[str, PlayedProcess]:
    return {child.name: cast(PlayedProcess, child.process) for child in supervisor.children}


def run(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, rounds: int) -> list[str]:
    """What happens, in order, when it runs for so many rounds; the signals of this process stay as they are."""
    told: list[str] = []
    handled: dict[int, Any] = {}
    module = "steward.processes.supervisor"
    monkeypatch.setattr(f"{module}.signal.signal", handled.__setitem__)
    monkeypatch.setattr(f"{module}.raise_descriptor_limit", lambda: told.append("descriptors"))
    monkeypatch.setattr(f"{module}.limit_core_dumps", lambda: told.append("cores"))
    monkeypatch.setattr(supervisor, "_find_lack", lambda: "")

    def each_round() -> None:
        told.append("round")
        if told.count("round") == rounds:
            handled[signal.SIGTERM](signal.SIGTERM, None)

    supervisor.run(lambda: told.append("ready"), each_round)
    assert handled[signal.SIGINT] == handled[signal.SIGTERM]
    return told


def test_it_watches_twenty_times_a_second_until_it_is_told_to_stop(
    played: Supervisor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = processes(played)
    assert run(played, monkeypatch, 3) == ["descriptors", "cores", "ready", "round", "round", "round"]
    assert clock.sleeps == [0.05] * 3 and cast(Any, played._fork_server).watched == 3
    after = processes(played)
    assert len(after) == 5 and all(after[name] is not process for name, process in before.items())  # each was started
    assert all(process.signals == [signal.SIGTERM] for process in after.values())


def test_a_stop_before_it_is_ready_says_nothing_of_being_ready(
    played: Supervisor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    played._request_stop()
    assert run(played, monkeypatch, 1) == ["descriptors", "cores"] and clock.sleeps == []


def test_a_deployment_has_a_minute_to_become_ready(
    played: Supervisor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steward.processes.supervisor.signal.signal", lambda *_: None)
    monkeypatch.setattr("steward.processes.supervisor.raise_descriptor_limit", lambda: None)
    monkeypatch.setattr("steward.processes.supervisor.limit_core_dumps", lambda: None)
    with pytest.raises(Unavailable, match="not ready in time: the keeper has not prepared the store yet; the messages"):
        played.run(lambda: None)
    assert set(clock.sleeps) == {0.02} and 60.0 < clock.now - 1000.0 < 60.03


def test_a_wait_ends_after_its_limit_and_not_at_it(played: Supervisor, clock: Clock) -> None:
    clock.now = 10.0
    with pytest.raises(Unavailable, match="not ready in time"):
        played._wait_until_ready(10.0)
    assert clock.sleeps == [0.02]


@pytest.mark.parametrize(("code", "error"), [(2, InputError), (5, Contradiction)])
def test_what_cannot_start_ends_the_wait_also_once_it_was_seen(
    played: Supervisor, clock: Clock, code: int, error: type[Exception]
) -> None:
    """The exit codes of what a person has to mend (docs/reference)."""
    assert error.exit_code == code  # type: ignore[attr-defined]
    child = played.children[0]
    child.process, child.exit_code = None, code
    with pytest.raises(error, match="keeper could not start; its message is above"):
        played._wait_until_ready(clock.now)
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("codes", "expected"), [((0, 0), True), ((0, 1), False), ((-15, 0), False), ((None, 0), False), ((0, None), False)]
)
def test_all_of_a_kind_must_have_been_there_and_end_well(
    played: Supervisor, codes: tuple[int | None, int | None], expected: bool
) -> None:
    workers = [child for child in played.children if child.kind == "worker"]
    for child, code in zip(workers, codes, strict=True):
        if code is None:
            child.process = None
        else:
            cast(PlayedProcess, child.process).code = code
    assert played._end("worker") is expected


def test_only_workers_have_the_time_to_drain_beside_the_time_to_end(played: Supervisor) -> None:
    played.plan = msgspec.structs.replace(played.plan, drain_s=30.0)
    for kind, seconds in (("worker", 32.0), ("engine", 6.0), ("console", 4.0), ("keeper", 15.0)):
        played._end(kind)
        ended = [process for name, process in processes(played).items() if name.startswith(kind)]
        assert [process.waits for process in ended] == [[seconds]] * len(ended)


@pytest.mark.parametrize(
    ("code", "is_prepared", "drains"), [(0, True, False), (1, True, True), (1, False, False), (None, True, True)]
)
def test_what_a_keeper_left_behind_is_drained(
    played: Supervisor, clock: Clock, code: int | None, is_prepared: bool, drains: bool
) -> None:
    keeper = next(child for child in played.children if child.kind == "keeper")
    if code is None:
        keeper.process = None
    else:
        cast(PlayedProcess, keeper.process).code = code
    if is_prepared:
        played._store_ready.touch()
    commands: list[list[str]] = []

    def launch(command: list[str], fds: tuple[int, ...]) -> PlayedProcess:
        commands.append(command)
        return drained

    played._launch, drained = launch, PlayedProcess(1)
    played.stop()
    assert [command[-1] for command in commands] == ["--once"] * drains and drained.waits == [15.0] * drains


def test_what_the_machine_has_no_room_for_is_told_once(
    supervisor: Supervisor, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    assert [supervisor._try(fail), supervisor._try(fail), supervisor._try(lambda: 1)] == [False, False, True]
    assert capsys.readouterr().err == "supervisor: No space left on device; tried again until it works\n"
    supervisor._write_state()  # there is room again
    assert not supervisor._try(fail) and "No space" in capsys.readouterr().err


def test_a_state_that_could_not_be_written_is_written_at_the_next_look(
    played: Supervisor, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "run" / "state.json"
    played._watch()
    assert not state.exists()  # nothing has changed
    with monkeypatch.context() as full:
        full.setattr(played, "_encode_state", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        played._write_state()
    played._watch()
    assert state.exists() and not played._untold
    state.unlink()
    processes(played)["worker-1"].ended = 1
    played._watch()
    assert json.loads(state.read_text())["processes"][3]["state"] == "down"


def test_orphans_are_let_go_but_for_its_own_processes(played: Supervisor, clock: Clock) -> None:
    engine = next(child for child in played.children if child.kind == "engine")
    played._retire([engine], played.plan.config_version)
    worker = next(child for child in played.children if child.name == "worker-0")
    played._ending = [(worker, clock.now + 1.0)]
    played.children.remove(worker)
    played._watch()
    pids = {process.pid for process in cast(Any, played._fork_server).processes}
    assert vars(played)["let_go"] == [{*pids, 7}] and len(pids) == 5


def change(played: Supervisor, *models: ModelPlan) -> ServePlan:
    """The next plan, with these models, which every worker serves."""
    version = played.plan.config_version + 1
    for child in played.children:
        if child.kind == "worker":
            acknowledge(played, child, version)
    return msgspec.structs.replace(played.plan, models=models, config_version=version, port=1, console_port=1)


def test_a_plan_without_a_model_ends_its_engine_once_all_serve_it(played: Supervisor, clock: Clock) -> None:
    engine = next(child for child in played.children if child.kind == "engine")
    plan, port = change(played), played.plan.port
    assert played.apply(plan) == 2 == played.plan.workers
    assert played.plan.config_version == plan.config_version and played.plan.port == port != 1
    assert [child.kind for child in played.children] == ["keeper", "worker", "worker", "console"]
    assert played._retiring == [(engine, plan.config_version - 1)]
    cast(PlayedProcess, engine.process).code = None  # it takes its time
    played._end_retired(50.0)
    assert played._ending == [(engine, 56.0)]


def test_a_model_that_comes_gets_an_engine_and_one_that_comes_back_keeps_its_own(
    played: Supervisor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded, far = played.plan.models
    engine, launcher = (
        next(child for child in played.children if child.kind == "engine"),
        cast(Any, played._fork_server),
    )

    def make_engine(model: ModelPlan) -> Child:
        return Child(f"engine-{model.name}", [], (), socket=model.socket, launch=launcher.launch)

    monkeypatch.setattr(played, "_engine", make_engine)
    monkeypatch.setattr("steward.processes.supervisor._is_answering", lambda _: True)
    another = msgspec.structs.replace(embedded, name="n", socket=f"{embedded.socket}-n")
    played.apply(change(played, embedded, far, another))
    assert played.children[-1].name == "engine-n" and len(launcher.processes) == 6
    (further,) = [child for child in played.children if child.name == "engine-n"]
    played._retire([further], 1)
    played.apply(change(played, another))
    assert further in played.children and [child for child, _ in played._retiring] == [engine]
    played.apply(change(played, embedded, far))
    assert engine in played.children and [child for child, _ in played._retiring] == [further]
    assert len(launcher.processes) == 6  # nothing was started twice


def test_a_plan_that_no_worker_serves_is_given_up_for_the_old_one(played: Supervisor, clock: Clock) -> None:
    """After 30 seconds (docs/explanation: a swap)."""
    before = played.plan
    plan = msgspec.structs.replace(before, config_version=before.config_version + 1)
    with pytest.raises(Unavailable, match="not all workers serve it within 30 s"):
        played.apply(plan)
    assert played.plan is before and 30.0 < clock.now - 1000.0 < 30.03
    assert msgspec.json.decode(before.file().read_bytes(), type=type(before)) == before
    played._stopping = True
    with pytest.raises(Unavailable, match="steward is being stopped"):
        played.apply(plan)


def test_an_engine_that_cannot_start_is_told_of(played: Supervisor, clock: Clock) -> None:
    engine = next(child for child in played.children if child.kind == "engine")
    engine.exit_code = 1
    with pytest.raises(InputError, match="engine-m could not start; its message is in the log"):
        played._wait_until(lambda: False, [engine], 10.0, "a new model is not ready")


@pytest.mark.parametrize(("answer", "expected"), [(b"HTTP/1.0 200 OK", True), (b"HTTP/1.0 503 Busy", False)])
def test_an_engine_answers_once_its_models_can_be_listed(tmp_path: Path, answer: bytes, expected: bool) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                asked.append(connection.recv(1000))
                connection.sendall(answer + b"\r\n\r\n")

        asked: list[bytes] = []
        thread = Thread(target=serve)
        thread.start()
        assert _is_answering(Child("engine-m", [], (), socket=path)) is expected
        thread.join()
    assert asked[0].startswith(b"GET /v1/models HTTP/1.0\r\n")
    assert not _is_answering(Child("engine-m", [], (), socket=path + "-nobody"))


def test_the_gateway_is_asked_for_two_seconds_with_its_own_certificate(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def open_url(*arguments: object) -> Any:
        asked.append(arguments)
        return nullcontext()

    monkeypatch.setattr("steward.processes.supervisor.open_url", open_url)
    supervisor._store_ready.touch()
    assert supervisor._find_lack() == "" and asked == [(f"{supervisor.gateway_url}/readyz", 2, None)]


def test_the_consoles_first_password_is_hard_to_guess(supervisor: Supervisor) -> None:
    """24 bytes in base64url (RFC 4648): 32 characters."""
    assert len(supervisor.token_file.read_text()) == 32
