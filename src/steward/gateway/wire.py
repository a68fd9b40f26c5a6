"""OpenAI's wire format, as little of it as routing, metering and errors need.

Decides what of a request is looked at (the routing fields) and how errors are spelt. Knows nothing of
HTTP servers or upstreams. Field names and error shapes: OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.errors import Refused

COMMON_OUTPUT_TOKENS: Final = 256  # reserved where a request declares no maximum

JSON: Final = b"application/json"


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class Request(msgspec.Struct):
    """The fields that the gateway reads; all others stay bytes and pass through."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    prompt: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    def content_bytes(self) -> int:
        """Bytes of the texts, for the estimate of input tokens (4 bytes a token)."""
        parts = (self.messages, self.prompt, self.input)
        return sum(len(bytes(part)) for part in parts if part is not msgspec.UNSET)

    def output_limit(self) -> int | None:
        limit = self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
        return None if limit is None else limit * max(1, self.n or 1)


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class TokenUsage(msgspec.Struct):
    """OpenAI's `usage` object."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class AnswerEnvelope(msgspec.Struct):
    """What metering reads of a whole answer."""

    id: str | None = None
    usage: TokenUsage | None = None


_request = msgspec.json.Decoder(Request)
_envelope = msgspec.json.Decoder(AnswerEnvelope)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

REQUIRED: Final = {"/v1/chat/completions": "messages", "/v1/completions": "prompt", "/v1/embeddings": "input"}


def decode_request(endpoint: str, body: bytes) -> Request:
    """The routing fields of `body`.

    :raises Refused: 400, with `param` naming the field that is wrong
    """
    try:
        request = _request.decode(body)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        param = where.strip("`").removeprefix("$.") or None
        if param is None and "missing required field" in message:
            param = message.rsplit("`", 2)[1]
        raise invalid(f"{message}{f' (at {param})' if param else ''}", param) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The body is not valid JSON: {error}. Expected a JSON object in UTF-8.") from error
    needed = REQUIRED.get(endpoint)
    if needed and getattr(request, needed) is msgspec.UNSET:
        raise invalid(f"Missing required parameter: '{needed}'.", needed)
    if (limit := request.output_limit()) is not None and limit < 1:
        raise invalid(f"max_tokens must be at least 1, not {limit}.", "max_tokens")
    if request.n is not None and not 1 <= request.n <= 128:
        raise invalid(f"n must be between 1 and 128, not {request.n}.", "n")
    return request


def rewrite(body: bytes, changes: dict[str, Any]) -> bytes:
    """`body` with the top-level fields in `changes` set; every other field keeps its bytes."""
    fields: dict[str, Any] = dict(_fields.decode(body))
    fields.update(changes)
    return msgspec.json.encode(fields)


def decode_answer(body: bytes) -> AnswerEnvelope:
    """Id and usage of a whole answer; empty where the upstream sent something else."""
    try:
        return _envelope.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return AnswerEnvelope()


def invalid(message: str, param: str | None = None, code: str | None = None) -> Refused:
    return Refused(message, status=400, type="invalid_request_error", param=param, code=code)


def error_body(error: Refused) -> bytes:
    """OpenAI's error object."""
    inner = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return msgspec.json.encode({"error": inner})


def error_event(error: Refused) -> bytes:
    """An error in the middle of a stream, then its end; the SDKs raise on a chunk with `error`."""
    return b"data: " + error_body(error) + b"\n\ndata: [DONE]\n\n"
