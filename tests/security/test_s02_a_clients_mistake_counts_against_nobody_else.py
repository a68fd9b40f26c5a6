"""S2: what an embedded model cannot read is that request's 400: it is asked once, and no other key is kept out.

Other upstreams, and how 500s of one key are told from those of all: `tests/unit/gateway/middleware/test_route.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from conftest import SHARE_STARTER, Deployment, inside, until
from gateway_client import post

pytestmark = SHARE_STARTER

USER = {"role": "user", "content": "where is my order?"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
MISTAKES: dict[str, dict[str, Any]] = {
    "picture": {"messages": [{"role": "user", "content": [PICTURE]}]},
    "sound": {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA"}}]}]},
    "no role": {"messages": [{"content": "hi"}]},
    "unknown role": {"messages": [{"role": "wizard", "content": "hi"}]},
    "role of a number": {"messages": [{"role": 5, "content": "hi"}]},
    "content of a number": {"messages": [{"role": "user", "content": 5}]},
    "part without a type": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
    "unknown part": {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
    "messages of a text": {"messages": "hi"},
    "messages of texts": {"messages": ["hi"]},
    "tools of a text": {"messages": [USER], "tools": "x"},
    "tools of texts": {"messages": [USER], "tools": ["x"]},
    "tool without a function": {"messages": [USER], "tools": [{"type": "function"}]},
    "tool choice": {"messages": [USER], "tool_choice": {"type": "function"}},
    "answer to no call": {"messages": [{"role": "tool", "content": "x"}]},
    "calls of a text": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": "x"}]},
    "grammar": {"messages": [USER], "grammar": "root ::= ("},
    "grammar of a list": {"messages": [USER], "grammar": ["a"]},
    "schema": {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"schema": "x"}}},
    "response format": {"messages": [USER], "response_format": "json"},
    "stop of an object": {"messages": [USER], "stop": {"a": 1}},
    "temperature of a text": {"messages": [USER], "temperature": "hot"},
    "bias of a text": {"messages": [USER], "logit_bias": "x"},
    "template": {"messages": [USER], "chat_template_kwargs": "x"},
    "samplers": {"messages": [USER], "samplers": 5},
}  # fmt: skip


@pytest.fixture(scope="module")
def stranger(starter: Deployment) -> str:
    made = inside("keys", "create", "--name", "mistaken", "--home", str(starter.home), "--json")
    secret: str = json.loads(made.stdout)["key"]
    until(lambda: post(starter, "/v1/feedback", {}, secret)[0] == 400)
    return secret


@pytest.mark.parametrize("name", MISTAKES)
def test_s02_a_mistake_is_400_and_keeps_nobody_out(starter: Deployment, stranger: str, name: str) -> None:
    body = {"model": "starter", "max_tokens": 4, **MISTAKES[name]}
    for _ in range(8):  # a breaker opens at five in a row
        status, answer, _ = post(starter, "/v1/chat/completions", body, stranger)
        assert status in (200, 400), (status, answer)  # 200: the engine passes over the field
    fine = {"model": "starter", "max_tokens": 4, "messages": [USER]}
    for key in (starter.key, stranger):
        assert post(starter, "/v1/chat/completions", fine, key)[0] == 200
