"""What a strict client checks: the SDKs' own types without coercion, and every field that the schemas require.

The SDKs' types let a required field that may be null be absent. Which those are stands here, by type: OpenAI's OpenAPI
description and the Open Responses specification; Anthropic's OpenAPI description (`anthropic-version: 2023-06-01`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, TypeAdapter

REQUIRED: dict[str, str] = {
    "chat.chat_completion.ChatCompletion": "id object created model choices",
    "chat.chat_completion.Choice": "index message finish_reason logprobs",
    "chat.chat_completion_message.ChatCompletionMessage": "role content refusal",
    "chat.chat_completion_chunk.ChatCompletionChunk": "id object created model choices",
    "chat.chat_completion_chunk.Choice": "index delta finish_reason",
    "chat.chat_completion_token_logprob.ChatCompletionTokenLogprob": "token logprob bytes top_logprobs",
    "chat.chat_completion_token_logprob.TopLogprob": "token logprob bytes",
    "completion.Completion": "id object created model choices",
    "completion_choice.CompletionChoice": "index text finish_reason logprobs",
    "completion_choice.Logprobs": "tokens token_logprobs top_logprobs text_offset",
    "completion_usage.CompletionUsage": "prompt_tokens completion_tokens total_tokens",
    "create_embedding_response.CreateEmbeddingResponse": "object data model usage",
    "embedding.Embedding": "object index embedding",
    "responses.response.Response": (
        "id object created_at completed_at status incomplete_details model previous_response_id instructions output "
        "error tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty "
        "top_logprobs temperature reasoning usage max_output_tokens max_tool_calls store background service_tier "
        "metadata safety_identifier prompt_cache_key"
    ),
    "responses.response_output_message.ResponseOutputMessage": "id type role status content",
    "responses.response_output_text.ResponseOutputText": "type text annotations logprobs",
    "responses.response_function_tool_call.ResponseFunctionToolCall": "id type status call_id name arguments",
    "message.Message": "id type role model content stop_reason stop_sequence container usage",
    "usage.Usage": (
        "input_tokens output_tokens cache_creation cache_creation_input_tokens cache_read_input_tokens "
        "server_tool_use service_tier"
    ),
    "text_block.TextBlock": "type text citations",
    "tool_use_block.ToolUseBlock": "type id name input",
    "raw_message_delta_event.RawMessageDeltaEvent": "type delta usage",
    "raw_message_delta_event.Delta": "stop_reason stop_sequence container",
}
_PREFIXES = ("openai.types.", "anthropic.types.")


def find_faults(kind: Any, data: bytes | str) -> list[str]:
    """Required fields that are absent, by type. :raises ValidationError: JSON that is not of that type"""
    return sorted(
        f"{_name(model)} lacks {field}"
        for model in _models(TypeAdapter(kind).validate_json(data, strict=True))
        for field in REQUIRED.get(_name(model), "").split()
        if field not in model.model_fields_set
    )


def _name(model: BaseModel) -> str:
    full = f"{type(model).__module__}.{type(model).__name__}"
    return next((full.removeprefix(prefix) for prefix in _PREFIXES if full.startswith(prefix)), full)


def _models(value: Any) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
        for name in value.model_fields_set:
            yield from _models(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _models(item)
    elif isinstance(value, dict):
        yield from _models(list(value.values()))


def event_data(stream: bytes) -> list[str]:
    """The JSON of each event of a stream."""
    lines = stream.decode().splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
