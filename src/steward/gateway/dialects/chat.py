"""What both translations to chat completions share: taking fields without losing any, and reading answers.

`FieldReader` is how nothing is lost silently: every field is taken by name, and what is left is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from steward.core.errors import Refused
from steward.gateway.text_fields import Json
from steward.gateway.wire import credible, invalid, upstream_failed


class FieldReader:
    """A JSON object whose fields are taken one by one; `at` is its path, ending in a dot.

    >>> fields = FieldReader({"model": "m", "container": "c"}, "a chat-completions upstream")
    >>> fields.take("model")
    'm'
    >>> try:
    ...     fields.done()
    ... except Refused as error:
    ...     error.param
    'container'
    """

    def __init__(self, value: Any, whom: str, at: str = "") -> None:
        self.whom, self.at = whom, at
        if not isinstance(value, dict):
            raise invalid(f"'{at.rstrip('.')}' must be an object.", at.rstrip("."))
        self._left: Json = {key: item for key, item in value.items() if item is not None}

    def take(self, field: str) -> Any:
        """The field's value; None where it is absent or null."""
        return self._left.pop(field, None)

    def same(self, fields: Sequence[str]) -> Json:
        """Those of `fields` that are there, as they are."""
        return {field: self._left.pop(field) for field in fields if field in self._left}

    def ignore(self, fields: Sequence[str]) -> None:
        """Drop what changes no answer."""
        for field in fields:
            self._left.pop(field, None)

    def text(self, field: str) -> str:
        value = self.take(field)
        if not isinstance(value, str):
            raise invalid(f"'{self.at}{field}' must be a string.", self.at + field)
        return value

    def one_of(self, field: str, known: Sequence[str]) -> str:
        """:raises Refused: 400 where the value is none of `known`"""
        value = self.take(field)
        if value not in known:
            raise self.cannot(field, f"with the value {str(value)[:100]!r} (supported: {', '.join(known)})")
        return str(value)

    def expect(self, field: str, only: object) -> None:
        """Take a field that may be absent or have one value."""
        value = self.take(field)
        if value is not None and value != only:
            raise self.cannot(field, f"with a value other than {only!r}")

    def object(self, field: str) -> FieldReader | None:
        value = self.take(field)
        return None if value is None else FieldReader(value, self.whom, f"{self.at}{field}.")

    def required_object(self, field: str) -> FieldReader:
        return FieldReader(self.take(field), self.whom, f"{self.at}{field}.")

    def objects(self, field: str) -> list[Any]:
        value = self.take(field)
        return [] if value is None else self.list(value, field)

    def list(self, value: Any, field: str = "content") -> list[Any]:
        if not isinstance(value, list):
            raise invalid(f"'{self.at}{field}' must be a list.", self.at + field)
        return value

    def done(self) -> None:
        """:raises Refused: 400 naming the first field that nobody took"""
        for field in self._left:
            raise self.cannot(field)

    def cannot(self, field: str, why: str = "") -> Refused:
        """The refusal of a field that has no counterpart."""
        name = self.at + field
        return invalid(
            f"'{name}' is not supported by {self.whom}{f' {why}' if why else ''}; "
            f"remove it, or use a model whose upstream supports this API.",
            name,
            "untranslatable_field",
        )


def join_text_parts(value: Any, at: str, kinds: Sequence[str], hints: Sequence[str] = ()) -> str:
    """A text, or the texts of a list of parts of these `kinds`, joined."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid(f"'{at}' must be a string or a list.", at)
    texts = []
    for number, item in enumerate(value):
        part = FieldReader(item, "a chat-completions upstream", f"{at}.{number}.")
        part.ignore(hints)
        part.one_of("type", kinds)
        texts.append(part.text("text"))
        part.ignore(("citations", "annotations", "logprobs"))
        part.done()
    return "".join(texts)


class TokenCounts(msgspec.Struct, frozen=True):
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


def token_counts(usage: Any) -> TokenCounts:
    """Of OpenAI's `usage` object; zeros where it is missing, or no count.

    >>> token_counts({"prompt_tokens": 7, "completion_tokens": "two", "prompt_tokens_details": 3}).completion
    0
    """
    if not isinstance(usage, dict):
        return TokenCounts()
    return TokenCounts(
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _count(usage.get("prompt_tokens_details"), "cached_tokens"),
        _count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(counts: Any, field: str) -> int:
    value = counts.get(field) if isinstance(counts, dict) else None
    return value if type(value) is int and credible(value) else 0


def first_choice(chat: Json) -> Json:
    """:raises Refused: 502 where there is none"""
    choices = chat.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise upstream_failed("the upstream's answer has no choices", "upstream_malformed")
    choice: Json = choices[0]
    return choice


def reasoning_text(message: Json) -> str:
    """What vLLM, SGLang and llama.cpp call `reasoning_content` and OpenRouter `reasoning`."""
    value = message.get("reasoning_content") or message.get("reasoning")
    return value if isinstance(value, str) else ""


def parse_arguments(text: Any) -> Json:
    """Tool-call arguments, decoded. :raises Refused: 502 where they are no JSON object"""
    try:
        value = msgspec.json.decode(text or "{}")
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise upstream_failed("the model's tool-call arguments are not valid JSON", "upstream_malformed") from error
    if not isinstance(value, dict):
        raise upstream_failed("the model's tool-call arguments are not a JSON object", "upstream_malformed")
    return value
