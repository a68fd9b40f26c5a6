"""The configuration changes while requests are being answered; each is answered whole, by one version."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from conftest import Deployment, inside, mock, until
from steward import starter
from steward.core.identity import operator
from steward.core.records import Admitted
from steward.gateway.ledger import decode_frames
from steward.workflows.reload import request_reload


class Configured(Deployment):
    """A deployment with a steward.yaml of its own."""

    def __init__(self, folder: Path, text: str, *arguments: str, watch: bool = False) -> None:
        self.file = folder / "steward.yaml"
        self.file.write_text(text)
        os.environ["STEWARD_WATCH"] = str(watch).lower()  # a watched file may be taken before the command asks
        try:
            super().__init__(folder / "home", "--config", str(self.file), *arguments)
        finally:
            del os.environ["STEWARD_WATCH"]

    @property
    def version(self) -> int:
        version: int = self.state()["config_version"]
        return version

    def command(self, *arguments: str) -> CompletedProcess[str]:
        return inside(*arguments, "--home", str(self.home))

    def reload(self, text: str) -> dict[str, Any]:
        self.file.write_text(text)
        ended = self.command("reload", "--json")
        assert ended.stdout, ended.stderr
        report: dict[str, Any] = json.loads(ended.stdout)
        return report

    def ask(self, model: str, stream: bool = False) -> tuple[int, bytes]:
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def rows(self, what: str) -> list[Any]:
        with closing(sqlite3.connect(self.home / "steward.db")) as store:
            return store.execute(f"select {what} from exchanges order by at").fetchall()


def text(fast: str, slow: str, price: float | None = None, more: str = "") -> str:
    priced = f", price: {{input: {price}, output: {price}}}" if price is not None else ""
    return (
        f"models:\n  - {{name: mock, backend: openai, url: '{fast}'{priced}}}\n"
        f"  - {{name: slow, backend: openai, url: '{slow}', upstream_model: mock{priced}}}\n{more}"
    )


Start = Callable[..., Configured]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Configured] = []

    def begin(first: str, *arguments: str, watch: bool = False) -> Configured:
        started.append(Configured(tmp_path, first, *arguments, watch=watch))
        return started[-1]

    yield begin
    for deployment in started:
        deployment.stop()


@pytest.fixture(scope="module")
def long_upstream() -> Iterator[str]:
    """Streams that last ten seconds."""
    yield from mock("--chunks", "100", "--gap-ms", "100")


def admitted(home: Path) -> int:
    """Requests that the ledger's files have admitted; they lie there until the writer rotates."""
    files = (home / "ledger").glob("*.seg")
    return sum(isinstance(item, Admitted) for path in files for item in decode_frames(path.read_bytes())[0])


def test_no_request_is_dropped_under_load(start: Start, upstream: str, long_upstream: str) -> None:
    deployment = start(text(upstream, long_upstream), "--workers", "2")
    stop = threading.Event()
    streams: list[tuple[int, bytes]] = []
    short: list[int] = []

    def stream() -> None:
        streams.append(deployment.ask("slow", stream=True))

    def load() -> None:
        while not stop.is_set():
            short.append(deployment.ask("mock")[0])

    threads = [threading.Thread(target=stream) for _ in range(12)] + [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: admitted(deployment.home) > 15)  # every reload happens while the streams are open
    limits = "limits: {default: {requests_per_minute: 50000}}\n"
    routes = "routes: [{name: both, targets: [{model: mock}], fallback: [slow]}]\n"
    reports = []
    try:
        for price, more in ((1.0, ""), (1.0, routes), (2.0, routes + limits)):
            deployment.file.write_text(text(upstream, long_upstream, price, more))
            reports.append(request_reload(deployment.home, deployment.state()["pid"], operator(0)))
        open_streams = 12 - len(streams)
        assert deployment.ask("both")[0] == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [(item.outcome, item.version, item.workers) for item in reports] == [
        ("applied", 2, 2),
        ("applied", 3, 2),
        ("applied", 4, 2),
    ]
    assert open_streams == 12, "a stream ended before the swaps did: the test proves nothing"
    assert [status for status, _ in streams] == [200] * 12
    assert all(body.endswith(b"data: [DONE]\n\n") and body.count(b'"content"') == 100 for _, body in streams)
    assert set(short) == {200}
    until(lambda: len(deployment.rows("1")) == 12 + len(short) + 1)
    rows = deployment.rows("model, outcome, route_version, usd, input_tokens + output_tokens, route")
    assert {row[1] for row in rows} == {"ok"}
    assert {row[2] for row in rows if row[0] == "slow"} == {1}, "an exchange keeps the version that it started with"
    assert {row[2] for row in rows if row[0] == "mock"} >= {1, 4}
    prices = {1: None, 2: 1.0, 3: 1.0, 4: 2.0}
    for model, _, version, usd, tokens, _ in rows:
        expected = None if prices[version] is None else pytest.approx(prices[version] * tokens / 1e6)
        assert usd == expected, (model, version)


