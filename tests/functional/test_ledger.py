"""One settled row for every admitted request, on every endpoint, whatever client and upstream do."""

from __future__ import annotations

import contextlib
import http.client
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from conftest import Deployment, inside, mock, until
from steward.gateway.middleware.identify import pseudonym
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys

HI = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HI},
    "/v1/completions": {"prompt": "hi"},
    "/v1/embeddings": {"input": "hi"},
    "/v1/messages": {"messages": HI, "max_tokens": 9},
    "/v1/responses": {"input": "hi"},
}
STREAMED = [endpoint for endpoint in BODIES if endpoint != "/v1/embeddings"]


def whole(**fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}  # for who asked for embeddings
    answer = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "data": [vector]}
    return json.dumps(answer | fields).encode()


def events(**fields: Any) -> bytes:
    delta = {"id": "c", "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}], **fields}
    last = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage = {"choices": [], **fields}
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in (delta, last, usage)) + DONE


DONE = b"data: [DONE]\n\n"
COUNTS: dict[str, Any] = {
    "huge": {"prompt_tokens": 10**30, "completion_tokens": 2**63},
    "negative": {"prompt_tokens": -5, "completion_tokens": -1},
    "text": {"prompt_tokens": "seven", "completion_tokens": [1]},
    "none": None,
    "list": [1, 2],
}
GARBAGE: dict[str, Callable[[bool], bytes]] = {
    **{f"usage-{name}": lambda s, c=count: (events if s else whole)(usage=c) for name, count in COUNTS.items()},
    "odd-id": lambda s: (events if s else whole)(id="a\ud800\x00b" + "x" * 1000),
    "number-id": lambda s: (events if s else whole)(id=7),
    "html": lambda _: b"<html>",
    "array": lambda _: b"data: [1]\n\n",
    "empty": lambda _: b"",
    "no-choice": lambda s: b"data: {}\n\n" + DONE if s else b"{}",
    "choices-text": lambda s: b'data: {"choices":"x"}\n\n' + DONE if s else b'{"choices":"x"}',
    "binary": lambda _: bytes(range(256)) * 20,
    "deep": lambda s: b'data: {"choices":' + b"[" * 5000 + b"]" * 5000 + b"}\n\n" if s else b"[" * 5000,
}


