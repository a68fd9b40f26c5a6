"""What an embedded engine's answers lack: fields that OpenAI's schemas require, null where there is nothing to say.

Strict clients validate them. Only whole chat completions lack any (llama.cpp's chunks have all that are required).
Source: OpenAI's OpenAPI description, CreateChatCompletionResponse and CreateEmbeddingResponse.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from steward.core.errors import Refused
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request


def complete_chat(chat: Json) -> Json:
    """A whole chat completion with every required field.

    >>> complete_chat({"choices": [{"message": {"content": "hi"}}]})["choices"][0]["logprobs"] is None
    True
    """
    for choice in chat.get("choices") or ():
        choice.setdefault("logprobs", None)
        message = choice.get("message")
        if isinstance(message, dict):
            for name in ("content", "refusal"):
                message.setdefault(name, None)
            message.setdefault("annotations", [])
    chat.setdefault("service_tier", None)
    return chat


def check_dimensions(model: str | None, asked: Any, answer: bytes) -> Refused | None:
    """The refusal where a client asked for vectors of another length than the model makes: a part of one is no
    embedding, unless the model was trained for it.
    """
    data = msgspec.json.decode(answer).get("data")
    size = _length(data[0].get("embedding")) if isinstance(data, list) and data and isinstance(data[0], dict) else None
    if size is None or size == asked:
        return None
    return bad_request(
        f"Model '{model}' makes embeddings of {size} numbers, not {asked}; leave out 'dimensions'.",
        "dimensions",
        "unsupported_parameter",
    )


def _length(embedding: Any) -> int | None:
    if isinstance(embedding, list):
        return len(embedding)
    try:
        return len(base64.b64decode(embedding)) // 4 if isinstance(embedding, str) else None
    except binascii.Error:
        return None
