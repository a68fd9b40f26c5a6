"""The client of servers that take in adapters, against a stand-in that answers as vLLM does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lora_servers import LoraStandIn
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
