"""What differs between the dialects that clients and upstreams speak: one pure module each.

    openai.py      /v1/chat/completions, /v1/completions, /v1/embeddings
    anthropic.py   /v1/messages
    responses.py   /v1/responses

Each says how its errors are spelt, where its answers carry usage and an end, and where its texts are (`Dialect`).
`messages_to_chat.py` and `responses_to_chat.py` turn the last two into chat completions and back, for upstreams that
speak nothing else. The data plane asks `find_dialect` for the module of an endpoint and otherwise knows no dialect.
"""

from __future__ import annotations

from typing import Final, Protocol

from steward.core.errors import Refused
from steward.gateway.dialects import anthropic, messages_to_chat, openai, responses, responses_to_chat
from steward.gateway.sse import Scanner
from steward.gateway.text_fields import Json, Replace, StreamTexts, TextFilter
from steward.gateway.wire import AnswerEnvelope, invalid


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

    def replace_request_texts(self, body: Json, replace: Replace) -> None:
        """Put `replace(text)` in the place of every text of a request."""
        ...

    def filter_answer_texts(self, answer: Json, texts: TextFilter) -> None:
        """Pass every text of a whole answer through `texts`."""
        ...

    def open_text_stream(self, texts: TextFilter) -> StreamTexts:
        """What passes the texts of one stream through `texts`, event by event."""
        ...


class ChunkStream(Protocol):
    """One streamed chat completion on its way to being another dialect's stream."""

    def feed(self, chunk: Json) -> list[bytes]: ...

    def end(self) -> list[bytes]: ...


class Translation(Protocol):
    """What a module named `…_to_chat` defines."""

    def translate_request(self, body: Json) -> Json:
        """The chat completion that asks for the same. :raises Refused: 400 naming what has no counterpart"""
        ...

    def translate_answer(self, chat: Json, asked: Json, request_id: str, at: float) -> Json:
        """A whole chat completion as the answer to `asked`."""
        ...

    def open_stream(self, asked: Json, request_id: str, at: float) -> ChunkStream:
        """What turns the chunks of one answer into events."""
        ...


CHAT: Final = "/v1/chat/completions"
_TRANSLATIONS: Final[dict[str, Translation]] = {"/v1/messages": messages_to_chat, "/v1/responses": responses_to_chat}
_DIALECTS: Final[dict[str, Dialect]] = {"/v1/messages": anthropic, "/v1/responses": responses}


def find_dialect(endpoint: str) -> Dialect:
    """The dialect of an endpoint; OpenAI's where none is its own.

    >>> find_dialect("/v1/messages").__name__
    'steward.gateway.dialects.anthropic'
    """
    return _DIALECTS.get(endpoint, openai)


def find_translation(endpoint: str, spoken: frozenset[str]) -> Translation | None:
    """How to reach an upstream that answers the endpoints `spoken`; None where it answers this one itself.

    :raises Refused: 400 where there is no way
    """
    if endpoint in spoken:
        return None
    found = _TRANSLATIONS.get(endpoint) if CHAT in spoken else None
    if found is None:
        raise invalid(
            f"This model does not support {endpoint}; it supports {', '.join(sorted(spoken))}.",
            "model",
            "unsupported_endpoint",
        )
    return found
