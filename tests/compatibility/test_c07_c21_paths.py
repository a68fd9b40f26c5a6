"""C7 and C21: one model by its name, in both dialects' shape; paths that are spelt a little otherwise, or a hint."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from anthropic.types import ModelInfo
from openai.types import Model

from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.gateway.answer import Answer
from steward.gateway.app import Gateway, spell_otherwise
from steward.gateway.endpoints import build_endpoints
from steward.gateway.exchange import Exchange
from steward.gateway.models import describe_model, describe_models
from steward.gateway.rejections import RejectionCounter
from steward.gateway.route_records import Route, Target
from steward.gateway.routing import find_route

ROUTES = {name: Route(name, (Target(name),)) for name in ("starter", "meta/llama-3")}


class Service:
    discloses = False
    heartbeat_s = 30.0
    max_body_bytes = 1_000

    async def infer(self, exchange: Exchange) -> Answer:
        return Answer(200, json.dumps({"endpoint": exchange.endpoint}).encode())

    async def count_tokens(self, path: str, body: bytes) -> Answer:
        return Answer(200, b"{}")

    def list_models(self, caller: Caller) -> bytes:
        return json.dumps(describe_models(sorted(ROUTES))).encode()

    def show_model(self, caller: Caller, name: str) -> bytes:
        return json.dumps(describe_model(find_route(ROUTES, name).name)).encode()

    def accept_feedback(self, caller: Caller, body: bytes, subject: str | None) -> bytes:
        return b"{}"

    is_degraded = False

    async def find_problem(self) -> str | None:
        return None


class Keys:
    def authenticate(self, sender: Any) -> Caller:
        return Caller(principal=Principal(kind="key", id="k", rights=KEY_RIGHTS))


def fetch(method: str, path: str) -> tuple[int, Any]:
    rejections = RejectionCounter()
    gateway = Gateway(build_endpoints(Service(), rejections), Keys(), rejections, None)  # type: ignore[arg-type]
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": method, "path": path, "headers": []}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gateway(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize("name", ["starter", "meta/llama-3"])
def test_c7_one_model_as_both_sdks_read_it(name: str) -> None:
    status, model = fetch("GET", f"/v1/models/{name}")
    assert status == 200 and Model.model_validate(model).id == ModelInfo.model_validate(model).id == name


def test_c7_an_unknown_model_is_not_there() -> None:
    status, error = fetch("GET", "/v1/models/gone")
    assert status == 404 and error["error"]["code"] == "model_not_found"


def test_c7_the_list_is_one_page_for_both() -> None:
    status, listed = fetch("GET", "/v1/models")
    assert status == 200 and listed["object"] == "list" and listed["has_more"] is False
    assert (listed["first_id"], listed["last_id"]) == ("meta/llama-3", "starter")
    assert describe_models([])["first_id"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "//v1//chat/completions",
        "/chat/completions",
        "/v1/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/chat/completions",
        "/openai/deployments/gpt-4o/chat/completions",
        "/v1/engines/gpt-4o/chat/completions",
        "/engines/gpt-4o/chat/completions/",
        "/api/v1/chat/completions",
        "/api/openai/v1/chat/completions",
    ],
)
def test_c21_a_path_that_can_mean_only_one_endpoint_is_answered(path: str) -> None:
    assert fetch("POST", path) == (200, {"endpoint": "/v1/chat/completions"})


def test_c21_others_get_a_hint() -> None:
    status, error = fetch("POST", "/openai/chat")
    assert status == 404 and "Endpoints begin with /v1" in error["error"]["message"]
    for path in ("/proxy/7/chat/completions", "/v1/chat/completion", "/V1/Chat/Completions", "/v1/chat-completions"):
        status, error = fetch("POST", path)
        assert status == 404 and "Did you mean /v1/chat/completions?" in error["error"]["message"]
    assert "mean" not in fetch("POST", "/v1/unheard-of")[1]["error"]["message"]
    assert fetch("POST", "/v1/unheard-of")[0] == 404
    assert fetch("GET", "/v1/chat/completions")[0] == 405
    assert fetch("GET", "/v1/models/")[0] == 200  # the list


@pytest.mark.parametrize("path", ["/", "//", "/v1", "/v1/"])
def test_c21_the_root_is_no_endpoint(path: str) -> None:
    assert fetch("GET", path)[0] == 404


def test_spellings() -> None:
    assert spell_otherwise("//a//b/") == ("/a/b", "/v1/a/b")
    assert spell_otherwise("/v1/v1/models") == ("/v1/v1/models", "/v1/models")
