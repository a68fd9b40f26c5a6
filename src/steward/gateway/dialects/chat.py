"""What all translations from and to chat completions share: taking fields without losing any, and reading answers.

`FieldReader` is how nothing is lost silently: every field is taken by name, what is left is refused by name, and what
is left out on purpose is noted by name, for the header `x-steward-dropped`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Final, TypeGuard

import msgspec

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.odd_usage import read_count
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request, is_credible, upstream_error


class FieldReader:
    """A JSON object whose fields are taken one by one; `at` is its path, ending in a dot.

    >>> fields = FieldReader({"model": "m", "container": "c"}, "a chat-completions upstream")
    >>> fields.take_field("model")
    'm'
    >>> try:
    ...     fields.check_all_taken()
    ... except Refused as error:
    ...     error.param
    'container'
    """

    def __init__(self, value: Any, whom: str, at: str = "", dropped: list[str] | None = None) -> None:
        self.whom, self.at = whom, at
        self.dropped: list[str] = [] if dropped is None else dropped  # paths of what was left out and may be missed
        if not isinstance(value, dict):
            raise bad_request(f"'{at.rstrip('.')}' must be an object.", at.rstrip("."))
        self._left: Json = {key: item for key, item in value.items() if item is not None}

    def take_field(self, field: str) -> Any:
        """The field's value; None where it is absent or null."""
        return self._left.pop(field, None)

    def copy_fields(self, fields: Sequence[str]) -> Json:
        """Those of `fields` that are there, as they are."""
        return {field: self._left.pop(field) for field in fields if field in self._left}

    def ignore(self, fields: Sequence[str]) -> None:
        """Drop what changes no answer."""
        for field in fields:
            self._left.pop(field, None)

    def drop(self, fields: Sequence[str], nothing: Sequence[object] = (False, [], {})) -> None:
        """Leave out what the upstream cannot do and the request does not depend on, and note it; values that say
        `nothing` need no note.
        """
        for field in fields:
            value = self._left.pop(field, None)
            if value is not None and value not in nothing:
                self.dropped.append(self.at + field)

    def drop_self(self) -> None:
        """Note that this whole object is left out."""
        self.dropped.append(self.at.rstrip("."))

    def read(self, value: Any, at: str) -> FieldReader:
        """A reader of an object within this one; `at` is its path from here."""
        return FieldReader(value, self.whom, f"{self.at}{at}.", self.dropped)

    def text(self, field: str) -> str:
        value = self.take_field(field)
        if not isinstance(value, str):
            raise bad_request(f"'{self.at}{field}' must be a string.", self.at + field)
        return value

    def one_of(self, field: str, known: Sequence[str]) -> str:
        """:raises Refused: 400 where the value is none of `known`"""
        value = self.take_field(field)
        self.check_one_of(field, value, known)
        return str(value)

    def check_one_of(self, field: str, value: Any, known: Sequence[str]) -> None:
        """:raises Refused: as `one_of`, of a value that was taken"""
        if value not in known:
            raise self.refusal(field, f"with the value {cut_text(value)!r} (supported: {', '.join(known)})")

    def expect(self, field: str, only: object) -> None:
        """Take a field that may be absent or have one value."""
        value = self.take_field(field)
        if value is not None and value != only:
            raise self.refusal(field, f"with a value other than {only!r}")

    def object(self, field: str) -> FieldReader | None:
        value = self.take_field(field)
        return None if value is None else self.read(value, field)

    def required_object(self, field: str) -> FieldReader:
        return self.read(self.take_field(field), field)

    def readers(self, field: str) -> list[FieldReader]:
        """Readers of the objects in a list that may be absent."""
        return [self.read(item, f"{field}.{number}") for number, item in enumerate(self.objects(field))]

    def objects(self, field: str) -> list[Any]:
        value = self.take_field(field)
        return [] if value is None else self.list(value, field)

    def list(self, value: Any, field: str = "content") -> list[Any]:
        if not isinstance(value, list):
            raise bad_request(f"'{self.at}{field}' must be a list.", self.at + field)
        return value

    def check_all_taken(self) -> None:
        """:raises Refused: 400 naming the first field that nobody took"""
        for field in self._left:
            raise self.refusal(field)

    def refusal(self, field: str, why: str = "") -> Refused:
        """The refusal of a field that has no counterpart."""
        name = self.at + field
        return bad_request(
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
        raise bad_request(f"'{at}' must be a string or a list.", at)
    texts = []
    for number, item in enumerate(value):
        part = FieldReader(item, "a chat-completions upstream", f"{at}.{number}.")
        part.ignore(hints)
        part.one_of("type", kinds)
        texts.append(part.text("text"))
        part.ignore(("citations", "annotations", "logprobs"))
        part.check_all_taken()
    return "".join(texts)


class TokenCounts(msgspec.Struct, frozen=True):
    """Tokens of one request; cached and written ones are part of `prompt`, reasoning of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    written: int = 0  # to the provider's cache

    def as_usage(self) -> Json:
        """OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "cache_write_tokens": self.written},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


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
        _count(usage.get("prompt_tokens_details"), "cache_write_tokens"),
    )


