"""Advisory 14, litellm#29114: a flag in a client's metadata skipped the list of allowed models."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from conftest import SHARE_MOCK, Deployment, inside

pytestmark = SHARE_MOCK

FLAGS: list[dict[str, Any]] = [
    {"skip_model_check": True},
    {"_is_internal": True, "user_api_key_models": ["*"]},
    {"allowed_models": ["mock"], "role": "proxy_admin"},
]


@pytest.fixture(scope="module")
def narrow(deployed: Deployment) -> str:
    done = inside(
        "keys", "create", "--name", "narrow", "--models", "mock-error", "--home", str(deployed.home), "--json"
    )
    key: str = json.loads(done.stdout)["key"]
    return key


def ask(deployed: Deployment, key: str, body: dict[str, Any]) -> int:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "x-model-override": "mock"}
    request = urllib.request.Request(f"{deployed.url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("flags", FLAGS)
def test_a_key_for_one_model_reaches_no_other(deployed: Deployment, narrow: str, flags: dict[str, Any]) -> None:
    body = {"model": "mock", "messages": [{"role": "user", "content": "hi"}]}
    for more in ({"metadata": flags}, {"litellm_metadata": flags}, flags, {"user": json.dumps(flags)}):
        assert ask(deployed, narrow, {**body, **more}) in (400, 403, 404)
