"""The fields that the gateway reads of requests and answers, of all dialects; all others stay bytes.

Records, apart from the code that is hot. Field names: OpenAI API reference, "Create chat completion" and "Create a
model response"; Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

from typing import Any

import msgspec

from steward.gateway.media import NO_MEDIA, MediaSize, measure_media

_list = msgspec.json.Decoder(list[msgspec.Raw])


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class RequestSize(msgspec.Struct, frozen=True):
    """Of a request whose texts are not kept beside its body."""

    text_bytes: int  # with the JSON around them, without media
    media_tokens: int


class Request(msgspec.Struct):
    """The fields that the gateway reads; all others stay bytes and pass through.

    One struct for all dialects: `max_output_tokens` and `instructions` are Responses', `system` is Anthropic's.
    """

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None  # of /v1/completions: made, and billed, though only n are returned
    user: str | None = None
    safety_identifier: str | None = None
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    prompt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    system: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    instructions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    tools: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def content_bytes(self) -> int:
        """Bytes of the texts and of what stands around them, for the estimate of input tokens (4 bytes a token)."""
        size = 0
        for part in (self.messages, self.prompt, self.input, self.system, self.instructions, self.tools):
            if part is not msgspec.UNSET:
                size += len(memoryview(part))
        return size

    def media(self) -> MediaSize:
        """Of the pictures, sounds and documents among the messages."""
        part = self.input if self.messages is msgspec.UNSET else self.messages
        return NO_MEDIA if part is msgspec.UNSET else measure_media(bytes(part))

    def size(self) -> RequestSize:
        media = self.media()
        return RequestSize(self.content_bytes() - media.raw_bytes, media.tokens)

    def choices(self) -> int:
        """How many answers are made: for /v1/completions so many for each prompt of a list."""
        if self.n is None and self.best_of is None and self.prompt is msgspec.UNSET:
            return 1  # nearly always
        return max(1, self.n or 1, self.best_of or 1) * self.prompts()

    def prompts(self) -> int:
        """How many prompts a request to /v1/completions has."""
        return max(1, len(self.list_prompts()))

    def list_prompts(self) -> list[msgspec.Raw]:
        """Each of several prompts; none where there is one."""
        if self.prompt is msgspec.UNSET or not bytes(self.prompt).lstrip().startswith(b"["):
            return []
        listed = _list.decode(self.prompt)
        several = bool(listed) and bytes(listed[0]).lstrip()[:1] in (b'"', b"[")  # else: one, in tokens
        return listed if several else []


class TokenUsage(msgspec.Struct):
    """OpenAI's `usage` object."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    prompt_cache_hit_tokens: Any = None  # DeepSeek's
    input_tokens: Any = None  # Anthropic's names, as some proxies mix them in
    output_tokens: Any = None
    cached_tokens: Any = None  # Moonshot's
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None
    cache_creation: Any = None  # of the former, by how long it is kept
    service_tier: Any = None


class AnswerEnvelope(msgspec.Struct):
    """What metering reads of a whole answer."""

    id: str | None = None
    usage: TokenUsage | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: Any = None


class GroqExtension(msgspec.Struct):
    """Where Groq puts a stream's usage."""

    usage: TokenUsage | None = None


class ChunkEnvelope(msgspec.Struct):
    """What metering reads of a streamed chunk."""

    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[msgspec.Raw] | None = None
    usage: TokenUsage | None = None
    x_groq: GroqExtension | None = None
    service_tier: Any = None
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class PersonField(msgspec.Struct):
    """Whom Anthropic's `metadata` names."""

    user_id: str | None = None


class MetadataField(msgspec.Struct):
    """A request with Anthropic's `metadata`."""

    metadata: PersonField | None = None


class AnswerFacts(msgspec.Struct, frozen=True):
    """What a whole answer says of itself."""

    usage: TokenUsage | None
    upstream_id: str | None
    answered_by: str | None
    shortened: bool
