"""Processes die and come back; nothing settled is lost and nobody is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from conftest import Deployment, inside, mock, run, until
from steward.gateway.ledger import decode_frames
from steward.starter import path as starter_path


@pytest.fixture
def alone(upstream: str, tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path / "home", "--workers", "2", "--model", upstream)
    yield deployment
    deployment.stop()


def ask(deployment: Deployment, stream: bool = False) -> bytes:
    body = json.dumps({"model": "mock", "messages": [], "stream": stream}).encode()
    headers = {"Authorization": f"Bearer {deployment.key}", "Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers), timeout=60
    ) as got:
        answer: bytes = got.read()
        return answer


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.parametrize("name", ["worker-0", "worker-1", "keeper", "console"])
def test_a_killed_process_comes_back_and_loses_nothing(alone: Deployment, name: str) -> None:
    for _ in range(5):
        ask(alone)
    before = alone.pid(name)
    assert before
    os.kill(before, signal.SIGKILL)
    until(lambda: alone.pid(name) not in (None, before))
    for _ in range(5):
        ask(alone)
    until(lambda: alone.usage()["requests"] == 10)
    assert alone.usage()["errors"] == 0


def find_fork_server(deployment: Deployment) -> int | None:
    """The supervisor's child of this name."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (
                parent == deployment.process.pid
                and b"steward.processes.fork_server" in (folder / "cmdline").read_bytes()
            ):
                return int(folder.name)
    return None


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone")
def test_a_killed_fork_server_comes_back_and_nobody_misses_it(alone: Deployment) -> None:
    before, pids = find_fork_server(alone), [item["pid"] for item in alone.state()["processes"]]
    assert before
    os.kill(before, signal.SIGKILL)
    ask(alone)
    worker = alone.pid("worker-0") or 0
    os.kill(worker, signal.SIGKILL)
    until(lambda: alone.pid("worker-0") not in (None, worker))
    until(lambda: find_fork_server(alone) not in (None, before))
    assert [alone.pid(name) for name in ("keeper", "worker-1", "console")] == [pids[0], pids[2], pids[3]]
    keeper = alone.pid("keeper") or 0
    os.kill(keeper, signal.SIGKILL)
    until(lambda: alone.pid("keeper") not in (None, keeper))
    ask(alone)
    assert alone.settled_usage()["requests"] == 2


def test_a_keeper_that_is_down_at_the_end_leaves_nothing_behind(alone: Deployment) -> None:
    os.kill(alone.pid("keeper") or 0, signal.SIGSTOP)  # it moves nothing more
    for _ in range(5):
        ask(alone)
    os.kill(alone.pid("keeper") or 0, signal.SIGKILL)
    alone.stop()
    assert alone.usage()["requests"] == 5 and not list((alone.home / "ledger").iterdir())


def admitted(home: Path) -> int:
    """Requests that the ledger's files have admitted."""
    return sum(len(decode_frames(path.read_bytes())[0]) for path in (home / "ledger").glob("*.seg"))


@pytest.fixture
def streaming(slow_upstream: str, tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path / "home", "--workers", "2", "--model", slow_upstream)
    yield deployment
    deployment.stop()


def test_killed_in_mid_request_is_settled_as_lost(streaming: Deployment) -> None:
    failures: list[Exception] = []

    def stream() -> None:
        try:
            ask(streaming, stream=True)
        except (OSError, HTTPException) as error:
            failures.append(error)

    threads = [threading.Thread(target=stream) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: admitted(streaming.home) == 8)
    for number in range(2):
        os.kill(streaming.pid(f"worker-{number}") or 0, signal.SIGKILL)
    for thread in threads:
        thread.join()
    until(lambda: streaming.usage()["requests"] == len(failures) == 8)
    assert inside("tail", "--home", str(streaming.home)).stdout.count("lost") == 8


def test_sigterm_lets_streams_finish(streaming: Deployment) -> None:
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(ask(streaming, stream=True)))
    thread.start()
    until(lambda: admitted(streaming.home) == 1)
    streaming.process.send_signal(signal.SIGTERM)
    thread.join()
    assert answers and answers[0].endswith(b"data: [DONE]\n\n")
    assert streaming.process.wait(60) == 0
    usage = streaming.usage()
    assert (usage["requests"], usage["errors"], usage["output_tokens"]) == (1, 0, 40)


