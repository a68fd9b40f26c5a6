"""What several answers to one request used, where an engine tells it of one at a time, as llama.cpp does.

A stream tells each choice's usage in an event of its own: these add up, and the client gets one event with the sum. A
whole answer tells that of its first choice; the others are reckoned by the length of their texts, which makes the sum
an estimate. A prompt counts once, however many answers it gets. Knows nothing of servers that tell the sum themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from steward.gateway.text_fields import Json
from steward.gateway.wire_fields import TokenUsage


def add_usages(told: Sequence[TokenUsage], answers_each: int) -> TokenUsage:
    """The sum over the choices of a request that asked for `answers_each` to every prompt.

    >>> add_usages([TokenUsage(16, 15, 31), TokenUsage(16, 18, 34)], 2).total_tokens
    49
    """
    prompt = -(-sum(usage.prompt_tokens or 0 for usage in told) // answers_each)
    completion = sum(usage.completion_tokens or 0 for usage in told)
    details = told[-1].prompt_tokens_details if len(told) <= answers_each else None
    return TokenUsage(prompt, completion, prompt + completion, details)


def write_usage(event: bytes, usage: TokenUsage) -> bytes:
    """An event that tells usage, with this one in its place."""
    chunk: Json = msgspec.json.decode(event.removeprefix(b"data:"))
    chunk["usage"] = {**chunk["usage"], **_counts(usage)}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def count_all_choices(answer: Json, prompts: Sequence[Any]) -> bool:
    """Make the usage of a whole answer that of all its choices; false where it has none, or one choice.

    `prompts`: texts, or lists of tokens; one where there is none to tell apart.
    """
    usage, choices = answer.get("usage"), answer.get("choices")
    if not isinstance(usage, dict) or not isinstance(choices, list) or len(choices) < 2:
        return False
    told = usage.get("completion_tokens"), usage.get("prompt_tokens")
    if not all(type(count) is int for count in told):
        return False
    sizes = [_text_bytes(choice) for choice in choices]
    completion = _scale(usage["completion_tokens"], sizes)
    prompt = _scale(usage["prompt_tokens"], [_prompt_size(prompt) for prompt in prompts])
    usage |= _counts(TokenUsage(prompt, completion, prompt + completion))
    return True


def tells_one_choice(answer: Json) -> bool:
    """Whether a whole answer's usage is that of one of its choices: a llama.cpp server's, whose `timings` are too.

    >>> tells_one_choice({"usage": {"completion_tokens": 9}, "timings": {"predicted_n": 9}, "choices": [{}, {}]})
    True
    """
    timings, usage = answer.get("timings"), answer.get("usage")
    if not isinstance(timings, dict) or not isinstance(usage, dict):
        return False
    count = timings.get("predicted_n")
    return type(count) is int and count == usage.get("completion_tokens")


def _scale(told: int, sizes: Sequence[int]) -> int:
    """The sum over all parts, of which `told` is the first's; every part has one at least.

    >>> _scale(10, [40, 20, 0]), _scale(3, [0, 5]), _scale(7, [])
    (16, 6, 7)
    """
    if len(sizes) < 2:
        return told
    if sizes[0] == 0:
        return told * len(sizes)
    return told + sum(max(1, round(told * size / sizes[0])) for size in sizes[1:])


def _text_bytes(choice: Json) -> int:
    message = choice.get("message")
    if not isinstance(message, dict):
        return len(str(choice.get("text") or "").encode("utf-8", "surrogatepass"))
    calls = [call.get("function") or {} for call in message.get("tool_calls") or () if isinstance(call, dict)]
    texts = [message.get("content"), message.get("reasoning_content"), *(call.get("arguments") for call in calls)]
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if isinstance(text, str))


def _prompt_size(prompt: Any) -> int:
    return len(prompt.encode("utf-8", "surrogatepass")) if isinstance(prompt, str) else len(prompt)


def _counts(usage: TokenUsage) -> dict[str, int | None]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
