"""Usage as servers other than OpenAI's write it: numbers as text or with a point, in a choice, in several events.

What is typed as OpenAI has it is decoded without this module; it is asked only where that fails or finds nothing. A
later event of a stream counts more than an earlier one, but for zeros, which some servers end with. Spellings: Moonshot
(usage in the choice, `cached_tokens`), Anthropic's names behind proxies, xAI (thoughts beside `completion_tokens`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from steward.gateway.wire_fields import AnswerEnvelope, ChunkEnvelope, GroqExtension, TokenUsage

_DIGITS: Final = 15  # of a number in a text; one of more is none that a request used


def read_count(value: Any) -> int | None:
    """A whole number, however it is written; None for anything else.

    >>> read_count(7), read_count("7"), read_count(7.0), read_count(7.5), read_count(True), read_count("-7")
    (7, 7, 7, None, None, None)
    """
    if type(value) is float and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    return value if type(value) is int else None


def read_usage(value: Any) -> TokenUsage | None:
    """A usage object of any types; None where it is no object."""
    if not isinstance(value, dict):
        return None
    usage = TokenUsage(**{name: value[name] for name in TokenUsage.__struct_fields__ if name in value})
    usage.prompt_tokens = read_count(value.get("prompt_tokens"))
    usage.completion_tokens = read_count(value.get("completion_tokens"))
    usage.total_tokens = read_count(value.get("total_tokens"))
    return usage


def read_envelope(body: bytes) -> AnswerEnvelope:
    """What metering reads of an answer that OpenAI's types do not fit; empty where it is no object."""
    seen = _decode(body)
    return AnswerEnvelope(
        _text(seen, "id"),
        read_usage(seen.get("usage")),
        _text(seen, "model"),
        _text(seen, "system_fingerprint"),
        seen.get("service_tier"),
    )


def read_chunk(data: bytes) -> ChunkEnvelope | None:
    """As `read_envelope`, of an event of a stream; None where it is no object."""
    seen = _decode(data)
    if not seen:
        return None
    choices, groq = seen.get("choices"), seen.get("x_groq")
    return ChunkEnvelope(
        _text(seen, "id"),
        _text(seen, "model"),
        _text(seen, "system_fingerprint"),
        [msgspec.Raw(msgspec.json.encode(choice)) for choice in choices] if isinstance(choices, list) else None,
        read_usage(seen.get("usage")) or (TokenUsage() if seen.get("usage") else None),
        GroqExtension(read_usage(groq.get("usage"))) if isinstance(groq, dict) else None,
        seen.get("service_tier"),
        msgspec.Raw(msgspec.json.encode(seen["error"])) if "error" in seen else msgspec.UNSET,
    )


def find_choice_usage(choices: Sequence[msgspec.Raw] | None) -> TokenUsage | None:
    """The usage that stands in a choice."""
    for choice in choices or ():
        if b'"usage"' in bytes(choice) and (usage := read_usage(_decode(choice).get("usage"))) is not None:
            return usage
    return None


def merge_usage(before: TokenUsage | None, after: TokenUsage) -> TokenUsage:
    """What is known after another event: its numbers, and earlier ones where it has none or zero.

    >>> known = merge_usage(TokenUsage(10, 5), TokenUsage(0, 7))
    >>> known.prompt_tokens, known.completion_tokens
    (10, 7)
    """
    if before is None:
        return after
    for name in TokenUsage.__struct_fields__:
        if not getattr(after, name):
            setattr(after, name, getattr(before, name) or getattr(after, name))
    return after


def _decode(data: bytes | msgspec.Raw) -> dict[str, Any]:
    try:
        seen = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return seen if isinstance(seen, dict) else {}


def _text(seen: dict[str, Any], field: str) -> str | None:
    value = seen.get(field)
    return value if isinstance(value, str) else None