@pytest.fixture
def long_streams(tmp_path: Path) -> Iterator[Deployment]:
    """Streams that last five minutes, and a stop that waits as long for them."""
    with contextlib.contextmanager(mock)("--chunks", "3000", "--gap-ms", "100") as url:
        settings = f"gateway: {{drain_s: 300}}\nmodels: [{{name: mock, backend: openai, url: '{url}'}}]\n"
        (tmp_path / "steward.yaml").write_text(settings)
        deployment = Deployment(tmp_path / "home", "--workers", "2", "--config", str(tmp_path / "steward.yaml"))
        yield deployment
        deployment.stop()


def test_a_second_signal_cuts_streams_off(long_streams: Deployment) -> None:
    failures: list[Exception] = []

    def stream() -> None:
        try:
            ask(long_streams, stream=True)
        except (OSError, HTTPException) as error:
            failures.append(error)

    def refuses() -> bool:
        address = urllib.parse.urlsplit(long_streams.url)
        try:
            socket.create_connection((str(address.hostname), int(address.port or 0)), 5).close()
        except OSError:
            return True
        return False

    thread = threading.Thread(target=stream)
    thread.start()
    until(lambda: admitted(long_streams.home) == 1)
    long_streams.process.send_signal(signal.SIGINT)
    until(refuses)
    long_streams.process.send_signal(signal.SIGINT)
    assert long_streams.process.wait(120) == 0
    thread.join()
    assert failures and long_streams.usage()["requests"] == 1


def test_no_orphan_after_the_supervisor_is_killed(alone: Deployment) -> None:
    pids = [item["pid"] for item in alone.state()["processes"]]
    pids += [pid for pid in (find_fork_server(alone),) if pid]
    assert all(alive(pid) for pid in pids)
    alone.process.kill()
    alone.process.wait()
    until(lambda: not any(alive(pid) for pid in pids))
    ended = inside("status", "--home", str(alone.home))
    assert ended.returncode == 1 and "Not running" in ended.stdout and "steward up" in ended.stdout
    assert json.loads(inside("status", "--home", str(alone.home), "--json").stdout)["ready"] is False


def test_port_in_use(tmp_path: Path, upstream: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("up", "--home", str(tmp_path / "home"), "--port", port, "--model", upstream)
    assert ended.returncode == 2 and f"127.0.0.1:{port} is taken" in ended.stderr and "--port" in ended.stderr


def test_one_home_runs_once(alone: Deployment, upstream: str) -> None:
    ended = run("up", "--home", str(alone.home), "--port", "0", "--console-port", "0", "--model", upstream)
    assert ended.returncode == 2 and "already running" in ended.stderr


def test_missing_upstream_and_missing_file(tmp_path: Path) -> None:
    ended = run("up", "--home", str(tmp_path / "h"), "--model", "http://127.0.0.1:9")
    assert ended.returncode == 4 and "no list of models" in ended.stderr
    ended = run("up", "--home", str(tmp_path / "h"), "--model", "nothing.gguf")
    assert ended.returncode == 2 and "no such file" in ended.stderr


def test_damaged_store(tmp_path: Path, upstream: str) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "steward.db").write_bytes(b"this was a database once" * 1000)
    arguments = ["--home", str(tmp_path / "h"), "--port", "0", "--console-port", "0", "--model", upstream]
    ended = run("up", *arguments)
    assert ended.returncode == 2 and "damaged" in ended.stderr and "Traceback" not in ended.stderr
    ended = inside("usage", "--home", str(tmp_path / "h"))
    assert ended.returncode == 2 and "damaged" in ended.stderr and "Traceback" not in ended.stderr


def test_truncated_gguf(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")
    (tmp_path / "half.gguf").write_bytes(starter_path().read_bytes()[:1_000_000])
    arguments = ["--port", "0", "--console-port", "0", "--model", str(tmp_path / "half.gguf")]
    ended = run("up", "--home", str(tmp_path / "h"), *arguments)
    assert ended.returncode == 2 and "is the file whole?" in ended.stderr and "Traceback" not in ended.stderr


def test_corrupt_gguf(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"not a model, but long enough to look like one")
    arguments = ["--port", "0", "--console-port", "0", "--model", str(tmp_path / "bad.gguf")]
    ended = run("up", "--home", str(tmp_path / "h"), *arguments)
    assert ended.returncode == 2 and "not a GGUF file" in ended.stderr
