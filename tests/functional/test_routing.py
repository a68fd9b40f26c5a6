"""Routes over real upstreams that die, hang, refuse and recover; overload; shadows; timeouts apart."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import Deployment, inside, until
from steward.core.records import Attempt

CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
EARLY = b'data: {"error":{"message":"no room","type":"server_error","code":503}}\n\ndata: [DONE]\n\n'
REFUSAL = (
    b'data: {"error":{"message":"context too long","type":"invalid_request_error","code":400}}\n\ndata: [DONE]\n\n'
)


class Upstream(ThreadingHTTPServer):
    """Behaves as it is told, and remembers what it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        self.behaviour = "ok"
        self.seen: list[dict[str, Any]] = []
        self.gone: list[float] = []  # seconds from the first chunk to the gateway's hanging up
        self.pause_s = 0.0
        self.gate = threading.Event()  # while it is closed, no answer leaves
        self.gate.set()
        self.running = self.most = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Behaving)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def reset(self, behaviour: str) -> None:
        self.behaviour, self.seen, self.gone = behaviour, [], []

    def handle_error(self, *_: Any) -> None:
        """A connection that broke is part of the game."""


class Behaving(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Upstream

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self._whole(200, {"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with server.lock:
            server.seen.append(body)
            server.running += 1
            server.most = max(server.most, server.running)
        try:
            getattr(self, "_" + server.behaviour)(body)
        finally:
            with server.lock:
                server.running -= 1

    def _whole(self, status: int, value: Any, **headers: str) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-type": "application/json", "content-length": str(len(data)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(data)

    def _events(self, *events: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(event)

    def _ok(self, body: Any) -> None:
        self.server.gate.wait(60)
        time.sleep(self.server.pause_s)
        if body.get("stream"):
            self._events(CHUNK, CHUNK, LAST)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": body["model"]}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        self._whole(200, {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage})

    def _error(self, body: Any) -> None:
        self._whole(500, {"error": {"message": "down", "type": "x"}})

    def _busy(self, body: Any) -> None:
        self._whole(429, {"error": {"message": "slow down", "type": "x"}}, **{"retry-after-ms": "300"})

    def _busy_for_long(self, body: Any) -> None:
        self._whole(429, {"error": {"message": "slow down", "type": "x"}}, **{"retry-after": "90"})

    def _die(self, body: Any) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _hang(self, body: Any) -> None:
        self._gone(time.monotonic())

    def _stall(self, body: Any) -> None:
        self._events(CHUNK)
        self._gone(time.monotonic())

    def _early(self, body: Any) -> None:
        self._events(EARLY)

    def _refusing(self, body: Any) -> None:
        self._events(REFUSAL)

    def _empty(self, body: Any) -> None:
        self._events()

    def _gone(self, started: float) -> None:
        """Wait until the gateway hangs up."""
        self.close_connection = True
        if select.select([self.connection], [], [], 20)[0]:
            self.server.gone.append(time.monotonic() - started)


@pytest.fixture(scope="module")
def upstreams() -> Iterator[dict[str, Upstream]]:
    made = {name: Upstream() for name in ("one", "two", "ghost")}
    yield made
    for server in made.values():
        server.shutdown()
        server.server_close()


SETTINGS = """
gateway:
  {first_byte_timeout_s: 1.5, whole_timeout_s: 1.5, idle_timeout_s: 0.7, queue_wait_s: 20,
   health: {consecutive_failures: 4, open_s: 1, window_s: 5}}
routes:
  - {name: pair, targets: [{model: one}], fallback: [two], retries: 0}
  - {name: alone, targets: [{model: one}], retries: 1}
  - {name: sticky, targets: [{model: one}, {model: two}], sticky: subject}
  - {name: mirrored, targets: [{model: one}], shadow: {model: ghost, sample: 1.0}}
  - {name: narrow, targets: [{model: two}], concurrency: 2, queue: 3, retries: 0}
"""


@pytest.fixture(scope="module")
def routed(upstreams: dict[str, Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("routed")
    models = [f"  - {{name: {name}, backend: openai, url: '{server.url}'}}" for name, server in upstreams.items()]
    (folder / "steward.yaml").write_text("\n".join(["models:", *models, SETTINGS]))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


@pytest.fixture
def one(upstreams: dict[str, Upstream], routed: Deployment) -> Iterator[Upstream]:
    """The first upstream, in good health again before and after."""
    for server in upstreams.values():
        server.reset("ok")
        server.pause_s = 0.0
        server.gate.set()
    until(lambda: '"one"' in ask(routed, "pair")[1])
    for server in upstreams.values():
        server.reset("ok")
    yield upstreams["one"]


@pytest.fixture
def two(upstreams: dict[str, Upstream]) -> Upstream:
    return upstreams["two"]


def ask(routed: Deployment, model: str, stream: bool = False, more: Any = None, **headers: str) -> tuple[int, str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, **(more or {})}
    given = {"Authorization": f"Bearer {routed.key}", "Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"{routed.url}/v1/chat/completions", json.dumps(body).encode(), given)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def rows(routed: Deployment) -> list[dict[str, Any]]:
    """Settled rows, newest first."""
    lines = inside("tail", "--home", str(routed.home), "--json").stdout.splitlines()
    return [json.loads(line) for line in reversed(lines)]


FAILURES = ["error", "busy", "die", "hang"]


@pytest.mark.parametrize(
    ("behaviour", "stream"),
    [*((name, False) for name in FAILURES), *((name, True) for name in (*FAILURES, "early", "empty"))],
)
def test_another_model_answers_for_one_that_fails(
    routed: Deployment, one: Upstream, two: Upstream, behaviour: str, stream: bool
) -> None:
    one.behaviour = behaviour
    status, text, _ = ask(routed, "pair", stream)
    assert status == 200 and ("[DONE]" in text if stream else '"two"' in text)
    tries = 2 if behaviour == "die" else 1  # a connection that breaks at once may be a stale one of the pool
    assert 1 <= len(one.seen) <= tries and len(two.seen) == 1
    if behaviour == "hang":
        until(lambda: one.gone)  # the gateway does not leave it working for nobody


def test_every_try_is_in_the_record(routed: Deployment, one: Upstream) -> None:
    one.behaviour = "error"
    _, _, headers = ask(routed, "pair")
    query = "SELECT model, status, attempts FROM exchanges WHERE request_id = ?"
    with contextlib.closing(sqlite3.connect(f"file:{routed.home}/steward.db?mode=ro", uri=True)) as store:
        model, status, packed = until(lambda: store.execute(query, (headers["x-request-id"],)).fetchone())
    tries = msgspec.msgpack.decode(packed, type=tuple[Attempt, ...])
    assert (model, status) == ("two", 200)
    assert [(attempt.model, attempt.status) for attempt in tries] == [("one", 500), ("two", 200)]


def test_nothing_is_tried_after_the_first_byte(routed: Deployment, one: Upstream, two: Upstream) -> None:
    one.behaviour = "stall"
    status, text, _ = ask(routed, "pair", stream=True)
    assert status == 200 and text.count('"content":"hi"') == 1 and "no next byte of its answer within" in text
    assert text.endswith("data: [DONE]\n\n") and not two.seen


def test_a_refusal_at_the_start_of_a_stream_keeps_its_status(routed: Deployment, one: Upstream, two: Upstream) -> None:
    one.behaviour = "refusing"
    status, text, _ = ask(routed, "pair", stream=True)
    assert status == 400 and "context too long" in text and not two.seen


def test_the_same_model_is_retried_when_it_recovers(routed: Deployment, one: Upstream) -> None:
    one.behaviour = "busy"
    until_seen = threading.Thread(target=lambda: (until(lambda: one.seen), setattr(one, "behaviour", "ok")))
    until_seen.start()
    status, _, _ = ask(routed, "alone")
    until_seen.join()
    assert status == 200 and len(one.seen) == 2


def test_after_its_retries_the_client_is_told_not_to_multiply_them(routed: Deployment, one: Upstream) -> None:
    one.behaviour = "error"
    status, text, headers = ask(routed, "alone")
    assert status == 500 and "down" in text and headers["x-should-retry"] == "false" and len(one.seen) == 2


def test_a_long_pause_is_passed_on_to_the_client(
    routed: Deployment, one: Upstream, upstreams: dict[str, Upstream]
) -> None:
    ghost = upstreams["ghost"]
    ghost.behaviour = "busy_for_long"
    status, _, headers = ask(routed, "ghost")
    assert status == 429 and headers["retry-after"] == "90" and len(ghost.seen) == 1
    ghost.behaviour = "ok"
    assert ask(routed, "ghost")[0] == 200  # alone on its route, it is asked all the same


def test_the_breaker_opens_probes_and_closes(routed: Deployment, one: Upstream, two: Upstream) -> None:
    one.behaviour = "error"
    for _ in range(4):
        ask(routed, "pair")
    asked = len(one.seen)  # fewer than 4 where failures of an earlier test are still in the window
    assert 1 <= asked <= 4
    assert ask(routed, "pair")[0] == 200 and len(one.seen) == asked and len(two.seen) == 5  # open: not even asked
    status, text, headers = ask(routed, "one")
    assert status == 503 and "failed repeatedly" in text and 1 <= int(headers["retry-after"]) <= 2
    until(lambda: ask(routed, "pair")[0] == 200 and len(one.seen) == asked + 1)  # half open: one probe
    one.behaviour = "ok"
    until(lambda: '"one"' in ask(routed, "pair")[1])


def test_a_sticky_subject_stays(routed: Deployment, one: Upstream, two: Upstream) -> None:
    for name in ("anna", "ben", "carla", "dora", "emil", "frieda", "gustav", "hanna"):
        texts = {ask(routed, "sticky", **{"x-steward-subject": name})[1] for _ in range(3)}
        assert len(texts) == 1
    assert one.seen and two.seen


def test_a_shadow_sees_the_request_and_the_client_not_the_shadow(
    routed: Deployment, one: Upstream, upstreams: dict[str, Upstream]
) -> None:
    tool = {"type": "function", "function": {"name": "pay", "parameters": {}}}
    status, text, _ = ask(routed, "mirrored", more={"tools": [tool], "tool_choice": "auto", "temperature": 0.5})
    assert status == 200 and "ghost" not in text
    copied = until(lambda: upstreams["ghost"].seen)[0]
    assert copied["messages"] == one.seen[0]["messages"] and copied["temperature"] == 0.5
    assert "tools" in one.seen[0] and not {"tools", "tool_choice"} & set(copied)
    paid, shadow = until(lambda: (found := rows(routed)[:2])[0]["route"] == found[1]["route"] == "mirrored" and found)
    if paid["key_id"] == "shadow":
        paid, shadow = shadow, paid
    assert paid["key_id"] != "shadow" and (paid["model"], shadow["model"]) == ("one", "ghost")
    assert shadow["request_id"] == f"{paid['request_id']}-shadow" and shadow["output_tokens"] == 2


def test_a_shadow_that_hangs_delays_nobody(routed: Deployment, one: Upstream, upstreams: dict[str, Upstream]) -> None:
    upstreams["ghost"].behaviour = "hang"
    started = time.monotonic()
    for _ in range(20):
        assert ask(routed, "mirrored")[0] == 200
    until(lambda: upstreams["ghost"].seen)
    rounds = 1 + (time.monotonic() - started) // 1.5
    assert len(upstreams["ghost"].seen) <= 8 * rounds  # eight at a time, each for the 1.5 s of its first byte


@pytest.mark.parametrize("behaviour", ["hang", "stall"])
def test_a_client_that_hangs_up_ends_the_work_upstream(routed: Deployment, one: Upstream, behaviour: str) -> None:
    one.behaviour = behaviour
    before = {row["request_id"] for row in rows(routed)}
    host, port = routed.url.removeprefix("http://").split(":")
    body = b'{"model":"one","messages":[],"stream":true}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {routed.key}\r\n"
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda: one.seen)
        if behaviour == "stall":
            answered = b""
            while b"data: " not in answered:  # the head may come by itself
                answered += client.recv(65536)
            assert b"200 OK" in answered
    until(lambda: one.gone)
    # a row of the test before may arrive meanwhile
    ended = until(lambda: [one for one in rows(routed) if one["request_id"] not in before and one["outcome"] != "ok"])
    (row,) = [one for one in ended if one["route"] == "one"]
    assert row["outcome"] == "client_closed"
    assert row["output_tokens"] == (1 if behaviour == "stall" else 0)


def test_the_clients_own_deadline_is_kept(routed: Deployment, one: Upstream) -> None:
    one.behaviour = "hang"
    for _ in range(6):  # more than open the breaker: a client's haste is no failure of the model
        status, text, _ = ask(routed, "one", **{"x-stainless-read-timeout": "0.2"})
        assert status == 504 and "0.2 s" in text
    one.behaviour = "ok"
    assert ask(routed, "one")[0] == 200


@contextlib.contextmanager
def crowd(routed: Deployment, count: int, **headers: str) -> Iterator[list[tuple[int, str, Any]]]:
    """Clients that ask at once; their answers, as they come. All have come when the block ends."""
    answers: list[tuple[int, str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(routed, "narrow", **headers))) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        for thread in threads:
            thread.join()


def shown(routed: Deployment, name: str) -> list[int]:
    """What `/metrics` says of the route `narrow`, once for each worker."""
    with urllib.request.urlopen(f"{routed.console_url}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    start = f'steward_requests_{name}{{gen_ai_request_model="narrow"}} '
    return [int(line.removeprefix(start)) for line in lines if line.startswith(start)]


def test_overload_is_shed_and_what_is_admitted_keeps_its_latency(
    routed: Deployment, one: Upstream, two: Upstream
) -> None:
    two.most = 0
    two.gate.clear()
    with crowd(routed, 12) as answers:
        until(lambda: len(answers) == 7)
        two.gate.set()
    shed = [answer for answer in answers if answer[0] == 503]
    assert (
        len(answers) == 12
        and len(shed) == 7
        and all(json.loads(text)["error"]["code"] == "overloaded" for _, text, _ in shed)
    )
    assert all(int(headers["retry-after"]) >= 1 for _, _, headers in shed)
    assert two.most == 2 and len(two.seen) == 5  # never more than the route's concurrency upstream


def test_who_waits_and_who_runs_is_on_metrics(routed: Deployment, one: Upstream, two: Upstream) -> None:
    two.gate.clear()
    with crowd(routed, 5):
        until(lambda: (shown(routed, "running"), shown(routed, "waiting")) == ([2], [3]))
        two.gate.set()
    until(lambda: (shown(routed, "running"), shown(routed, "waiting")) == ([0], [0]))


def test_who_cannot_be_served_in_time_is_told_at_once(routed: Deployment, one: Upstream, two: Upstream) -> None:
    two.pause_s = 0.5
    ask(routed, "narrow")  # from here on the line knows how long a place is held
    with crowd(routed, 4, **{"x-stainless-read-timeout": "0.7"}) as answers:
        pass
    late = [text for status, text, _ in answers if status != 200]
    assert late and all("too late" in text or "within 0.7 s" in text for text in late)
    until(lambda: ask(routed, "narrow")[0] == 200)


def test_a_client_that_leaves_the_queue_is_not_served(routed: Deployment, one: Upstream, two: Upstream) -> None:
    two.gate.clear()
    host, port = routed.url.removeprefix("http://").split(":")
    body = b'{"model":"narrow","messages":[]}'
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {routed.key}\r\n"
    sockets = []
    for number in range(4):
        sockets.append(socket.create_connection((host, int(port))))
        sockets[-1].sendall(head.encode() + f"content-length: {len(body)}\r\n\r\n".encode() + body)
        until(lambda number=number: len(two.seen) == min(number + 1, 2))
    until(lambda: shown(routed, "waiting") == [2])
    for client in sockets[2:]:
        client.close()
    until(lambda: shown(routed, "waiting") == [0])
    for client in sockets[:2]:
        client.close()
    two.gate.set()
    until(lambda: two.running == 0)
    assert ask(routed, "narrow")[0] == 200 and len(two.seen) == 3


def test_priorities_are_checked(routed: Deployment, one: Upstream) -> None:
    assert ask(routed, "one", **{"x-steward-priority": "low"})[0] == 200
    status, text, _ = ask(routed, "one", **{"x-steward-priority": "urgent"})
    assert status == 400 and "high, normal or low" in text


def test_stopping_ends_shadows_and_settles_them(upstreams: dict[str, Upstream], tmp_path: Path) -> None:
    for server in upstreams.values():
        server.reset("ok")
    upstreams["ghost"].behaviour = "hang"
    models = [f"  - {{name: {name}, backend: openai, url: '{server.url}'}}" for name, server in upstreams.items()]
    route = "routes: [{name: mirrored, targets: [{model: one}], shadow: {model: ghost}}]"
    (tmp_path / "steward.yaml").write_text("\n".join(["models:", *models, route]))
    stopping = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    try:
        assert ask(stopping, "mirrored")[0] == 200
        until(lambda: upstreams["ghost"].seen)
    finally:
        stopping.stop()
    until(lambda: upstreams["ghost"].gone)
    assert {row["name"]: row["requests"] for row in by_key(stopping)}["shadow"] == 1


def by_key(deployment: Deployment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        inside("usage", "--by", "key", "--home", str(deployment.home), "--json").stdout
    )["by"]
    return found


def test_a_key_has_a_priority(tmp_path: Path) -> None:
    home = tmp_path / "home"
    inside("keys", "create", "--name", "batch", "--priority", "low", "--home", str(home))
    assert json.loads(inside("keys", "list", "--home", str(home), "--json").stdout)[0]["priority"] == "low"
    assert inside("keys", "create", "--name", "x", "--priority", "urgent", "--home", str(home)).returncode == 2