def test_a_model_that_leaves_finishes_its_streams(start: Start, upstream: str, slow_upstream: str) -> None:
    deployment = start(text(upstream, slow_upstream), "--workers", "1")
    answers: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: answers.append(deployment.ask("slow", stream=True)))
    thread.start()
    time.sleep(0.5)
    report = deployment.reload(f"models: [{{name: mock, backend: openai, url: '{upstream}'}}]\n")
    assert report["outcome"] == "applied"
    assert {item["key"] for item in report["changes"]} >= {"models[slow].url", "models[slow].name"}
    assert deployment.ask("slow")[0] == 404 and deployment.ask("mock")[0] == 200
    thread.join()
    assert answers[0][0] == 200 and answers[0][1].endswith(b"data: [DONE]\n\n")


def test_a_bad_file_leaves_the_old_version_serving(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream))
    deployment.file.write_text(text(upstream, upstream, 1.0, "routes: [{name: r, targets: [{model: mokc}]}]\n"))
    ended = deployment.command("reload")
    assert ended.returncode == 2 and "version 1 is still serving" in ended.stderr
    assert f"{deployment.file}:4: unknown model (in route 'r') 'mokc'; did you mean 'mock'?" in ended.stderr
    assert deployment.ask("mock")[0] == 200 and deployment.version == 1
    assert "did you mean 'mock'?" in deployment.command("status").stdout
    assert "version 1 is still serving" in deployment.log.read_text()
    deployment.file.write_text("models: [\n")
    ended = deployment.command("reload")
    assert ended.returncode == 2 and f"{deployment.file}:2: not valid YAML" in ended.stderr
    assert deployment.reload(text(upstream, upstream, 1.0))["version"] == 2
    assert deployment.state()["config_error"] is None


def test_what_needs_a_restart_is_named_and_nothing_is_half_applied(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream))
    changed = text(upstream, upstream, 1.0, "gateway:\n  drain_s: 7\nstore: {kind: postgresql, url: 'env:NONE'}\n")
    deployment.file.write_text(changed)
    os.environ.pop("NONE", None)
    assert deployment.command("reload").returncode == 2  # the secret cannot be resolved
    report = deployment.reload(text(upstream, upstream, 1.0, "gateway:\n  drain_s: 7\n"))
    assert report["outcome"] == "refused" and report["version"] == 1
    assert [(item["key"], item["after"]) for item in report["restart"]] == [("gateway.drain_s", 7.0)]
    assert "steward.yaml:5: gateway.drain_s: 30.0 → 7.0" in report["error"]
    assert len(report["changes"]) > 1
    deployment.ask("mock")
    until(lambda: deployment.rows("usd") == [(None,)])  # the price did not change either


def test_a_changed_file_is_followed(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream), watch=True)
    deployment.file.write_text("models: [")
    until(lambda: deployment.state()["config_error"])
    deployment.file.write_text(text(upstream, upstream, 3.0))
    until(lambda: deployment.version == 2 and deployment.state()["config_error"] is None)
    deployment.file.write_text("# a comment\n" + text(upstream, upstream, 3.0))
    report = json.loads(deployment.command("reload", "--json").stdout)
    assert (report["outcome"], report["version"]) == ("unchanged", 2)


def test_dry_run_changes_nothing(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream))
    saved = deployment.file.read_text()
    deployment.file.write_text(text(upstream, upstream, 3.0))
    shown = deployment.command("reload", "--dry-run").stdout
    deployment.file.write_text(saved)
    assert "models[mock].price.input: none → 3.0" in shown and "Nothing was changed" in shown
    assert deployment.version == 1 and len(json.loads(deployment.command("config", "history", "--json").stdout)) == 1


