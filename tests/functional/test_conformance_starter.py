"""Both official SDKs against the shipped model: every dialect ends at llama.cpp."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from conftest import SHARE_STARTER, Deployment

pytestmark = SHARE_STARTER

pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")

ORDER: Any = [{"role": "user", "content": "where is my order?"}]


@pytest.fixture(scope="module")
def whole(starter: Deployment) -> str:
    """What the model says to `ORDER`, through chat completions."""
    with openai.OpenAI(base_url=f"{starter.url}/v1", api_key=starter.key, max_retries=0) as client:
        answer = client.chat.completions.create(model="starter", messages=ORDER, temperature=0, max_tokens=64)
        return answer.choices[0].message.content or ""


def test_messages(starter: Deployment, whole: str) -> None:
    greedy = {"temperature": 0}
    with anthropic.Anthropic(base_url=starter.url, api_key=starter.key, max_retries=0) as client:
        message = client.messages.create(model="starter", max_tokens=64, messages=ORDER, extra_body=greedy)
        with client.messages.stream(model="starter", max_tokens=64, messages=ORDER, extra_body=greedy) as stream:
            streamed = stream.get_final_message()
        short = client.messages.create(model="starter", max_tokens=2, messages=ORDER)
    for answer in (message, streamed):
        block = answer.content[0]
        assert block.type == "text" and block.text == whole and answer.stop_reason == "end_turn"
        usage = answer.usage  # llama.cpp keeps the prompt's beginning: those tokens count as read from its cache
        assert usage.input_tokens + (usage.cache_read_input_tokens or 0) > 3 and usage.output_tokens > 3
    assert short.stop_reason == "max_tokens" and short.usage.output_tokens == 2


def test_responses(starter: Deployment, whole: str) -> None:
    with openai.OpenAI(base_url=f"{starter.url}/v1", api_key=starter.key, max_retries=0) as client:
        answer = client.responses.create(model="starter", input=ORDER, temperature=0, max_output_tokens=64)
        with client.responses.stream(model="starter", input=ORDER, temperature=0, max_output_tokens=64) as stream:
            list(stream)
            streamed = stream.get_final_response()
    assert answer.output_text == streamed.output_text == whole
    assert answer.usage and streamed.usage and answer.usage.output_tokens == streamed.usage.output_tokens


def test_the_engines_errors_have_the_clients_shape(starter: Deployment) -> None:
    long: Any = [{"role": "user", "content": "word " * 5000}]
    with anthropic.Anthropic(base_url=starter.url, api_key=starter.key, max_retries=0) as client:
        with pytest.raises(anthropic.BadRequestError) as caught:
            client.messages.create(model="starter", max_tokens=2, messages=long)
    body: Any = caught.value.body
    assert body["error"]["type"] == "invalid_request_error" and "context" in body["error"]["message"]