class Upstream(BaseHTTPRequestHandler):
    """Answers as the model's name says."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        streamed, model = bool(asked.get("stream")), asked["model"]
        if model == "silent":
            time.sleep(4.5)
        if model in ("silent", "dies"):
            return  # the connection closes without a word
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        if model == "half":
            self.send_header("content-length", "5000")
        self.end_headers()
        with contextlib.suppress(OSError):
            if model == "slow":
                for _ in range(30):
                    self.wfile.write(events().split(b"\n\n")[0] + b"\n\n")
                    time.sleep(0.1)
            self.wfile.write(GARBAGE.get(model, lambda s: (events if s else whole)())(streamed))


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server = Server(("127.0.0.1", 0), Upstream)
    Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("kept")
    url = f"http://127.0.0.1:{server.server_address[1]}"
    lines = ["gateway: {max_body_bytes: 5000, first_byte_timeout_s: 3, whole_timeout_s: 3}", "models:"]
    for name in (*GARBAGE, "good", "slow", "silent", "dies", "half"):
        lines += [f"  - {{name: {name}, backend: openai, url: '{url}'}}"]
        lines += [f"  - {{name: own-{name}, backend: openai, upstream_model: {name}, url: '{url}',"]
        lines += ["     speaks: [responses, messages]}"]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()
    server.shutdown()
    server.server_close()
    log = deployment.log.read_text()
    assert "Traceback" not in log, log


def begun(kept: Deployment, endpoint: str, name: str, body: dict[str, Any]) -> http.client.HTTPConnection:
    """A request that was sent, under a name of its own, and whose answer nobody has read."""
    connection = http.client.HTTPConnection(kept.url.removeprefix("http://"), timeout=60)
    headers = {"authorization": f"Bearer {kept.key}", "x-steward-conversation": name}
    connection.request("POST", endpoint, json.dumps({**BODIES[endpoint], **body}), headers)
    return connection


def outcomes(kept: Deployment, names: list[str]) -> dict[str, list[str]]:
    """The outcomes of all rows of each name."""
    key = WorkerKeys(find_deployment(kept.home)).subject_key("default")
    with contextlib.closing(sqlite3.connect(kept.home / "steward.db")) as store:
        rows = store.execute("select conversation, outcome from exchanges").fetchall()
    return {name: [o for c, o in rows if c == pseudonym(key, "default", name)] for name in names}


def settled(kept: Deployment, names: list[str]) -> dict[str, str]:
    """The one outcome of each name, once all have one; then one more round of the keeper, for those that had two."""
    until(lambda: all(outcomes(kept, names).values()))
    time.sleep(0.5)
    found = outcomes(kept, names)
    assert all(len(seen) == 1 for seen in found.values()), found
    return {name: seen[0] for name, seen in found.items()}


def count(kept: Deployment, table: str) -> int:
    with contextlib.closing(sqlite3.connect(kept.home / "steward.db")) as store:
        return int(store.execute(f"select count(*) from {table}").fetchone()[0])


@pytest.mark.parametrize(
    ("endpoint", "streamed"), [*((one, False) for one in BODIES), *((one, True) for one in STREAMED)]
)
def test_garbage_from_an_upstream_settles_once(kept: Deployment, endpoint: str, streamed: bool) -> None:
    models = [f"{own}{model}" for model in (*GARBAGE, "good", "dies", "half") for own in ("", "own-")]
    names = [f"{endpoint} {streamed} {model}" for model in models]
    for name, model in zip(names, models, strict=True):
        connection = begun(kept, endpoint, name, {"model": model, "stream": streamed})
        with contextlib.suppress(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
    found = settled(kept, names)
    assert found[f"{endpoint} {streamed} good"] == "ok" and "lost" not in found.values()
    bad = ("html", "empty", "array", "binary", "dies", *(() if streamed else ("half",)))  # a stream is over at [DONE]
    assert {found[f"{endpoint} {streamed} {name}"] for name in bad} <= {"upstream_error", "truncated"}
    assert count(kept, "outstanding") == 0


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_client_that_hangs_up_settles_once_if_it_was_admitted(kept: Deployment, endpoint: str) -> None:
    begun(kept, endpoint, f"{endpoint} waiting", {"model": "silent"}).close()
    names = [f"{endpoint} waiting"]
    if endpoint in STREAMED:
        names.append(f"{endpoint} reading")
        connection = begun(kept, endpoint, names[1], {"model": "slow", "stream": True})
        connection.getresponse().read(10)
        connection.close()
    found = settled(kept, names)
    assert set(found.values()) == {"client_closed"}


@pytest.mark.parametrize("endpoint", BODIES)
def test_a_timeout_settles_once(kept: Deployment, endpoint: str) -> None:
    name = f"{endpoint} late"
    with contextlib.closing(begun(kept, endpoint, name, {"model": "silent"})) as connection:
        assert connection.getresponse().status == 504
    assert settled(kept, [name]) == {name: "timeout"}


@pytest.mark.parametrize("endpoint", BODIES)
def test_what_is_refused_before_it_is_admitted_has_no_row(kept: Deployment, endpoint: str) -> None:
    name, before = f"{endpoint} refused", count(kept, "exchanges")
    bad: list[dict[str, Any]] = [{"user": "x" * 6000}, {"model": "nobody"}, {"model": 7}, {"n": 10**30}]
    statuses = []
    for body in bad:
        with contextlib.closing(begun(kept, endpoint, name, {"model": "good", **body})) as connection:
            statuses.append(connection.getresponse().status)
    half = http.client.HTTPConnection(kept.url.removeprefix("http://"), timeout=60)
    half.putrequest("POST", endpoint)
    for header in (("authorization", f"Bearer {kept.key}"), ("content-length", "900")):
        half.putheader(*header)
    half.endheaders(b'{"model": "good", ')
    half.close()
    time.sleep(0.5)
    assert statuses == [413, 404, 400, 400] and outcomes(kept, [name]) == {name: []}
    assert count(kept, "exchanges") == before and count(kept, "outstanding") == 0


def test_no_row_names_an_impossible_count(kept: Deployment) -> None:
    with contextlib.closing(sqlite3.connect(kept.home / "steward.db")) as store:
        rows = store.execute("select input_tokens, output_tokens, estimated, upstream_id from exchanges").fetchall()
    assert rows and all(0 <= row[0] < 10**6 and 0 <= row[1] < 10**6 for row in rows)
    ids = Counter((row[3] or "").isprintable() and len(row[3] or "") <= 200 for row in rows)
    assert ids[False] == 0


def test_what_the_drain_limit_cuts_off_says_so_and_is_settled(tmp_path: Path) -> None:
    running = mock("--chunks", "60", "--gap-ms", "100")
    (tmp_path / "steward.yaml").write_text(
        f"gateway: {{drain_s: 1}}\nmodels: [{{name: mock, backend: openai, url: '{next(running)}'}}]"
    )
    deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    connection = begun(deployment, "/v1/chat/completions", "cut", {"model": "mock", "stream": True})
    answer = connection.getresponse()
    answer.read(10)
    deployment.stop()
    assert b"The gateway is shutting down" in answer.read()
    connection.close()
    assert settled(deployment, ["cut"]) == {"cut": "truncated"}
    assert list(running) == [] and "Traceback" not in deployment.log.read_text()


def test_an_export_is_reconciled(kept: Deployment, tmp_path: Path) -> None:
    with contextlib.closing(begun(kept, "/v1/completions", "export", {"model": "good"})) as connection:
        assert connection.getresponse().status == 200
    assert settled(kept, ["export"]) == {"export": "ok"}
    day = time.strftime("%Y-%m-%d", time.gmtime())
    with contextlib.closing(sqlite3.connect(kept.home / "steward.db")) as store:
        name = "replace(model, 'own-', '')"  # what the upstream calls it
        query = f"select {name}, count(*), sum(input_tokens), sum(output_tokens) from exchanges group by 1"
        lines = [f"{day},{','.join(map(str, row))}" for row in store.execute(query) if row[0]]
    files = {"all": lines, "other": [*lines, f"{day},good,1,0,0"], "bad": [f"{day},good,1,1,x"]}
    done = {}
    for name, listed in files.items():
        (tmp_path / name).write_text("\n".join(["day,model,requests,input_tokens,output_tokens", *listed]))
        arguments = ("usage", "reconcile", str(tmp_path / name), "--tolerance", "0", "--home", str(kept.home))
        done[name] = inside(*arguments, *(["--json"] if name == "other" else []))
    assert [item.returncode for item in done.values()] == [0, 1, 2], done
    assert done["all"].stdout.startswith("All ") and "row 2, column 'output_tokens': 'x'" in done["bad"].stderr
    (difference,) = json.loads(done["other"].stdout)["differences"]
    assert (difference["model"], difference["what"]) == ("good", "requests")
    assert difference["provider"] == difference["ledger"] + 1
