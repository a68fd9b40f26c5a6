"""The operator's prompt of a route: which version it is, and how it is put into a request.

Decides where the system message and the few-shot examples go in each dialect, and what becomes of a
system message that the client sends. Knows nothing of files, routes or HTTP. A new dialect is one function
and one line of `APPLY`. Pure.

Where instructions stand: OpenAI API reference, "Create chat completion" (`system` and `developer` messages)
and "Create a model response" (`instructions`); Anthropic API reference, "Messages" (`system`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from steward.core.errors import Refused
from steward.gateway.wire import bad_request

Mode = Literal["prepend", "replace", "default"]
Fields = dict[str, Any]  # a request's top-level fields; those that are not touched stay msgspec.Raw

INSTRUCTIONS: Final = frozenset({"system", "developer"})  # roles whose messages instruct the model


class PromptExample(msgspec.Struct, frozen=True):
    """One question and the answer that the model should give to it."""

    user: str
    assistant: str


class Prompt(msgspec.Struct, frozen=True):
    """What a route puts before the client's messages; `version` is what the ledger records."""

    version: str
    system: str | None = None
    examples: tuple[PromptExample, ...] = ()
    mode: Mode = "prepend"

    def __repr__(self) -> str:  # the texts stay out of logs
        return f"Prompt({self.version!r})"

    def content_bytes(self) -> int:
        """Bytes of its texts, for the estimate of input tokens."""
        texts = [self.system or "", *(text for item in self.examples for text in (item.user, item.assistant))]
        return sum(len(text.encode()) for text in texts)


class _Message(msgspec.Struct):
    """All that is read of a client's message."""

    role: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"null")


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_message = msgspec.json.Decoder(_Message)


def digest(system: str | None, examples: Sequence[PromptExample]) -> str:
    """The first 8 hex digits of the SHA-256 of the texts: the same texts have the same version everywhere.

    >>> digest("Be brief.", ()) == digest("Be brief.", ()) != digest("Be long.", ())
    True
    """
    return hashlib.sha256(msgspec.json.encode([system, list(examples)])).hexdigest()[:8]


def is_applicable(prompt: Prompt, endpoint: str, body: bytes) -> bool:
    """Whether the prompt will be put into this request.

    :raises Refused: 400 where the endpoint takes no prompt: without it, the model would answer unguided
    """
    if endpoint not in APPLY:
        raise bad_request(
            f"This model has a prompt, and {endpoint} cannot carry it. Use one of: {', '.join(APPLY)}.",
            "model",
            "prompt_not_applicable",
        )
    return prompt.mode != "default" or insert_prompt(prompt, endpoint, body) is not None


def insert_prompt(prompt: Prompt, endpoint: str, body: bytes) -> bytes | None:
    """`body` with the prompt in it; None where the mode is `default` and the client sent its own instructions.

    :raises Refused: 400 where the messages are not a list of objects
    """
    try:
        fields: Fields = dict(_fields.decode(body))
        changed = APPLY[endpoint](prompt, fields)
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request("The messages must be a list of objects with a role and a content.", "messages") from error
    return msgspec.json.encode(fields) if changed else None


def _chat(prompt: Prompt, fields: Fields) -> bool:
    messages = _list.decode(fields["messages"])
    changed = _messages(prompt, messages, "system")
    fields["messages"] = changed
    return changed is not None


def _messages(prompt: Prompt, messages: list[msgspec.Raw], role: str) -> list[Any] | None:
    """Our system message, the client's, our examples, the rest; None where theirs alone shall stand.

    Prepending makes one message of both: many chat templates refuse a second system message.
    """
    parsed = [_message.decode(item) for item in messages]
    instructs = [item.role in INSTRUCTIONS for item in parsed]
    if prompt.mode == "default" and any(instructs):
        return None
    if prompt.mode == "replace":
        messages = [item for item, instruct in zip(messages, instructs, strict=True) if not instruct]
        parsed = [item for item, instruct in zip(parsed, instructs, strict=True) if not instruct]
    first: list[Any] = []
    if prompt.system is not None:
        first.append({"role": role, "content": prompt.system})
    rest: list[Any] = list(messages)
    if parsed and parsed[0].role in INSTRUCTIONS:
        merged = _join_system(prompt.system, rest.pop(0), parsed[0])
        first = [merged]
    return first + _pairs(prompt) + rest


