"""Prompts of routes, through the real gateway, over an upstream that keeps what it received."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest

from conftest import Deployment, inside, until

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
WHOLE = {"id": "c", "object": "chat.completion", "created": 0, "model": "m"}
HI: Any = [{"role": "user", "content": "hi"}]
PAIR = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]


class Received(ThreadingHTTPServer):
    """Answers chats; `bodies` are what arrived, byte for byte. A message `refuse me` is refused with an echo."""

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def last(self) -> Any:
        return json.loads(self.bodies[-1])


class _Handler(BaseHTTPRequestHandler):
    server: Received
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._reply(200, json.dumps({"object": "list", "data": [{"id": "m"}]}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(body)
        if b"refuse me" in body:
            self._reply(400, json.dumps({"error": {"message": body.decode(), "code": "bad", "type": "t"}}).encode())
        elif json.loads(body).get("stream"):
            delta = {**CHUNK, "choices": [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]}
            self._reply(200, b"data: " + json.dumps(delta).encode() + b"\n\ndata: [DONE]\n\n", "text/event-stream")
        else:
            message = {"role": "assistant", "content": "yes"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._reply(200, json.dumps({**WHOLE, "choices": [choice]}).encode())

    def _reply(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def received() -> Iterator[Received]:
    server = Received()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


FILE = """
watch: false
models: [{name: m, backend: openai, url: "URL", direct: true}]
prompts:
  - {name: brief, system: Be brief., examples: [{user: "2+2?", assistant: "4"}]}
routes:
  - {name: plain, targets: [{model: m}]}
  - {name: named, targets: [{model: m}], prompt: {name: brief}}
  - {name: only, targets: [{model: m}], prompt: {name: brief, mode: replace}}
  - {name: else, targets: [{model: m}], prompt: {system: Be polite., mode: default}}
  - {name: kept, targets: [{model: m}], prompt: {name: greeting}}
