"""The administrative API of a running deployment, and how soon the gateway follows it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from conftest import SOON_S, Deployment, inside, until


@pytest.fixture(scope="module")
def deployment(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("api")
    tree = {"home": "home", "gateway": {"workers": 2}, "models": [{"name": "m", "backend": "openai", "url": upstream}]}
    (folder / "steward.yaml").write_text(json.dumps(tree))
    running = Deployment(folder / "home")
    yield running
    running.stop()


def ask(url: str, key: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=60) as answer:
            return int(answer.status), json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_a_key_made_and_ended_by_the_api_works_and_ends_within_a_second(deployment: Deployment) -> None:
    rights = "keys.manage,keys.read,usage.read,infer,models.read"
    done = inside("keys", "create", "--name", "ci", "--rights", rights, "--home", str(deployment.home), "--json")
    admin, api = json.loads(done.stdout)["key"], f"{deployment.console_url}/api/v1"
    again = {"Idempotency-Key": "once"}
    first = ask(f"{api}/keys", admin, "POST", {"name": "web", "rights": ["infer", "models.read"]}, **again)
    assert (
        first[0] == 201
        and ask(f"{api}/keys", admin, "POST", {"name": "web", "rights": ["infer", "models.read"]}, **again) == first
    )
    key, models = first[1]["key"], f"{deployment.url}/v1/models"
    until(lambda: ask(models, key)[0] == 200, SOON_S)
    assert [item["name"] for item in ask(f"{api}/keys", admin)[1]].count("web") == 1
    assert ask(f"{api}/keys", key)[0] == 403 and ask(f"{api}/users", admin)[0] == 403
    assert ask(f"{api}/usage", admin)[0] == 200
    assert ask(f"{api}/keys/{first[1]['id']}", admin, "DELETE")[0] == 200
    until(lambda: all(ask(models, key)[0] == 401 for _ in range(4)), SOON_S)  # of both workers


def test_whoever_made_a_key_takes_it_along(deployment: Deployment) -> None:
    done = inside(
        "keys",
        "create",
        "--name",
        "boss",
        "--rights",
        "keys.manage,infer,models.read",
        "--home",
        str(deployment.home),
        "--json",
    )
    boss = json.loads(done.stdout)
    api, models = f"{deployment.console_url}/api/v1", f"{deployment.url}/v1/models"
    made = ask(f"{api}/keys", boss["key"], "POST", {"name": "child", "rights": ["infer", "models.read"]})[1]
    until(lambda: ask(models, made["key"])[0] == 200, 60)
    inside("keys", "revoke", boss["id"], "--home", str(deployment.home))
    until(lambda: all(ask(models, made["key"])[0] == 403 for _ in range(4)), SOON_S)
