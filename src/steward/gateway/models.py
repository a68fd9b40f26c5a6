"""The models that a gateway can call."""

from __future__ import annotations

from typing import Final

import msgspec

from steward.core.extend import Engine
from steward.gateway.pricing.prices import Prices

OPENAI_ENDPOINTS: Final = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings"})


class ModelEntry(msgspec.Struct):
    """A model that can be called: its engine, the name it has there, its prices."""

    name: str
    engine: Engine
    upstream_model: str
    prices: Prices | None = None
    endpoints: frozenset[str] = OPENAI_ENDPOINTS  # those that its engine answers itself
    embedded: bool = False  # llama.cpp: what it parses is bounded, and a 500 that it answers is the request's
    version: str | None = None  # of an embedded model: "sha256:…" of its file, once it has been read
