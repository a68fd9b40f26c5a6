"""The client of servers that take in adapters, against a stand-in that answers as vLLM does."""

from __future__ import annotations

import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message

import pytest

from lora_servers import LoraStandIn
from steward.adapters.engines import lora
from steward.adapters.engines.lora import LoraServer
from steward.core.errors import Unavailable
from steward.core.secret import Secret


@pytest.fixture
def stand_in() -> Iterator[LoraStandIn]:
    server = LoraStandIn("llama")
    yield server
    server.close()


def test_an_adapter_is_loaded_listed_and_unloaded_with_the_servers_key(stand_in: LoraStandIn) -> None:
    server = LoraServer(f"{stand_in.url}/v1", Secret("k"), {"X-Team": Secret("t")})
    assert server.list_served() == {"llama": "llama"}
    server.load_adapter("bot@3f", "/adapters/3f")
    assert server.list_served() == {"llama": "llama", "bot@3f": "/adapters/3f"}
    server.unload_adapter("bot@3f")
    assert server.list_served() == {"llama": "llama"}
    assert stand_in.asked == [
        ("/v1/load_lora_adapter", {"lora_name": "bot@3f", "lora_path": "/adapters/3f"}),
        ("/v1/unload_lora_adapter", {"lora_name": "bot@3f"}),
    ]
    assert stand_in.keys == ["Bearer k", "Bearer k"]


def test_what_the_server_says_stands_in_the_error(stand_in: LoraStandIn) -> None:
    server = LoraServer(stand_in.url)
    stand_in.fault = "refuses"
    with pytest.raises(Unavailable, match=r"load_lora_adapter answered 500: .*no room for another adapter"):
        server.load_adapter("bot@3f", "/a")
    stand_in.fault = "fixed"
    with pytest.raises(
        Unavailable, match=r"loads no adapters while it runs \(404\); .*VLLM_ALLOW_RUNTIME_LORA_UPDATING"
    ):
        server.load_adapter("bot@3f", "/a")
    assert stand_in.keys == [None, None]


def test_a_server_that_is_gone_is_unavailable() -> None:
    server = LoraStandIn("llama")
    server.close()
    with pytest.raises(Unavailable, match=server.url):
        LoraServer(server.url).list_served()


@pytest.mark.parametrize(
    ("status", "said"), [(404, "loads no adapters"), (405, "loads no adapters"), (406, "answered 406")]
)
def test_a_server_without_the_endpoint_is_told_from_one_that_refuses(
    status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9110: 404 where there is no such path, 405 where it takes another method."""

    def refuse(request: urllib.request.Request, *_: object, **__: object) -> None:
        raise urllib.error.HTTPError(request.full_url, status, "", Message(), io.BytesIO(b"x" * 400))

    monkeypatch.setattr(lora, "open_url", refuse)
    with pytest.raises(Unavailable, match=said) as caught:
        LoraServer("http://engine.example").load_adapter("bot", "/a")
    assert "x" * 301 not in str(caught.value)
