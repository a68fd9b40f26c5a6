"""C7: tokens are counted before a request is sent: exactly for `starter`, by estimate elsewhere, in both dialects.

The right value of an exact count is what the same request is billed for its input.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from conftest import Deployment, inside, until

pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")

SAY: list[Any] = [{"role": "user", "content": "where is my order?"}]
TURNS: list[Any] = [*SAY, {"role": "assistant", "content": "On its way."}, {"role": "user", "content": "Since when?"}]
TOOL: Any = {
    "name": "find_order",
    "description": "Finds an order.",
    "input_schema": {"type": "object", "properties": {}},
}


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("counts")
    lines = [
        "models:",
        "  - {name: starter, backend: embedded, direct: true}",
        "  - {name: far, backend: openai, url: 'http://127.0.0.1:9'}",
        "routes:",
        "  - {name: shop/kind, targets: [{model: starter}], prompt: {system: Be kind.}}",
    ]
    (folder / "steward.yaml").write_text("\n".join(lines))
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


@pytest.fixture(scope="module")
def claude(it: Deployment) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=it.url, api_key=it.key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def client(it: Deployment) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{it.url}/v1", api_key=it.key, max_retries=0) as made:
        yield made


def billed(usage: anthropic.types.Usage) -> int:
    return usage.input_tokens + (usage.cache_read_input_tokens or 0)


@pytest.mark.parametrize("model", ["starter", "shop/kind"])
@pytest.mark.parametrize("more", [{}, {"messages": TURNS}, {"system": "You run a shop."}, {"tools": [TOOL]}])
def test_the_count_is_what_is_billed(claude: anthropic.Anthropic, model: str, more: Any) -> None:
    asked = {"messages": SAY, **more, "model": model}
    told = claude.messages.with_raw_response.count_tokens(**asked)
    message = claude.messages.create(max_tokens=1, **asked)
    assert told.parse().input_tokens == billed(message.usage) > 0
    assert told.headers["x-steward-token-count"] == "exact"


def test_the_count_of_responses(client: openai.OpenAI) -> None:
    told = client.responses.input_tokens.count(model="starter", input=SAY, instructions="Be kind.")
    answer = client.responses.create(model="starter", input=SAY, instructions="Be kind.", max_output_tokens=1)
    assert answer.usage and told.input_tokens == answer.usage.input_tokens and told.object == "response.input_tokens"


def test_elsewhere_it_is_an_estimate_and_never_zero(claude: anthropic.Anthropic, client: openai.OpenAI) -> None:
    long = claude.messages.with_raw_response.count_tokens(
        model="far", messages=[{"role": "user", "content": "x" * 4000}]
    )
    assert 1000 <= long.parse().input_tokens <= 1100 and long.headers["x-steward-token-count"] == "estimate"
    assert claude.messages.count_tokens(model="far", messages=[]).input_tokens >= 1
    assert client.responses.input_tokens.count(model="far", input="").input_tokens >= 1


def test_what_would_be_refused_is_refused(claude: anthropic.Anthropic, it: Deployment) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.count_tokens(model="gone", messages=SAY)
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        claude.post("/v1/messages/count_tokens", body={"model": "starter"}, cast_to=object)
    with pytest.raises(anthropic.BadRequestError, match="role"):
        nobody: Any = [{"role": "nobody", "content": "x"}]
        claude.messages.count_tokens(model="starter", messages=nobody)
    with anthropic.Anthropic(base_url=it.url, api_key="stw_live_wrong", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            stranger.messages.count_tokens(model="starter", messages=SAY)


def test_names_with_slashes(client: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    assert client.models.retrieve("shop/kind").id == claude.models.retrieve("shop/kind").id == "shop/kind"
    assert [model.id for model in client.models.list()] == [model.id for model in claude.models.list()]
    assert json.loads(client.models.retrieve("shop/kind").to_json())["object"] == "model"


def test_a_key_for_other_models_counts_nothing(it: Deployment) -> None:
    """Counting says that a model exists and what its prompt costs: only to whoever may ask it."""
    made = inside("keys", "create", "--name", "other", "--models", "far", "--home", str(it.home), "--json")
    key = json.loads(made.stdout)["key"]
    with anthropic.Anthropic(base_url=it.url, api_key=key, max_retries=0) as stranger:

        def refused() -> bool:
            try:
                stranger.messages.count_tokens(model="starter", messages=SAY)
            except anthropic.NotFoundError:
                return True
            except anthropic.AuthenticationError:  # the worker has not read of the key yet
                return False
            raise AssertionError("a model that the key may not use was counted for")

        until(refused)
        assert stranger.messages.count_tokens(model="far", messages=SAY).input_tokens > 0
