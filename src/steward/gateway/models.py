"""The models that a gateway can call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from steward.core.extend import Engine
from steward.gateway.pricing.prices import Prices

OPENAI_ENDPOINTS: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})


def describe_model(name: str) -> dict[str, object]:
    """A model as both OpenAI's and Anthropic's SDKs read it.

    >>> describe_model("a/b")["display_name"]
    'a/b'
    """
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "steward",
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
    }


def describe_models(names: Sequence[str]) -> dict[str, object]:
    """A list of models as both SDKs read it; it has one page."""
    first, last = (names[0], names[-1]) if names else (None, None)
    data = [describe_model(name) for name in names]
    return {"object": "list", "data": data, "has_more": False, "first_id": first, "last_id": last}


class ModelEntry(msgspec.Struct):
    """A model that can be called: its engine, the name it has there, its prices."""

    name: str
    engine: Engine
    upstream_model: str
    prices: Prices | None = None
    endpoints: frozenset[str] = OPENAI_ENDPOINTS  # those that its engine answers itself
    embedded: bool = False  # llama.cpp: what it parses is bounded, and a 500 that it answers is the request's
    passes_through: bool = False  # its server may answer the endpoints of `passthrough.py` too
    version: str | None = None  # of an embedded model: "sha256:…" of its file, once it has been read
