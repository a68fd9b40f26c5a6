"""Answers with status 200 that say only that a content filter, or the model's own safety, withheld them.

Another model might answer, as after an error of the class `content_filter`. An answer that has text, or a tool call,
before it was stopped is an answer: it is the client's. Sources: OpenAI and Azure OpenAI, `finish_reason`
"content_filter"; Anthropic, "Handling stop reasons", `refusal`; OpenAI, `incomplete_details.reason` of a response.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.gateway.text_fields import Json

_HINTS: Final = {"/v1/messages": b'"refusal"'}  # where dialects say so; all others:
_HINT: Final = b'"content_filter"'
MOST_BYTES: Final = 8 * 1024  # of an answer without a word, with what a filter reports; longer ones are not looked at
_SAID: Final = ("content", "text", "tool_calls", "function_call", "audio", "reasoning_content")


def is_withheld(endpoint: str, data: bytes) -> bool:
    """Of a whole answer, or of the first event with content of a stream. `endpoint`: the upstream's.

    >>> is_withheld("/v1/completions", b'{"choices":[{"text":"","finish_reason":"content_filter"}]}')
    True
    >>> is_withheld("/v1/completions", b'{"choices":[{"text":"Well","finish_reason":"content_filter"}]}')
    False
    """
    if len(data) > MOST_BYTES or data.find(_HINTS.get(endpoint, _HINT)) < 0:
        return False
    try:
        seen = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if not isinstance(seen, dict):
        return False
    choices = seen.get("choices")
    if isinstance(choices, list):
        return bool(choices) and all(map(_is_withheld_choice, choices))
    if endpoint == "/v1/messages":
        delta = seen.get("delta") if seen.get("type") == "message_delta" else seen
        return isinstance(delta, dict) and delta.get("stop_reason") == "refusal" and not seen.get("content")
    answer = seen.get("response", seen)
    return isinstance(answer, dict) and _is_withheld_response(answer)


def _is_withheld_choice(choice: Any) -> bool:
    if not isinstance(choice, dict) or choice.get("finish_reason") != "content_filter":
        return False
    parts = (choice, choice.get("message") or {}, choice.get("delta") or {})
    return not any(part.get(name) for part in parts if isinstance(part, dict) for name in _SAID)


def _is_withheld_response(answer: Json) -> bool:
    details = answer.get("incomplete_details")
    return isinstance(details, dict) and details.get("reason") == "content_filter" and not answer.get("output")
