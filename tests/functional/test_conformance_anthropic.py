"""The official Anthropic SDK against a gateway, over upstreams of its own dialect and of OpenAI's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from conftest import until
from functional.conformance import HI, TEXT, Conformance, conformance

PIXEL = "iVBORw0KGgo="
TOOL: Any = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conformance]:
    yield from conformance(tmp_path_factory.mktemp("conformance"))


@pytest.fixture(scope="module")
def client(it: Conformance) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=it.url, api_key=it.key, max_retries=0) as made:
        yield made


def streamed(client: anthropic.Anthropic, model: str, **more: Any) -> anthropic.types.Message:
    with client.messages.stream(model=model, max_tokens=64, messages=HI, **more) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("model", ["good", "split", "crlf", "slow-first", "claude", "native"])
def test_streams_arrive_whole(client: anthropic.Anthropic, model: str) -> None:
    message = streamed(client, model)
    block = message.content[0]
    assert block.type == "text" and block.text == TEXT and message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 5


@pytest.mark.parametrize("model", ["good", "claude"])
def test_whole_messages(client: anthropic.Anthropic, model: str) -> None:
    message = client.messages.create(model=model, max_tokens=64, messages=HI)
    block = message.content[0]
    assert block.type == "text" and block.text == TEXT and message.stop_reason == "end_turn"
    assert message.usage.cache_read_input_tokens == 4 and message._request_id


def test_an_anthropic_upstream_gets_the_bytes_its_key_and_the_versions(it: Conformance) -> None:
    body = b'{ "model":"claude","max_tokens":8,"messages":[],  "container": "c" }'
    status, _, _ = it.post("/v1/messages", body, **{"anthropic-beta": "b1", "anthropic-version": "2023-06-01"})
    seen = it.last()
    assert status == 200 and seen["body"].encode() == body and seen["path"] == "/v1/messages"
    assert seen["headers"]["x-api-key"] == "sk-claude" and "authorization" not in seen["headers"]
    assert seen["headers"]["anthropic-version"] == "2023-06-01" and seen["headers"]["anthropic-beta"] == "b1"


def test_requests_are_translated(client: anthropic.Anthropic, it: Conformance) -> None:
    image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    call: Any = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Łódź"}}
    result: Any = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "rain"}]}
    client.messages.create(
        model="renamed",
        max_tokens=9,
        system=[{"type": "text", "text": "be kind", "cache_control": {"type": "ephemeral"}}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "hi"}, image]},
            {"role": "assistant", "content": [{"type": "text", "text": "well"}, call]},
            {"role": "user", "content": [result, {"type": "text", "text": "and now?"}]},
        ],
        tools=[TOOL],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        metadata={"user_id": "u1"},
        extra_body={"temperature": 0.5},
    )
    sent = json.loads(it.last()["body"])
    function = {"name": "weather", "arguments": '{"city":"Łódź"}'}
    assert sent["messages"] == [
        {"role": "system", "content": "be kind"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hi"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        },
        {
            "role": "assistant",
            "content": "well",
            "tool_calls": [{"id": "t1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
        {"role": "user", "content": "and now?"},
    ]
    schema = {"type": "object", "properties": {}}
    assert sent["tools"] == [
        {"type": "function", "function": {"name": "weather", "parameters": schema, "description": "d"}}
    ]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    rest = {key: sent[key] for key in ("model", "max_tokens", "stop", "user", "temperature", "parallel_tool_calls")}
    assert rest == {
        "model": "good",
        "max_tokens": 9,
        "stop": ["END"],
        "user": "u1",
        "temperature": 0.5,
        "parallel_tool_calls": False,
    }


def test_tool_calls_whole_and_streamed(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model="tools", max_tokens=9, messages=HI, tools=[TOOL])
    message = streamed(client, "tools", tools=[TOOL])
    assert whole.stop_reason == message.stop_reason == "tool_use"
    calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
    assert calls == [("call_0", "weather", {"city": "Łódź"}), ("call_1", "clock", {"zone": "UTC"})]
    first = whole.content[0]
    assert first.type == "tool_use" and (first.id, first.name, first.input) == calls[0]


def test_thinking_and_the_end_at_max_tokens(client: anthropic.Anthropic) -> None:
    for message in (streamed(client, "thinks"), client.messages.create(model="thinks", max_tokens=9, messages=HI)):
        thought, text = message.content
        assert thought.type == "thinking" and thought.thinking == "hmm "
        assert text.type == "text" and text.text == "So." and message.stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("error-midstream", "lost a worker"),
        ("truncated", "without a finish_reason"),
        ("malformed", "JSON"),
        ("stalled", "no next byte"),
        ("claude-error", "busy"),
        ("claude-cut", "without its last event"),
    ],
)
def test_failures_in_mid_stream_are_errors(client: anthropic.Anthropic, model: str, says: str) -> None:
    with pytest.raises(anthropic.APIStatusError, match=says) as caught:
        streamed(client, model)
    body: Any = caught.value.body
    assert body["type"] == "error" and body["error"]["type"] in ("api_error", "overloaded_error")


def test_errors_have_anthropics_shape(it: Conformance, client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        client.messages.create(model="nope", max_tokens=9, messages=HI)
    body: Any = missing.value.body
    assert body["error"]["type"] == "not_found_error" and body["request_id"] == missing.value.request_id
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.create(model="limited", max_tokens=9, messages=HI)
    body = limited.value.body
    assert body["error"] == {"type": "rate_limit_error", "message": "slow down"}
    assert limited.value.response.headers["retry-after"] == "2"
    status, _, raw = it.post("/v1/messages", {"model": "good"}, Authorization="Bearer wrong")
    assert status == 401 and json.loads(raw)["error"]["type"] == "authentication_error"
    status, headers, raw = it.post("/v1/messages", {"model": "claude-busy", "max_tokens": 1, "messages": HI})
    assert status == 529 and json.loads(raw)["error"]["type"] == "overloaded_error" and headers["retry-after"] == "3"


def test_c4_what_is_only_an_offer_is_dropped_and_named(client: anthropic.Anthropic, it: Conformance) -> None:
    offered: Any = [{"type": "web_search_20250305", "name": "web_search"}, TOOL]
    raw = client.messages.with_raw_response.create(
        model="good", max_tokens=64, messages=HI, tools=offered, extra_body={"container": "c"}
    )
    assert raw.headers["x-steward-dropped"] == "container, tools.0"
    sent = json.loads(it.last()["body"])
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather"] and "container" not in sent


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"thinking": {"type": "wild"}}, "thinking.type"),
        ({"extra_body": {"unheard_of": "c"}}, "unheard_of"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video", "source": {}}]}]},
            "messages.0.content.0.type",
        ),
    ],
)
def test_what_would_be_lost_is_refused_by_name(client: anthropic.Anthropic, more: Any, named: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=f"'{named}' is not supported"):
        client.messages.create(**{"model": "good", "max_tokens": 9, "messages": HI, **more})


def test_every_way_is_metered(it: Conformance, client: anthropic.Anthropic) -> None:
    before = it.deployment.settled_usage()
    for model in ("good", "claude"):
        client.messages.create(model=model, max_tokens=9, messages=HI)
        streamed(client, model)
    after = until(lambda: (u := it.deployment.usage())["requests"] == before["requests"] + 4 and u)
    assert after["output_tokens"] == before["output_tokens"] + 20
    assert after["input_tokens"] == before["input_tokens"] + 12 + 12 + 16 + 12