"""


@pytest.fixture(scope="module")
def prompted(received: Received, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("prompted")
    (folder / "home").mkdir()
    (folder / "steward.yaml").write_text(FILE.replace("URL", received.url))
    added = inside("prompts", "add", "greeting", "--system", "Say hello.", "--home", str(folder / "home"))
    assert added.returncode == 0 and "in use" in added.stdout, added.stderr
    deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


@pytest.fixture(scope="module")
def client(prompted: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{prompted.url}/v1", api_key=prompted.key, max_retries=0) as made:
        yield made


def prompt_versions(deployment: Deployment, route: str) -> set[str | None]:
    with sqlite3.connect(deployment.home / "steward.db") as store:
        rows = store.execute("select prompt_version from exchanges where route = ?", (route,)).fetchall()
    store.close()
    return {row[0] for row in rows}


@pytest.mark.parametrize("stream", [False, True])
def test_the_upstream_gets_the_prompt_first(client: openai.OpenAI, received: Received, stream: bool) -> None:
    answer: Any = client.chat.completions.create(model="named", messages=HI, stream=stream, temperature=0.25)
    if stream:
        assert "".join(chunk.choices[0].delta.content for chunk in answer) == "yes"
    else:
        assert answer.choices[0].message.content == "yes"
    said = received.last()
    assert said["messages"] == [{"role": "system", "content": "Be brief."}, *PAIR, *HI]
    assert said["model"] == "m" and said["temperature"] == 0.25


def test_the_clients_own_system_message(client: openai.OpenAI, received: Received) -> None:
    own: Any = [{"role": "system", "content": "Be long."}, *HI]
    sent = {}
    for name in ("named", "only", "else"):
        client.chat.completions.create(model=name, messages=own)
        sent[name] = received.last()["messages"][0]["content"]
    assert sent == {"named": "Be brief.\n\nBe long.", "only": "Be brief.", "else": "Be long."}


def test_a_route_without_a_prompt_passes_the_bytes(prompted: Deployment, received: Received) -> None:
    body = b'{"messages" :[ ], "model":"m","odd":1.0e2}'
    assert _post(prompted, "/v1/chat/completions", body)[0] == 200
    assert received.bodies[-1] == body


def test_the_ledger_names_the_version_that_answered(client: openai.OpenAI, prompted: Deployment) -> None:
    for name in ("plain", "named", "kept"):
        client.chat.completions.create(model=name, messages=HI)
    until(lambda: prompt_versions(prompted, "kept"))
    assert prompt_versions(prompted, "plain") == {None}
    (named,), (kept,) = prompt_versions(prompted, "named"), prompt_versions(prompted, "kept")
    assert named and named.startswith("brief@") and kept and kept.startswith("greeting@1-")


def test_k5_tail_names_the_prompt_that_was_sent(
    client: openai.OpenAI, prompted: Deployment, received: Received
) -> None:
    """The version in the row is the one that `prompts list` shows in use, and whose text the upstream got."""
    client.chat.completions.create(model="kept", messages=HI)
    sent = received.last()["messages"][0]["content"]
    home = ("--home", str(prompted.home), "--json")

    def read_row() -> Any:
        rows = [json.loads(line) for line in inside("tail", "-n", "50", *home).stdout.splitlines()]
        return next((row for row in reversed(rows) if row["route"] == "kept"), None)

    name, _, version = until(read_row)["prompt_version"].partition("@")
    listed = [row for row in json.loads(inside("prompts", "list", *home).stdout) if row["name"] == name]
    [serving] = [row for row in listed if row["in_use"]]
    assert version == serving["version"] and sent in inside("prompts", "show", name, *home[:2]).stdout
    client.chat.completions.create(model="plain", messages=HI)
    rows = until(lambda: (r := inside("tail", *home).stdout) and '"route":"plain"' in r and r)
    assert {json.loads(line)["prompt_version"] for line in rows.splitlines() if '"plain"' in line} == {None}


def test_other_endpoints_are_refused(prompted: Deployment, received: Received) -> None:
    before = len(received.bodies)
    status, answer = _post(prompted, "/v1/completions", b'{"model":"named","prompt":"hi"}')
    assert status == 400 and answer["error"]["code"] == "prompt_not_applicable"
    status, answer = _post(prompted, "/v1/embeddings", b'{"model":"named","input":"hi"}')
    assert status == 400 and len(received.bodies) == before


def test_an_error_that_quotes_the_prompt_does_not_reach_the_client(prompted: Deployment) -> None:
    body = json.dumps({"model": "named", "messages": [{"role": "user", "content": "refuse me"}]}).encode()
    status, answer = _post(prompted, "/v1/chat/completions", body)
    assert (status, answer["error"]["code"]) == (400, "bad")
    assert "brief" not in json.dumps(answer) and "2+2" not in json.dumps(answer)


def test_use_changes_what_serves_and_is_recorded(
    client: openai.OpenAI, prompted: Deployment, received: Received, tmp_path: Path
) -> None:
    home = ["--home", str(prompted.home)]
    (tmp_path / "p.yaml").write_text("system: Say goodbye.\nexamples: [{user: a, assistant: b}]\n")
    made = json.loads(inside("prompts", "add", "greeting", "--file", str(tmp_path / "p.yaml"), *home, "--json").stdout)
    again = json.loads(inside("prompts", "add", "greeting", "--file", str(tmp_path / "p.yaml"), *home, "--json").stdout)
    assert made["version"] == again["version"] and made["version"].startswith("2-") and not made["in_use"]
    client.chat.completions.create(model="kept", messages=HI)
    assert received.last()["messages"][0]["content"] == "Say hello."
    before = prompted.state()["config_version"]
    used = inside("prompts", "use", "greeting", "2", *home)
    assert used.returncode == 0, used.stderr
    assert prompted.state()["config_version"] == before + 1
    for _ in range(8):  # both workers
        client.chat.completions.create(model="kept", messages=HI)
        assert received.last()["messages"][0]["content"] == "Say goodbye."
    until(lambda: f"greeting@{made['version']}" in prompt_versions(prompted, "kept"))
    listed = json.loads(inside("prompts", "list", *home, "--json").stdout)
    kept = [item["in_use"] for item in listed if item["source"] == "stored"]
    assert kept == [False, True] and "goodbye" not in json.dumps(listed)
    assert "Say goodbye." in inside("prompts", "show", "greeting", *home).stdout
    rolled = inside("config", "rollback", *home)
    assert rolled.returncode == 0, rolled.stderr
    client.chat.completions.create(model="kept", messages=HI)
    assert received.last()["messages"][0]["content"] == "Say hello."


def test_unknown_names_are_explained(prompted: Deployment) -> None:
    home = ["--home", str(prompted.home)]
    ended = inside("prompts", "use", "greetin", "1", *home)
    assert ended.returncode == 2 and "did you mean 'greeting'?" in ended.stderr
    ended = inside("prompts", "use", "greeting", "9", *home)
    assert ended.returncode == 2 and "version of prompt 'greeting' '9'" in ended.stderr
    ended = inside("prompts", "add", "../x", "--system", "s", *home)
    assert ended.returncode == 2 and "prompt name" in ended.stderr


def test_k5_a_prompt_of_the_file_is_the_one_that_serves(tmp_path: Path) -> None:
    (tmp_path / "steward.yaml").write_text("prompts: [{name: support, system: Be brief.}]\n")
    (tmp_path / ".steward").mkdir(mode=0o700)
    refused = inside("prompts", "add", "support", "--system", "Be long.", cwd=tmp_path)
    assert refused.returncode == 2 and f"{tmp_path / 'steward.yaml'}, and that one serves" in refused.stderr
    assert not (tmp_path / ".steward" / "prompts" / "support").exists()
    [listed] = json.loads(inside("prompts", "list", "--json", cwd=tmp_path).stdout)
    assert (listed["name"], listed["source"], listed["in_use"]) == ("support", "steward.yaml", True)


def test_prompts_are_private_and_not_in_the_log(prompted: Deployment) -> None:
    files = [path for path in (prompted.home / "prompts").rglob("*") if path.is_file()]
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)
    log = prompted.log.read_text()
    assert "Say hello" not in log and "Be brief" not in log


def _post(deployed: Deployment, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {deployed.key}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(deployed.url + path, body, headers), timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
