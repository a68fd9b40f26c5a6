"""LoRA adapters released through the real gateway: on both replicas of a route, and gone after they are taken back."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import Deployment, inside, until
from lora_servers import LoraStandIn
from steward.core.fetch import open_url

FILE = """
watch: false
gateway: {drain_s: 1}
models:
  - {name: gpu-1, backend: openai, url: "FIRST", upstream_model: llama}
  - {name: gpu-2, backend: openai, url: "SECOND", upstream_model: llama}
routes:
  - {name: support, targets: [{model: gpu-1}, {model: gpu-2}], sticky: none}
release:
  steps: [0.5]
  minimum_duration_s: 0
  shadow: {sample: 0}
  guards: {judge: {required: false}}
"""


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[LoraStandIn]]:
    servers = [LoraStandIn("llama"), LoraStandIn("llama")]
    yield servers
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def adapted(replicas: list[LoraStandIn], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("adapters")
    file = folder / "steward.yaml"
    file.write_text(FILE.replace("FIRST", replicas[0].url).replace("SECOND", replicas[1].url))
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "adapter_config.json").write_text('{"r": 8}')
        (folder / name / "adapter_model.safetensors").write_bytes(name.encode())
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(file))
    yield deployment
    deployment.stop()


def register(deployment: Deployment, name: str) -> str:
    folder = str(deployment.home.parent / name)
    done = inside("model", "import", folder, "--name", "bot", "--home", str(deployment.home), "--json")
    assert done.returncode == 0, done.stderr
    served: str = json.loads(done.stdout)["served"]
    return served


def start(deployment: Deployment, served: str) -> Any:
    path = f"/adapters/{served}"
    return inside(
        "release", "start", "support", "--candidate", served, "--adapter-path", path, "--home", str(deployment.home)
    )


def ask(deployment: Deployment, person: str) -> str:
    """The model that answered."""
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "user": person}
    headers = {"authorization": f"Bearer {deployment.key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with open_url(request, 30) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


def list_adapters(replicas: list[LoraStandIn]) -> list[list[str]]:
    return [sorted(server.adapters) for server in replicas]


def test_a_replica_that_refuses_ends_the_release_before_it_begins(
    adapted: Deployment, replicas: list[LoraStandIn]
) -> None:
    served = register(adapted, "one")
    replicas[1].fault = "refuses"
    refused = start(adapted, served)
    replicas[1].fault = ""
    assert refused.returncode == 2 and "no room for another adapter" in refused.stderr, refused.stderr
    assert "nothing was changed" in refused.stderr and list_adapters(replicas) == [[], []]
    assert json.loads(inside("release", "status", "--home", str(adapted.home), "--json").stdout) == []
    assert {ask(adapted, f"p{number}") for number in range(8)} == {"llama"}


def test_an_adapter_serves_from_both_replicas_and_is_unloaded_after_it_was_taken_back(
    adapted: Deployment, replicas: list[LoraStandIn]
) -> None:
    served, home = register(adapted, "one"), str(adapted.home)
    begun = start(adapted, served)
    assert begun.returncode == 0, begun.stderr
    assert list_adapters(replicas) == [[served], [served]]
    answers = Counter(ask(adapted, f"p{number}") for number in range(60))
    assert set(answers) == {"llama", served}
    assert all(server.count_chats(served) for server in replicas)
    replicas[0].adapters.clear()  # a server that was restarted
    until(lambda: replicas[0].adapters, 60)
    assert inside("release", "rollback", "support", "--home", home).returncode == 0
    assert {ask(adapted, f"p{number}") for number in range(8)} == {"llama"}
    until(lambda: list_adapters(replicas) == [[], []], 30)


def test_the_next_adapter_follows_a_promoted_one(adapted: Deployment, replicas: list[LoraStandIn]) -> None:
    first, second, home = register(adapted, "one"), register(adapted, "two"), str(adapted.home)
    assert start(adapted, first).returncode == 0
    assert inside("release", "promote", "support", "--home", home).returncode == 0
    begun = start(adapted, second)
    assert begun.returncode == 0, begun.stderr
    assert list_adapters(replicas) == [sorted([first, second])] * 2
    assert {ask(adapted, f"p{number}") for number in range(40)} == {first, second}
    assert inside("release", "promote", "support", "--home", home).returncode == 0
    assert second in {ask(adapted, f"p{number}") for number in range(8)}
    assert inside("release", "rollback", "support", "--home", home).returncode == 0
