"""What a sampled request was like, without its content: what drift is found in."""

from __future__ import annotations

import msgspec


class RequestFeatures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers and words of short, fixed lists; None: not known."""

    prompt_chars: int | None = None  # of all texts of the request
    answer_chars: int | None = None
    language: str | None = None  # of the request, ISO 639-1
    topic: str | None = None  # a cell of hashed words
    refused: bool | None = None
    finish_reason: str | None = None  # stop, length or tool_calls
    tool_calls: int | None = None
    embedding: tuple[float, ...] | None = None  # a projection of the request's, from which no text can be made again
    embedder: str | None = None  # the model that made it


class FeatureRow(msgspec.Struct, frozen=True):
    """The features of one request."""

    at: float
    model: str
    route: str
    features: RequestFeatures


class FeatureOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a request with features ended."""

    model: str
    route: str
    person: str  # whoever asked, by pseudonym; else the conversation, else the request
    error: bool  # of the upstream or of ours; a client that left is none
    duration_s: float
    score: float | None  # the mean of its explicit ratings; None: nobody rated it
    features: RequestFeatures


class DriftBaseline(msgspec.Struct, frozen=True, kw_only=True):
    """What later traffic is compared with; it never changes after it was frozen."""

    created_at: float
    created_by: str
    since: float
    until: float
    rows: tuple[FeatureRow, ...]
