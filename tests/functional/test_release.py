"""Releases through the real gateway and keeper: shadows, shares of people, promotion and rollback by the guards."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.core.fetch import open_url

FILE = """
watch: false
models:
  - {name: old, backend: openai, url: "URL", direct: true, price: {input: 1, output: 1}}
  - {name: new, backend: openai, url: "URL", price: {input: 1, output: 1}}
  - {name: broken, backend: openai, url: "URL", price: {input: 1, output: 1}}
routes:
  - {name: support, targets: [{model: old}], sticky: subject}
release:
  steps: [0.25, 0.5]
  minimum_duration_s: 0
  warm_up_s: 0
  look_every_s: 0.5
  step_minimum_s: 0
  step_minimum_people: 5
  planned_units: 200
  slow_s: 30
  shadow: {sample: SAMPLE, minimum: 5}
  guards:
    errors: {floor: 0.2, minimum_units: 10}
    slow: {floor: 0.2, minimum_units: 10}
    cost: {margin: 0.5, minimum_units: 10}
    judge: {required: false}
"""


class ModelServer(ThreadingHTTPServer):
    """Answers chats; the model `broken` fails, `old` and `new` do not. `asked` is what arrived, by model."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _ModelHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _ModelHandler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._reply(200, {"object": "list", "data": [{"id": name} for name in ("old", "new", "broken")]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        if body["model"] == "broken":
            self._reply(500, {"error": {"message": "down", "type": "server_error"}})
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": body["model"]}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        self._reply(200, {"id": "c", "object": "chat.completion", "model": body["model"], "choices": [choice],
                          "usage": usage})  # fmt: skip

    def _reply(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def deploy(folder: Path, models: ModelServer, sample: float = 0.0) -> Deployment:
    text = FILE.replace("URL", models.url).replace("SAMPLE", str(sample))
    (folder / "steward.yaml").write_text(text)
    return Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))


@pytest.fixture(scope="module")
def deployed_release(models: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = deploy(tmp_path_factory.mktemp("release"), models)
    yield deployment
    deployment.stop()


def ask(deployment: Deployment, person: str) -> str:
    """What one person is answered by; `failed` for an error."""
    body = json.dumps({"model": "support", "messages": [{"role": "user", "content": "hi"}], "user": person}).encode()
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers)
    try:
        with open_url(request, 30) as answer:
            return str(json.load(answer)["choices"][0]["message"]["content"])
    except OSError:
        return "failed"


def ask_many(deployment: Deployment, people: range) -> dict[str, str]:
    with ThreadPoolExecutor(4) as pool:
        names = [f"p{number}" for number in people]
        return dict(zip(names, pool.map(lambda name: ask(deployment, name), names), strict=True))