def test_rollback_serves_the_earlier_version_as_the_newest(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream, 1.0))
    assert deployment.reload(text(upstream, upstream, 2.0))["version"] == 2
    shown = deployment.command("config", "diff", "1", "2").stdout
    assert "-  - {name: mock" in shown and "price: {input: 2.0" in shown
    ended = deployment.command("config", "rollback", "1", "--json")
    assert json.loads(ended.stdout)["version"] == 3, ended.stderr
    assert deployment.file.read_text() == text(upstream, upstream, 1.0)
    saved = deployment.file.with_name("steward.yaml.before-rollback")
    assert saved.read_text() == text(upstream, upstream, 2.0)
    history = json.loads(deployment.command("config", "history", "--json").stdout)
    assert [(item["version"], item["note"]) for item in history] == [(1, ""), (2, ""), (3, "rollback to 1")]
    ended = deployment.command("config", "rollback", "9")
    assert ended.returncode == 2 and "unknown configuration version '9'" in ended.stderr
    files = list((deployment.home / "config").iterdir())
    assert len(files) == 6 and all(path.stat().st_mode & 0o077 == 0 for path in files)
    deployment.stop()
    assert (
        "next `steward up`"
        in inside("config", "rollback", "2", "--home", str(deployment.home), "--config", str(deployment.file)).stdout
    )
    assert deployment.file.read_text() == text(upstream, upstream, 2.0)


def test_the_number_goes_on_after_a_restart(start: Start, upstream: str, tmp_path: Path) -> None:
    first = start(text(upstream, upstream))
    assert first.reload(text(upstream, upstream, 2.0))["version"] == 2
    first.stop()
    again = start(text(upstream, upstream, 2.0))
    assert again.version == 2
    again.stop()
    assert start(text(upstream, upstream, 5.0)).version == 3


def test_a_rotated_secret_is_taken(start: Start, upstream: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one")
    keyed = f"models: [{{name: mock, backend: openai, url: '{upstream}', key: 'file:{secret}'}}]\n"
    deployment = start(keyed)
    secret.write_text("two")
    report = deployment.reload(keyed)
    assert [item["key"] for item in report["changes"]] == ["models[mock] (secret)"] and report["version"] == 2
    assert "two" not in json.dumps(report)


def test_a_killed_worker_comes_back_with_the_newest_version(start: Start, upstream: str) -> None:
    deployment = start(text(upstream, upstream), "--workers", "1")
    deployment.reload(text(upstream, upstream, 1.0))
    before = deployment.pid("worker-0")
    os.kill(before or 0, 9)
    until(lambda: deployment.pid("worker-0") not in (None, before))
    deployment.ask("mock")
    until(lambda: deployment.rows("route_version") == [(2,)])


def test_an_embedded_model_is_replaced_without_a_gap(start: Start) -> None:
    pytest.importorskip("xllamacpp")
    small = "models: [{name: starter, backend: embedded, context: 512, slots: 2, threads: 1}]\n"
    deployment = start(small, "--workers", "1")
    old = deployment.pid("engine-starter")
    stop = threading.Event()
    statuses: list[int] = []

    def load() -> None:
        while not stop.is_set():
            statuses.append(deployment.ask("starter", stream=True)[0])

    thread = threading.Thread(target=load)
    thread.start()
    report = deployment.reload(small.replace("512", "1024"))
    time.sleep(0.5)
    stop.set()
    thread.join()
    assert report["outcome"] == "applied" and set(statuses) == {200}
    assert deployment.pid("engine-starter") not in (None, old)
    until(lambda: not Path(f"/proc/{old}").exists())
    cut_off = starter.path().read_bytes()[: 2 * starter.path().stat().st_size // 3]  # its head is whole
    (deployment.file.parent / "bad.gguf").write_bytes(cut_off)
    bad = small.replace("context", f"path: '{deployment.file.parent / 'bad.gguf'}', context")
    report = deployment.reload(bad)
    assert report["outcome"] == "refused" and "engine-starter could not start" in report["error"]
    assert deployment.ask("starter")[0] == 200 and deployment.version == 2
    history = json.loads(deployment.command("config", "history", "--json").stdout)
    assert [item["outcome"] for item in history] == ["serving", "serving", "failed"]
    assert deployment.reload(small)["version"] == 4  # the number of a version that failed is not given again
