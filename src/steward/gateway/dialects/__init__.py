"""What differs between the dialects that clients and upstreams speak: one pure module each.

    openai.py      /v1/chat/completions, /v1/completions, /v1/embeddings
    anthropic.py   /v1/messages
    responses.py   /v1/responses

Each says how its errors are spelt, where its answers carry usage and an end, and where its texts are (`Dialect`).
An upstream that speaks another dialect is asked through a `Translation`: `…_to_chat.py` and `…_to_messages.py` turn
requests, `chat_to_…` and `message_to_chat.py` answers. The data plane asks `find_dialect` for the module of an endpoint
and otherwise knows no dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec

from steward.core.errors import Refused
from steward.gateway.dialects import (
    anthropic,
    chat_to_message,
    chat_to_messages,
    chat_to_response,
    embedded_completions,
    message_to_chat,
    messages_to_chat,
    openai,
    responses,
    responses_to_chat,
    responses_to_messages,
)
from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.sse import Scanner
from steward.gateway.text_fields import Json, StreamTexts, TextFilter
from steward.gateway.wire import bad_request
from steward.gateway.wire_fields import AnswerEnvelope


class Dialect(Protocol):
    """What a module of this folder defines."""

    def error_body(self, error: Refused, request_id: str) -> bytes:
        """An error as the whole body of an answer."""
        ...

    def error_event(self, error: Refused, request_id: str) -> bytes:
        """An error in the middle of a stream, and the stream's end."""
        ...

    def scanner(self) -> Scanner:
        """What reads one stream for metering."""
        ...

    def envelope(self, body: bytes) -> AnswerEnvelope:
        """Id and usage of a whole answer; empty where the upstream sent something else."""
        ...

    def filter_answer_texts(self, answer: Json, texts: TextFilter) -> None:
        """Pass every text of a whole answer through `texts`."""
        ...

    def open_text_stream(self, texts: TextFilter) -> StreamTexts:
        """What passes the texts of one stream through `texts`, event by event."""
        ...


class ChunkStream(Protocol):
    """One streamed answer of an upstream on its way to being another dialect's stream."""

    def feed(self, event: Json) -> list[bytes]: ...

    def end(self, estimate: TokenCounts) -> list[bytes]:
        """What is still to come; `estimate` stands where the events told no usage."""
        ...


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """How an upstream that speaks another dialect is asked, and how its answer comes back."""

    upstream: str  # the endpoint that is asked
    translate_request: Callable[[Json, list[str]], Json]  # also notes the paths of what it leaves out
    translate_answer: Callable[[Json, Json, str, float], Json]  # (answer, what was asked, request id, time)
    open_stream: Callable[[Json, str, float, int], ChunkStream]  # (what was asked, request id, time, input tokens)


CHAT: Final = "/v1/chat/completions"
MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"
_TRANSLATIONS: Final = {  # by the client's endpoint and the upstream's
    (MESSAGES, CHAT): Translation(
        upstream=CHAT,
        translate_request=messages_to_chat.translate_request,
        translate_answer=chat_to_message.translate_answer,
        open_stream=chat_to_message.open_stream,
    ),
    (RESPONSES, CHAT): Translation(
        upstream=CHAT,
        translate_request=responses_to_chat.translate_request,
        translate_answer=chat_to_response.translate_answer,
        open_stream=chat_to_response.open_stream,
    ),
    (CHAT, MESSAGES): Translation(
        upstream=MESSAGES,
        translate_request=chat_to_messages.translate_request,
        translate_answer=message_to_chat.translate_answer,
        open_stream=message_to_chat.open_stream,
    ),
    (RESPONSES, MESSAGES): Translation(
        upstream=MESSAGES,
        translate_request=responses_to_messages.translate_request,
        translate_answer=responses_to_messages.translate_answer,
        open_stream=responses_to_messages.open_stream,
    ),
}
EMBEDDED_COMPLETIONS: Final = Translation(
    upstream="/v1/completions",
    translate_request=embedded_completions.translate_request,
    translate_answer=embedded_completions.translate_answer,
    open_stream=embedded_completions.open_stream,
)
_DIALECTS: Final[dict[str, Dialect]] = {
    CHAT: openai,
    "/v1/completions": openai,
    "/v1/embeddings": openai,
    "/v1/messages": anthropic,
    "/v1/messages/count_tokens": anthropic,
    "/v1/responses": responses,
}


def find_dialect(endpoint: str) -> Dialect:
    """The dialect of an endpoint; OpenAI's where none is its own.

    >>> find_dialect("/v1/messages").__name__
    'steward.gateway.dialects.anthropic'
    """
    return _DIALECTS.get(endpoint, openai)


def find_error_dialect(path: str, headers: Mapping[str, str]) -> Dialect:
    """The dialect in which the client of any path reads an error: that of the path, or of what it goes on from, else
    Anthropic's where the headers name a version of its API.

    >>> find_error_dialect("/v1/messages/batches", {}) is find_error_dialect("/v1/models", {"anthropic-version": "x"})
    True
    """
    if (known := _DIALECTS.get(path)) is not None:
        return known
    if "anthropic-version" in headers:
        return anthropic
    return next((dialect for begin, dialect in _DIALECTS.items() if path.startswith(f"{begin}/")), openai)


def find_translation(endpoint: str, spoken: frozenset[str]) -> Translation | None:
    """How to reach an upstream that answers the endpoints `spoken`; None where it answers this one itself.

    :raises Refused: 400 where there is no way
    """
    if endpoint in spoken:
        return None
    reachable = [(endpoint, upstream) for upstream in (CHAT, MESSAGES) if upstream in spoken]
    translation = next((_TRANSLATIONS[pair] for pair in reachable if pair in _TRANSLATIONS), None)
    if translation is None:
        translated = {client for client, upstream in _TRANSLATIONS if upstream in spoken}
        raise bad_request(
            f"This model does not support {endpoint}; it supports {', '.join(sorted(spoken | translated))}.",
            "model",
            "unsupported_endpoint",
        )
    return translation