def _count(counts: Any, field: str) -> int:
    value = read_count(counts.get(field)) if isinstance(counts, dict) else None
    return value if is_count(value) else 0


def is_count(value: Any) -> TypeGuard[int]:
    """Whether an upstream's number can be a count of tokens."""
    return type(value) is int and is_credible(value)


def first_choice(chat: Json) -> Json:
    """:raises Refused: 502 where there is none"""
    choices = chat.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise upstream_error("the upstream's answer has no choices", "upstream_malformed")
    choice: Json = choices[0]
    return choice


def content_text(message: Json) -> str:
    """The answer's text: a string, or the text parts of a list, as Mistral and some proxies send it.

    >>> content_text({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Yes."}]})
    'Yes.'
    """
    return _join_parts(message.get("content"), ("text", "output_text"))


def reasoning_text(message: Json) -> str:
    """What vLLM, SGLang and llama.cpp call `reasoning_content`, OpenRouter `reasoning`, and Mistral a thinking part."""
    value = message.get("reasoning_content") or message.get("reasoning")
    return value if isinstance(value, str) else _join_parts(message.get("content"), ("thinking", "reasoning"))


def refusal_text(message: Json) -> str:
    """Why a model declines: a field of the message, or a part of its content."""
    value = message.get("refusal")
    return value if value and isinstance(value, str) else _join_parts(message.get("content"), ("refusal",))


def _join_parts(content: Any, kinds: Sequence[str]) -> str:
    """The texts of the parts of these kinds; a string, and a part that names no kind, are text."""
    texts = []
    for part in content if isinstance(content, list) else [content]:
        kind = part.get("type") or "text" if isinstance(part, dict) else "text"
        if kind not in kinds:
            continue
        value = part.get("text") or part.get(str(kind)) or part.get("value") if isinstance(part, dict) else part
        texts.append(_join_parts(value, ("text",)) if isinstance(value, list | dict) else value)
    return "".join(text for text in texts if isinstance(text, str))


def parse_arguments(text: Any, cut_off: bool = False) -> Json:
    """Tool-call arguments, decoded. Where the answer was `cut_off` at its limit of tokens: as far as they came.

    :raises Refused: 502 where they are no JSON object
    """
    if isinstance(text, dict):
        return text
    try:
        value = msgspec.json.decode(text or "{}") or {}  # some servers write null where a tool takes no arguments
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        if cut_off and isinstance(text, str):
            return salvage_object(text)
        raise upstream_error("the model's tool-call arguments are not valid JSON", "upstream_malformed") from error
    if not isinstance(value, dict) and not cut_off:
        raise upstream_error("the model's tool-call arguments are not a JSON object", "upstream_malformed")
    return value if isinstance(value, dict) else {}


MOST_SALVAGES: Final = 32  # ends of a text that are tried; what was cut off in one place needs three


def salvage_object(text: str) -> Json:
    """The JSON object of which `text` is the beginning, with what is complete in it; empty where nothing is, or where
    so much at its end belongs to no JSON that it is none.

    >>> salvage_object('{"city": "Paris", "days": [1, 2')
    {'city': 'Paris', 'days': [1, 2]}
    """
    ends = (end for end in range(len(text) - 1, 0, -1) if text[end] in ',}]"\\')  # also before an escape cut off
    for end in (len(text), *itertools.islice(ends, MOST_SALVAGES)):
        try:
            value = msgspec.json.decode(_close_json(text[:end]))
        except (msgspec.MsgspecError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return {}


def _close_json(text: str) -> str:
    """`text` with the string, lists and objects that are open at its end closed."""
    closing: list[str] = []
    in_string = escaped = False
    for letter in text:
        if in_string:
            in_string = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            in_string = True
        elif letter in "{[":
            closing.append("}" if letter == "{" else "]")
        elif letter in "}]" and closing:
            closing.pop()
    return text + ('"' if in_string else "") + "".join(reversed(closing))
