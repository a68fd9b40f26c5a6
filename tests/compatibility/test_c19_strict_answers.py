"""C19: what `starter` answers in every dialect, whole and streamed, as strict clients validate it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from compatibility.strict_schemas import REQUIRED, event_data, find_faults
from conftest import Deployment

pytest.importorskip("xllamacpp", reason="the extra `embedded` is not installed")

SCHEMA = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
TOOL = {"name": "find_order", "description": "x", "parameters": {"type": "object", "properties": {}}}
SAY: list[Any] = [{"role": "user", "content": "where is my order?"}]
CHAT = {"model": "starter", "messages": SAY, "max_tokens": 8}
CASES: list[tuple[str, Any, Any, dict[str, Any]]] = [
    (path, kind, event, {**body, **more})
    for path, kind, event, body, variants in (
        ("/v1/chat/completions", ChatCompletion, ChatCompletionChunk, CHAT, (
            {}, {"logprobs": True, "top_logprobs": 2}, {"n": 2}, {"stream_options": {"include_usage": True}},
            {"tools": [{"type": "function", "function": TOOL}]}, {"max_tokens": 1},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        )),
        ("/v1/completions", Completion, Completion, {"model": "starter", "prompt": "Hello", "max_tokens": 4}, (
            {}, {"logprobs": 2}, {"echo": True}, {"prompt": ["a", "b"]}, {"max_tokens": 0},
        )),
        ("/v1/responses", Response, ResponseStreamEvent, {"model": "starter", "input": SAY}, (
            {}, {"max_output_tokens": 2}, {"tools": [{"type": "function", **TOOL}]},
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}}, {"instructions": "Be kind."},
        )),
        ("/v1/messages", Message, RawMessageStreamEvent, CHAT, (
            {}, {"max_tokens": 1}, {"system": "Be kind."},
            {"tools": [{"name": "find_order", "input_schema": {"type": "object"}}]},
        )),
    )
    for more in variants
]  # fmt: skip


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("strict")
    (folder / "steward.yaml").write_text("models:\n  - {name: starter, backend: embedded, embeddings: mean}\n")
    deployment = Deployment(folder / "home", "--workers", "1", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def ask(starter: Deployment, path: str, body: Any = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {starter.key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(starter.url + path, data, headers), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize(("path", "kind", "event", "body"), CASES)
def test_an_answer_is_what_its_schema_says(
    starter: Deployment, path: str, kind: Any, event: Any, body: dict[str, Any]
) -> None:
    status, whole = ask(starter, path, body)
    assert status == 200, whole
    assert find_faults(kind, whole) == []
    status, stream = ask(starter, path, {**body, "stream": True})
    assert status == 200, stream
    events = event_data(stream)
    if event is Completion:  # OpenAI's own chunks are null until the end; the SDK has one type for both
        events = [data.replace('"finish_reason":null', '"finish_reason":"stop"') for data in events]
    assert events and [fault for data in events for fault in find_faults(event, data)] == []


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings(starter: Deployment, form: str) -> None:
    status, answer = ask(starter, "/v1/embeddings", {"model": "starter", "input": ["a", "b"], "encoding_format": form})
    assert status == 200
    if form == "base64":  # the SDK's type is that of decoded ones
        plain = json.loads(answer)
        for item in plain["data"]:
            assert isinstance(item["embedding"], str)
            item["embedding"] = []
        answer = json.dumps(plain).encode()
    assert find_faults(CreateEmbeddingResponse, answer) == []


def test_dimensions_are_the_model_s_or_refused(starter: Deployment) -> None:
    status, answer = ask(starter, "/v1/embeddings", {"model": "starter", "input": "a", "dimensions": 8})
    error = json.loads(answer)["error"]
    assert (status, error["param"]) == (400, "dimensions")
    length = int(error["message"].split("embeddings of ")[1].split()[0])
    status, answer = ask(starter, "/v1/embeddings", {"model": "starter", "input": "a", "dimensions": length})
    assert status == 200 and len(json.loads(answer)["data"][0]["embedding"]) == length


def test_models(starter: Deployment) -> None:
    assert find_faults(Model, ask(starter, "/v1/models/starter")[1]) == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_told_in_every_dialect(starter: Deployment, stream: bool) -> None:
    long = "word " * 4000
    for path, body in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": long}]}),
        ("/v1/completions", {"prompt": long}),
        ("/v1/responses", {"input": long}),
        ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": long}]}),
    ):
        status, answer = ask(starter, path, {"model": "starter", "stream": stream, **body})
        error = json.loads(answer)["error"]
        assert status == 400 and "1024 " in error["message"], error
        assert error.get("code", "context_length_exceeded") == "context_length_exceeded"
        tokens = [int(word) for word in error["message"].replace(".", " ").split() if word.isdigit()]
        assert max(tokens) > 1024


def test_numbers(starter: Deployment) -> None:
    status, answer = ask(starter, "/v1/chat/completions", {**CHAT, "max_tokens": 3.0})
    assert status == 200 and json.loads(answer)["usage"]["completion_tokens"] == 3
    status, answer = ask(
        starter, "/v1/completions", {"model": "starter", "prompt": "Hi", "max_tokens": 0, "echo": True}
    )
    assert status == 200 and json.loads(answer)["choices"][0]["text"] == "Hi"
    for path, field, value in (
        ("/v1/chat/completions", "temperature", 2.1),
        ("/v1/chat/completions", "max_tokens", -1),
        ("/v1/messages", "temperature", 1.1),
    ):
        status, answer = ask(starter, path, {**CHAT, field: value})
        assert status == 400 and field in json.loads(answer)["error"]["message"]


def test_the_suite_finds_what_is_missing() -> None:
    assert (
        find_faults(ChatCompletion, b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}') == []
    )
    choice = b'{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"x"}}'
    body = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[' + choice + b"]}"
    assert find_faults(ChatCompletion, body) == [
        "chat.chat_completion.Choice lacks logprobs",
        "chat.chat_completion_message.ChatCompletionMessage lacks refusal",
    ]
    assert all("." in name for name in REQUIRED)
