"""C18 and C19: translated answers carry the counts and every field that a strict client requires.

Required fields: OpenAI's OpenAPI description (CreateChatCompletionResponse, Response) with the nullable ones of the
Open Responses specification, and Anthropic's API reference (Message, RawMessageDeltaEvent).
"""

from typing import Any

from anthropic.types import Message
from openai.types.responses import Response

from compatibility.events import chunk, parse_events
from steward.gateway.dialects import chat_to_message, chat_to_response
from steward.gateway.dialects.chat import TokenCounts

CHAT: dict[str, Any] = {
    "model": "m",
    "choices": [{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
}
RESPONSE_FIELDS = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
    "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
    "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage", "max_output_tokens",
    "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
}  # fmt: skip
MESSAGE_FIELDS = {
    "id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "container", "usage",
}  # fmt: skip
USAGE_FIELDS = {
    "input_tokens", "output_tokens", "cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens",
    "server_tool_use", "service_tier",
}  # fmt: skip


def test_c19_a_message_has_every_required_field() -> None:
    message = chat_to_message.translate_answer(CHAT, {"model": "m"}, "req_1", 0.0)
    assert message.keys() >= MESSAGE_FIELDS and message["usage"].keys() >= USAGE_FIELDS
    assert message["content"][0] == {"type": "text", "text": "Yes.", "citations": []}
    assert Message.model_validate(message, strict=True).usage.input_tokens == 5


def test_c19_a_response_has_every_required_field_while_it_runs_and_at_its_end() -> None:
    whole = chat_to_response.translate_answer(CHAT, {"model": "m"}, "req_1", 1.0)
    assert whole.keys() >= RESPONSE_FIELDS and whole["completed_at"] >= 1
    assert (whole["temperature"], whole["top_p"], whole["metadata"]) == (1.0, 1.0, {})
    assert Response.model_validate(whole).usage is not None
    stream = chat_to_response.ResponseStream({"model": "m", "temperature": 0.5}, "req_1", 1.0)
    begun = parse_events(stream.feed(chunk({"content": "Yes."})))[0]["response"]
    assert begun.keys() >= RESPONSE_FIELDS and begun["completed_at"] is None and begun["temperature"] == 0.5


def test_c18_a_streamed_message_begins_with_the_estimate_and_ends_with_the_count() -> None:
    stream = chat_to_message.MessageStream({"model": "m"}, "req_1", 37)
    begun = parse_events(stream.feed(chunk({"content": "Yes."})))[0]
    assert begun["message"]["usage"]["input_tokens"] == 37
    stream.feed({"choices": [], "usage": CHAT["usage"]})
    last = parse_events(stream.end(TokenCounts(37, 1)))[-2]
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (5, 2)
    assert last["delta"].keys() == {"stop_reason", "stop_sequence", "container"}


def test_c18_without_a_usage_the_estimate_stays() -> None:
    stream = chat_to_message.MessageStream({"model": "m"}, "req_1", 37)
    stream.feed(chunk({"content": "Yes."}))
    last = parse_events(stream.end(TokenCounts(37, 6)))[-2]
    assert (last["usage"]["input_tokens"], last["usage"]["output_tokens"]) == (37, 6)
    response = chat_to_response.ResponseStream({"model": "m"}, "req_1", 1.0)
    response.feed(chunk({"content": "Yes."}))
    usage = parse_events(response.end(TokenCounts(37, 6)))[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (37, 6, 43)
