"""OpenAI's responses as Anthropic's messages and back: two translations, by way of chat completions."""

from __future__ import annotations

from steward.gateway.dialects import chat_to_messages, chat_to_response, message_to_chat, responses_to_chat
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.text_fields import Json


def translate_request(body: Json, dropped: list[str]) -> Json:
    """The message that asks for the same. :raises Refused: 400, naming the field that has no counterpart"""
    chat = responses_to_chat.translate_request(body, dropped)
    return chat_to_messages.translate_request(chat, dropped)


def translate_answer(message: Json, asked: Json, request_id: str, at: float) -> Json:
    """The response that a whole message amounts to."""
    chat = message_to_chat.translate_answer(message, asked, request_id, at)
    return chat_to_response.translate_answer(chat, asked, request_id, at)


class MessageToResponseStream:
    """Anthropic's events as a response's."""

    def __init__(self, asked: Json, request_id: str, at: float) -> None:
        counted = {**asked, "stream_options": {"include_usage": True}}
        self._chat = message_to_chat.ChatStream(counted, request_id, at)
        self._response = chat_to_response.ResponseStream(asked, request_id, at)

    def feed(self, event: Json) -> list[bytes]:
        return [event_bytes for chunk in self._chat.chunks(event) for event_bytes in self._response.feed(chunk)]

    def end(self, estimate: TokenCounts) -> list[bytes]:
        last = [event_bytes for chunk in self._chat.last_chunks(estimate) for event_bytes in self._response.feed(chunk)]
        return [*last, *self._response.end(estimate)]


def open_stream(asked: Json, request_id: str, at: float, input_tokens: int) -> MessageToResponseStream:
    """What turns the events of one answer into a response's."""
    return MessageToResponseStream(asked, request_id, at)
