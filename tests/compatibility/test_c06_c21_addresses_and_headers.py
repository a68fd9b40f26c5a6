"""C6 and C21: providers' base URLs as they document them, headers of upstreams, keys in any usual header."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from steward.adapters.engines.address import endpoint_url, parse_address
from steward.adapters.engines.http import HttpEngine
from steward.core.errors import Refused
from steward.core.secret import Secret
from steward.gateway.config import ModelConfig
from steward.security.authenticator import find_key_text
from steward.settings import Settings
from steward.workflows.serve.engines import make_engine
from steward.workflows.serve.models import plan_models

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("base", "target"),
    [  # as each provider's documentation gives `base_url` for OpenAI's SDK, and the path that it documents
        ("https://api.openai.com/v1", "/v1/chat/completions"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "/v1beta/openai/chat/completions"),
        ("https://open.bigmodel.cn/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("https://api.groq.com/openai/v1", "/openai/v1/chat/completions"),
        ("https://ark.cn-beijing.volces.com/api/v3", "/api/v3/chat/completions"),
        ("https://openrouter.ai/api/v1", "/api/v1/chat/completions"),
        ("https://a.openai.azure.com/openai/v1/", "/openai/v1/chat/completions"),
        (
            "https://a.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("https://router.huggingface.co/v1", "/v1/chat/completions"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "/compatible-mode/v1/chat/completions"),
        ("https://api.cohere.ai/compatibility/v1", "/compatibility/v1/chat/completions"),
        ("https://models.github.ai/inference", "/inference/chat/completions"),
        ("https://a.cloud.databricks.com/serving-endpoints", "/serving-endpoints/chat/completions"),
        ("https://api.fireworks.ai/inference/v1", "/inference/v1/chat/completions"),
        ("https://api.deepinfra.com/v1/openai", "/v1/openai/chat/completions"),
        ("http://[::1]:11434/v1", "/v1/chat/completions"),
        # the whole URL, as documentation shows it for curl
        ("https://api.perplexity.ai/chat/completions", "/chat/completions"),
        ("https://api.openai.com/v1/chat/completions", "/v1/chat/completions"),
        ("https://api.openai.com/v1/chat/completions/", "/v1/chat/completions"),
        ("https://api.openai.com/v1/responses", "/v1/chat/completions"),
        ("https://a.example/v1/embeddings", "/v1/chat/completions"),
        (
            "https://a.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            "/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("http://127.0.0.1:8000", "/v1/chat/completions"),
        ("http://127.0.0.1:8000/", "/v1/chat/completions"),
    ],
)
def test_c6_a_base_is_taken_as_it_stands(base: str, target: str) -> None:
    assert parse_address(base).target(CHAT) == target


@pytest.mark.parametrize(
    ("base", "target"),
    [
        ("https://api.anthropic.com", "/v1/messages"),
        ("https://api.anthropic.com/v1", "/v1/messages"),
        ("https://api.deepseek.com/anthropic", "/anthropic/v1/messages"),
        ("https://api.anthropic.com/v1/messages", "/v1/messages"),
        ("https://api.z.ai/api/anthropic/", "/api/anthropic/v1/messages"),
        ("https://gateway.example/v1/account/anthropic", "/v1/account/anthropic/v1/messages"),
    ],
)
def test_c6_anthropic_s_bases_end_before_the_version(base: str, target: str) -> None:
    assert parse_address(base, anthropic=True).target("/v1/messages") == target


def test_c6_the_list_of_models_is_beside_them() -> None:
    assert endpoint_url("https://a.example/api/v4", "/v1/models") == "https://a.example/api/v4/models"


def head_of(engine: HttpEngine) -> str:
    return engine._head("POST", CHAT, 2, {}).decode()


def test_c21_headers_of_an_upstream_go_with_every_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_KEY", "sk-azure")
    model = ModelConfig(
        name="m",
        backend="openai",
        url="https://a.openai.azure.com/openai/v1",
        headers={"api-key": "env:AZURE_KEY", "http-referer": "https://shop.example"},
    )
    plan = plan_models(Settings(models=[model]), tmp_path, None)[0]
    assert "sk-azure" not in repr(plan)
    head = head_of(make_engine(plan, None))  # type: ignore[arg-type]
    assert "\r\napi-key: sk-azure\r\n" in head and "\r\nhttp-referer: https://shop.example\r\n" in head
    monkeypatch.setenv("AZURE_KEY", "sk-rotated")
    assert plan_models(Settings(models=[model]), tmp_path, None)[0].key_mark != plan.key_mark


def test_c21_a_header_of_one_s_own_replaces_the_key_s() -> None:
    engine = HttpEngine("http://127.0.0.1:9", Secret("one"), headers={"authorization": Secret("Token two")})
    assert "authorization: Token two" in head_of(engine) and "Bearer" not in head_of(engine)


def test_c21_a_header_may_be_written_in_capitals(tmp_path: Path) -> None:
    """Names of headers have no case (RFC 9110, section 5.1)."""
    model = ModelConfig(name="m", backend="openai", url="http://127.0.0.1:9", headers={"X-Team": "a"})
    assert plan_models(Settings(models=[model]), tmp_path, None)[0].headers == {"x-team": "a"}


@pytest.mark.parametrize(
    "headers", [{"host": "x"}, {"content-length": "1"}, {"X-A": "1", "x-a": "2"}, {"a": "b\r\nc: d"}]
)
def test_c21_headers_that_would_break_requests_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ModelConfig(name="m", backend="openai", url="http://127.0.0.1:9", headers=headers)


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer  k "}, "k"),
        ({"x-api-key": "k"}, "k"),
        ({"api-key": "k"}, "k"),
        ({"authorization": "Bearer k", "x-api-key": "k", "api-key": "k"}, "k"),
        ({"authorization": "Basic abc", "x-api-key": "k"}, "k"),
        ({"authorization": "Bearer ", "api-key": "k"}, "k"),
        ({}, ""),
        ({"authorization": "Basic abc"}, ""),
    ],
)
def test_c21_a_key_is_found_where_clients_send_it(headers: dict[str, str], key: str) -> None:
    assert find_key_text(headers) == key


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_c21_two_different_keys_are_no_key(name: str) -> None:
    with pytest.raises(Refused, match="Different API keys") as error:
        find_key_text({"authorization": "Bearer one", name: "two"})
    assert error.value.status == 401 and "one" not in str(error.value).replace("send one", "")


@pytest.mark.parametrize(
    ("listed", "empty", "alive"),
    [  # status of the list of models, of an empty request
        (200, 0, True),
        (404, 400, True),  # Azure's deployments, Perplexity: no list, but it reads requests
        (405, 422, True),
        (404, 404, False),  # a base that is wrong
        (404, 401, False),
        (401, 400, False),
        (503, 400, False),  # it still loads its model
    ],
)
def test_c6_a_server_without_a_list_of_models_may_answer_all_the_same(listed: int, empty: int, alive: bool) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split(" HTTP/")[0])
        status = listed if head.startswith("GET") else empty
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        writer.close()

    async def go() -> list[bool]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            engine = HttpEngine(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api")
            seen = [await engine.is_alive(), await engine.is_alive()]
            await engine.close()
            server.close()
        return seen

    assert asyncio.run(go()) == [alive, alive]
    assert asked[0] == "GET /api/models"
    posts = [one for one in asked if one == "POST /api/chat/completions"]
    assert len(posts) == (0 if listed not in (404, 405) else 1 if alive else 2)  # not again once it is known
