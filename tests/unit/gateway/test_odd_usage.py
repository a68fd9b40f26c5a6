"""Usage of other types and places than OpenAI's."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from steward.gateway.odd_usage import find_choice_usage, merge_usage, read_chunk, read_count, read_envelope, read_usage
from steward.gateway.wire_fields import TokenUsage


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (7, 7), (-7, -7), (7.0, 7), (7.5, None), (float("inf"), None), (float("nan"), None), ("7", 7),
     ("7.0", None), ("-7", None), ("", None), ("9" * 15, 10**15 - 1), ("9" * 16, None),
     (True, None), (None, None), ([7], None)],
)  # fmt: skip
def test_counts(value: Any, count: int | None) -> None:
    assert read_count(value) == count


def test_a_usage_of_any_types() -> None:
    usage = read_usage(
        {"prompt_tokens": "10", "completion_tokens": 5.0, "total_tokens": [], "cached_tokens": 4, "x": 1}
    )
    assert usage == TokenUsage(10, 5, None, cached_tokens=4)
    assert read_usage("15") is None and read_usage(None) is None


def test_what_no_type_fits_is_read_all_the_same() -> None:
    body = {"id": "a", "model": 7, "usage": {"prompt_tokens": "10"}, "choices": [{"index": 0}], "error": None}
    envelope = read_envelope(json.dumps(body).encode())
    assert (envelope.id, envelope.model, envelope.usage) == ("a", None, TokenUsage(10))
    chunk = read_chunk(json.dumps({**body, "x_groq": {"usage": {"prompt_tokens": "3"}}}).encode())
    assert chunk is not None and chunk.choices is not None and len(chunk.choices) == 1
    assert isinstance(chunk.error, msgspec.Raw) and bytes(chunk.error) == b"null"
    assert chunk.usage == TokenUsage(10) and chunk.x_groq is not None and chunk.x_groq.usage == TokenUsage(3)
    foreign = read_chunk(b'{"usage":"15","choices":[]}')
    assert foreign is not None and foreign.usage == TokenUsage()
    assert read_chunk(b"[1") is None and read_envelope(b"[1]").usage is None


def test_a_choice_s_usage_is_found() -> None:
    choices = [msgspec.Raw(b'{"index":0}'), msgspec.Raw(b'{"usage":{"prompt_tokens":3}}')]
    assert find_choice_usage(choices) == TokenUsage(3)
    assert find_choice_usage(None) is None and find_choice_usage(choices[:1]) is None


def test_later_numbers_count_but_for_zeros() -> None:
    assert merge_usage(None, TokenUsage(1, 2)) == TokenUsage(1, 2)
    assert merge_usage(TokenUsage(10, 5, 15), TokenUsage(0, 7, None)) == TokenUsage(10, 7, 15)
    assert merge_usage(TokenUsage(0, None), TokenUsage(0, None)) == TokenUsage(0, None)