def _join_system(system: str | None, raw: msgspec.Raw, message: _Message) -> Any:
    """The client's first system message behind ours; its role and its other fields stay."""
    if system is None:
        return raw
    content = msgspec.json.decode(message.content)
    return {**_fields.decode(raw), "content": _prepend_system(system, content)}


def _prepend_system(system: str, content: Any) -> Any:
    """`system` before a text or a list of text parts."""
    if isinstance(content, list):
        return [{"type": "text", "text": system}, *content]
    return f"{system}\n\n{content}" if content else system


def _pairs(prompt: Prompt) -> list[Any]:
    return [
        message
        for item in prompt.examples
        for message in ({"role": "user", "content": item.user}, {"role": "assistant", "content": item.assistant})
    ]


def _anthropic(prompt: Prompt, fields: Fields) -> bool:
    own = msgspec.json.decode(fields["system"]) if "system" in fields else None
    if prompt.mode == "default" and own:
        return False
    if prompt.mode == "replace":
        fields.pop("system", None)
        own = None
    if prompt.system is not None:
        fields["system"] = _prepend_system(prompt.system, own)
    fields["messages"] = _pairs(prompt) + _list.decode(fields["messages"])
    return True


def _responses(prompt: Prompt, fields: Fields) -> bool:
    """`instructions` are not carried over from an earlier response, examples are: they are sent once."""
    own = msgspec.json.decode(fields["instructions"]) if "instructions" in fields else None
    raw_input = fields.get("input")
    text = raw_input is None or bytes(raw_input).lstrip()[:1] == b'"'
    items = [] if raw_input is None or text else _list.decode(raw_input)
    instructs = [_message.decode(item).role in INSTRUCTIONS for item in items]
    if prompt.mode == "default" and (own or any(instructs)):
        return False
    if prompt.mode == "replace":
        fields.pop("instructions", None)
        own = None
        items = [item for item, instruct in zip(items, instructs, strict=True) if not instruct]
    if prompt.system is not None:
        fields["instructions"] = _prepend_system(prompt.system, own)
    examples = [] if "previous_response_id" in fields else _pairs(prompt)
    if text and examples and raw_input is not None:
        fields["input"] = [*examples, {"role": "user", "content": raw_input}]
    elif not text:
        fields["input"] = examples + items
    return True


APPLY: Final[dict[str, Callable[[Prompt, Fields], bool]]] = {
    "/v1/chat/completions": _chat,
    "/v1/messages": _anthropic,
    "/v1/responses": _responses,
}


class _Error(msgspec.Struct):
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


_error = msgspec.json.Decoder(_ErrorBody)


def redact_error(status: int, body: bytes) -> Refused:
    """An upstream's refusal without its message, which may quote the prompt; the SDKs choose by status and code."""
    try:
        error = _error.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        error = _Error()
    return Refused(
        f"The upstream rejected the request with status {status}. Its message is not shown because it could quote the "
        "prompt of this model.",
        status=status,
        type=_word(error.type) or ("invalid_request_error" if status < 500 else "api_error"),
        code=_word(str(error.code)) if error.code is not None else None,
        param=_word(error.param),
    )


def _word(text: str | None) -> str | None:
    """A name such as `context_length_exceeded` or `messages[0].role`; None where it is anything longer."""
    plain = text is not None and len(text) <= 60 and all(c.isascii() and (c.isalnum() or c in "_-.[]") for c in text)
    return text if plain else None
