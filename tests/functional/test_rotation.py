"""The root key is rotated under load: no request is refused, and what is written before, meanwhile and after opens."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, served, until

ROUNDS = 3


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("rotated")
    (folder / "steward.yaml").write_text(f"models:\n  - {{name: right, backend: openai, url: '{upstream}'}}\n")
    running = Deployment(folder / "home", "--workers", "2")
    try:
        yield running
    finally:
        running.stop()


def post(url: str, key: str, path: str, body: Any) -> str:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
        return str(answer.headers["x-request-id"])


def comment(running: Deployment, words: str) -> None:
    body = {"model": "right", "messages": [{"role": "user", "content": "q 1"}]}
    name = post(running.url, running.key, "/v1/chat/completions", body)
    post(running.url, running.key, "/v1/feedback", {"request_id": name, "score": 1, "comment": words})


def command(*arguments: str, home: Path) -> Any:
    done = inside(*arguments, "--home", str(home), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_comments(home: Path) -> set[str]:
    contents = command("feedback", "--show-content", "--lines", "500", home=home)["contents"]
    return {item["comment"] for item in contents}


@pytest.mark.timeout(180)
def test_nothing_stops_and_everything_opens(deployment: Deployment) -> None:
    stop, failures, written = threading.Event(), [], ["first"]
    comment(deployment, "first")
    until(lambda: "first" in read_comments(deployment.home) or None)  # its tenant has a key from then on

    def load() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            words = f"{threading.current_thread().name}-{number}"
            try:
                comment(deployment, words)
                written.append(words)
            except OSError as error:
                failures.append(str(error))
            stop.wait(0.05)

    senders = [threading.Thread(target=load, name=f"sender{n}") for n in range(2)]
    for sender in senders:
        sender.start()
    try:
        results = [command("crypt", "rotate", home=deployment.home) for _ in range(ROUNDS)]
        results.append(command("crypt", "rotate", "--tenant", "default", home=deployment.home))
        made = command("keys", "create", "--name", "later", home=deployment.home)
        until(lambda: post(deployment.url, made["key"], "/v1/chat/completions", {
            "model": "right", "messages": [{"role": "user", "content": "q 1"}]}))  # fmt: skip
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert failures == [] and len({item["root"] for item in results}) == ROUNDS
    comment(deployment, "last")
    until(lambda: read_comments(deployment.home) >= {*written[-400:], "first", "last"} or None)
    status = command("crypt", "status", home=deployment.home)
    assert status["root"] == results[-1]["root"] and len(status["retired"]) == ROUNDS
    assert [(key["version"], key["opens"]) for key in status["tenant_keys"]] == [(2, True)]
    assert all(sample["opens"] for sample in status["samples"]) and status["oldest_in_use"] == 2
    verified = inside("audit", "verify", "--home", str(deployment.home), "--json")
    assert json.loads(verified.stdout)["error"] is None
