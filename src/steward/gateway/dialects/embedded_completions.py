"""What OpenAI's /v1/completions can do and llama.cpp's cannot: `echo`, no token at all, the old shape of `logprobs`.

A translation from a dialect to itself, used where a request asks for one of them. llama.cpp always makes one token, so
for none it makes one that is left out. It tells no log-probabilities of a prompt: `echo` with `logprobs` is refused.
Field names: OpenAI API reference, "Create completion".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.gateway.dialects.chat import TokenCounts
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

DONE: Final = b"data: [DONE]\n\n"


def is_needed(fields: frozenset[str], max_tokens: int | None) -> bool:
    """Whether a request with these fields cannot go to llama.cpp as it is."""
    return max_tokens == 0 or not fields.isdisjoint(("echo", "logprobs"))


def translate_request(body: Json, dropped: list[str]) -> Json:
    """:raises Refused: 400, `echo` of tokens, or with `logprobs`"""
    request = {name: value for name, value in body.items() if name != "echo"}
    if body.get("echo"):
        if body.get("logprobs") is not None:
            raise bad_request(
                "An embedded model does not tell the log-probabilities of a prompt; leave out 'echo' or 'logprobs'.",
                "echo",
                "unsupported_parameter",
            )
        if not all(isinstance(prompt, str) for prompt in _prompts(body)):
            raise bad_request(
                "An embedded model echoes text only; send 'prompt' as a string.", "echo", "unsupported_parameter"
            )
    if body.get("max_tokens") == 0:
        request["max_tokens"] = 1
    return request


def _prompts(body: Json) -> list[Any]:
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, list) else [prompt]


def translate_answer(answer: Json, asked: Json, request_id: str, at: float) -> Json:
    """The whole answer as OpenAI's API gives it."""
    choices = _Choices(asked)
    for choice in answer["choices"]:
        choices.adapt(choice)
    usage = answer.get("usage")
    if asked.get("max_tokens") == 0 and isinstance(usage, dict):
        usage |= {"completion_tokens": 0, "total_tokens": usage.get("prompt_tokens")}
    return answer


class _Choices:
    """Adapts the choices of one answer; a streamed one comes in several parts."""

    def __init__(self, asked: Json) -> None:
        self._prompts = _prompts(asked) if asked.get("echo") else []
        self._each = asked.get("n") or 1
        self._silent = asked.get("max_tokens") == 0
        self._lengths: dict[int, int] = {}  # characters of each choice so far

    def adapt(self, choice: Json) -> None:
        index = choice.get("index", 0)
        text = "" if self._silent else choice.get("text") or ""
        if index not in self._lengths and self._prompts:
            text = self._prompts[min(index // self._each, len(self._prompts) - 1)] + text
        before = self._lengths.get(index, 0)
        self._lengths[index] = before + len(text)
        choice["text"] = text
        if self._silent and choice.get("finish_reason"):
            choice["finish_reason"] = "length"
        choice["logprobs"] = None if self._silent else _old_shape(choice.get("logprobs"), before)


def _old_shape(logprobs: Any, offset: int) -> Json | None:
    """The parallel lists of /v1/completions, of the entries by token that llama.cpp gives.

    >>> _old_shape({"content": [{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "a", "logprob": -1.0}]}]}, 3)
    {'tokens': ['a'], 'token_logprobs': [-1.0], 'top_logprobs': [{'a': -1.0}], 'text_offset': [3]}
    """
    if not isinstance(logprobs, dict) or not isinstance(logprobs.get("content"), list):
        return None
    shaped: Json = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
    for entry in logprobs["content"]:
        shaped["tokens"].append(entry["token"])
        shaped["token_logprobs"].append(entry["logprob"])
        shaped["top_logprobs"].append({one["token"]: one["logprob"] for one in entry.get("top_logprobs") or ()})
        shaped["text_offset"].append(offset)
        offset += len(entry["token"])
    return shaped


class CompletionStream:
    """The chunks of one streamed answer, each as OpenAI's API gives it."""

    def __init__(self, asked: Json) -> None:
        self._choices = _Choices(asked)
        self._asked_usage = bool((asked.get("stream_options") or {}).get("include_usage"))

    def feed(self, chunk: Json) -> list[bytes]:
        if not chunk.get("choices") and not self._asked_usage:
            return []
        for choice in chunk.get("choices") or ():
            self._choices.adapt(choice)
        return [b"data: " + msgspec.json.encode(chunk) + b"\n\n"]

    def end(self, estimate: TokenCounts) -> list[bytes]:
        return [DONE]


def open_stream(asked: Json, request_id: str, at: float, input_tokens: int) -> CompletionStream:
    """What adapts the chunks of one answer."""
    return CompletionStream(asked)