def release(deployment: Deployment, *arguments: str) -> Any:
    done = inside("release", *arguments, "--home", str(deployment.home), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_rows(deployment: Deployment, release_id: str) -> list[tuple[str, float, str, str]]:
    with closing(sqlite3.connect(deployment.home / "steward.db")) as store:
        query = "select arm, arm_weight, model, subject from exchanges where release_id = ? and key_id != 'shadow'"
        return store.execute(query, (release_id,)).fetchall()


def state_of(deployment: Deployment) -> str:
    """What the release of the route is, once every worker serves it so."""

    def read_served() -> Any:
        status = release(deployment, "status", "support")
        return status["served"] and status

    return str(until(read_served, 60)["release"]["state"])


def test_a_good_candidate_is_promoted_and_people_keep_their_arm(deployed_release: Deployment) -> None:
    begun = release(deployed_release, "start", "support", "--candidate", "new", "--reason", "faster")["release"]
    assert (begun["state"], begun["weight"]) == ("canary", 0.25)
    first = ask_many(deployed_release, range(100))
    assert 10 <= sum(answer == "new" for answer in first.values()) <= 45
    again = ask_many(deployed_release, range(100))
    assert all(again[name] == "new" for name, answer in first.items() if answer == "new")

    def keep_asking() -> bool:
        ask_many(deployed_release, range(150))
        return state_of(deployed_release) == "promoted"

    until(keep_asking, 90)
    status = release(deployed_release, "status", "support")
    assert status["release"]["weight"] == 0.99 and status["release"]["evidence"]
    rows = read_rows(deployed_release, begun["id"])
    assert {row[0] for row in rows} == {"champion", "candidate"}
    assert all(model == {"champion": "old", "candidate": "new"}[arm] for arm, _, model, _ in rows)
    assert sum(answer == "new" for answer in ask_many(deployed_release, range(100)).values()) >= 95
    acts = inside("audit", "tail", "--home", str(deployed_release.home), "--json").stdout
    assert '"release.start"' in acts and '"release.promoted"' in acts
    back = release(deployed_release, "rollback", "support", "--reason", "test")
    assert back["release"]["state"] == "rolled back"
    assert set(ask_many(deployed_release, range(20)).values()) == {"old"}


def test_a_broken_candidate_is_taken_back_and_its_people_are_helped(deployed_release: Deployment) -> None:
    begun = release(deployed_release, "start", "support", "--candidate", "broken")["release"]

    def keep_asking() -> bool:
        assert "failed" not in ask_many(deployed_release, range(200)).values()
        return state_of(deployed_release) != "canary"

    until(keep_asking, 90)
    status = release(deployed_release, "status", begun["id"])
    assert status["release"]["state"] == "rolled back"
    assert next(one for one in status["guards"]["guards"] if one["name"] == "errors")["verdict"] == "regressed"
    assert set(ask_many(deployed_release, range(20)).values()) == {"old"}
    evidence = inside("release", "status", "--home", str(deployed_release.home), "--json").stdout
    assert begun["id"] in evidence


def test_two_releases_at_once_are_refused_and_one_can_be_paused(deployed_release: Deployment) -> None:
    begun = release(deployed_release, "start", "support", "--candidate", "new")["release"]
    home = str(deployed_release.home)
    second = inside("release", "start", "support", "--candidate", "broken", "--home", home)
    assert second.returncode == 2 and f"{begun['id']} in progress" in second.stderr
    assert release(deployed_release, "pause", "support")["release"]["state"] == "paused"
    time.sleep(2)
    assert state_of(deployed_release) == "paused"
    assert release(deployed_release, "resume", "support")["release"]["state"] == "canary"
    assert release(deployed_release, "rollback", "support")["release"]["state"] == "rolled back"
    again = inside("release", "rollback", "support", "--home", home)
    assert again.returncode != 0 and "release in effect" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["support", "--candidate", "nwe"], "did you mean 'new'"),
        (["suport", "--candidate", "new"], "did you mean 'support'"),
        (["support"], "exactly one of --candidate and --prompt"),
        (["support", "--candidate", "x.gguf"], "steward model import x.gguf"),
        (["support", "--prompt", "nothing:1"], "nothing was changed"),
        (["support", "--candidate", "old@champion"], "model in the registry"),
    ],
)
def test_what_cannot_be_released_is_refused(deployed_release: Deployment, arguments: list[str], says: str) -> None:
    refused = inside("release", "start", *arguments, "--home", str(deployed_release.home))
    assert refused.returncode == 2 and says in refused.stderr, refused.stderr
    assert set(ask_many(deployed_release, range(10)).values()) == {"old"}


def test_a_drill_gives_everybody_back_within_a_second(deployed_release: Deployment) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(lambda: [ask_many(deployed_release, range(40)) for _ in range(8)])
        report = release(deployed_release, "drill", "support", "--hold", "1")
        asking.result()
    assert report["verdict"] == "held" and report["candidate_requests"] > 0
    assert report["last_request_s"] <= 1.0 and report["workers"] == 2


def test_a_prompt_is_released_for_a_share_of_people(deployed_release: Deployment, models: ModelServer) -> None:
    home = str(deployed_release.home)
    assert inside("prompts", "add", "tone", "--system", "Be kind.", "--home", home).returncode == 0
    release(deployed_release, "start", "support", "--prompt", "tone:1")
    models.asked.clear()
    ask_many(deployed_release, range(60))
    kind = [one for one in models.asked if one["messages"][0] == {"role": "system", "content": "Be kind."}]
    assert 0 < len(kind) < len(models.asked)
    release(deployed_release, "rollback", "support")


def test_shadows_come_first_and_nobody_gets_their_answers(
    models: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    deployment = deploy(tmp_path_factory.mktemp("shadow"), models, sample=1.0)
    try:
        begun = release(deployment, "start", "support", "--candidate", "new")["release"]
        assert (begun["state"], begun["weight"]) == ("shadow", 0.0)
        assert set(ask_many(deployment, range(20)).values()) == {"old"}
        until(lambda: state_of(deployment) == "canary", 30)
        shadow = release(deployment, "status", "support")["shadow"]
        assert shadow["copies"] >= 5 and shadow["failed"] == 0 and shadow["usd"] > 0
    finally:
        deployment.stop()
