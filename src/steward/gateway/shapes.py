"""What form a request's fields must have where the gateway itself stands for the API: embedded models, translations.

llama.cpp answers many requests that OpenAI's API refuses, and ignores what it cannot read: a `stop` that is a number
stops nothing, a message of an unknown role is said by nobody. What would be ignored or misread is refused here with
OpenAI's codes; what simply works beyond OpenAI's bounds (five stop sequences, an empty list of tools) passes. An
upstream that speaks the client's dialect decides for itself: its bytes pass. Sources: OpenAI API reference, "Create
chat completion", "Create completion" and "Create a model response"; Anthropic API reference, "Create a Message". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.wire import bad_request

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "true or false": (bool,),
    "a string": (str,),
    "a list": (list,),
    "an object": (dict,),
    "a string or a list of strings": (str, list),
    "an object or a list of pairs": (dict, list),
}
SHAPES: Final[dict[str, dict[str, str]]] = {
    CHAT: {
        "messages": "a list",
        "stop": "a string or a list of strings",
        "tools": "a list",
        "functions": "a list",
        "response_format": "an object",
        "stream_options": "an object",
        "metadata": "an object",
        "prediction": "an object",
        "modalities": "a list",
        "logit_bias": "an object or a list of pairs",
        "parallel_tool_calls": "true or false",
        "store": "true or false",
        "reasoning_effort": "a string",
    },
    COMPLETIONS: {
        "stop": "a string or a list of strings",
        "stream_options": "an object",
        "logit_bias": "an object or a list of pairs",
        "echo": "true or false",
        "suffix": "a string",
    },
    MESSAGES: {"messages": "a list", "stop_sequences": "a list", "metadata": "an object"},
    RESPONSES: {"truncation": "a string", "parallel_tool_calls": "true or false", "store": "true or false"},
}
_ENGINE_SHAPES: Final = {"grammar": "a string", "json_schema": "an object"}  # llama.cpp's own fields
CHOICES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    CHAT: {"reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max")},
    RESPONSES: {"truncation": ("auto", "disabled")},
}
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_FORMATS: Final = ("text", "json_object", "json_schema")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NEEDED: Final = ("tool_choice", "best_of", "n", *_ENGINE_SHAPES)  # read beside the fields that have a shape
CHECKED: Final = {endpoint: frozenset({*shapes, *_NEEDED}) for endpoint, shapes in SHAPES.items()}


def check_shapes(endpoint: str, fields: Mapping[str, Any]) -> None:
    """:raises Refused: 400, a field of a form that the endpoint's API refuses, and that would be ignored or misread"""
    for name, kind in SHAPES.get(endpoint, {}).items():
        value = fields.get(name)
        if value is not None and not isinstance(value, _KINDS[kind]):
            raise _wrong_type(name, kind, value)
    for name, choices in CHOICES.get(endpoint, {}).items():
        value = fields.get(name)
        if value is not None and value not in choices:
            raise _unknown(name, value, choices)
    for name in ("stop", "stop_sequences"):
        _check_texts(name, fields.get(name))
    if endpoint == CHAT:
        _check_messages(fields.get("messages", ()))
        _check_tools(fields)
        _check_format(fields.get("response_format"))
    elif endpoint == MESSAGES and fields.get("messages") == []:
        raise _empty("messages")
    if endpoint in (CHAT, COMPLETIONS):
        _check_biases(fields.get("logit_bias"))


def check_embedded(endpoint: str, fields: Mapping[str, Any]) -> None:
    """:raises Refused: 400, what llama.cpp would leave out of its answer without a word"""
    for name, kind in _ENGINE_SHAPES.items():
        value = fields.get(name)
        if value is not None and not isinstance(value, _KINDS[kind]):
            raise _wrong_type(name, kind, value)
    if endpoint == CHAT:
        if fields.get("functions"):
            raise _not_read("functions", "Use 'tools', which replaced it.")
        if "audio" in (fields.get("modalities") or ()):
            raise _not_read("modalities", "It answers in text: leave 'audio' out.")
    elif endpoint == COMPLETIONS:
        if fields.get("suffix"):
            raise _not_read("suffix", "It continues a prompt, and does not fill a gap.")
        best_of, count = fields.get("best_of"), fields.get("n") or 1
        if isinstance(best_of, int) and best_of > count:
            raise _not_read("best_of", f"Ask for 'n': {best_of} and choose the best yourself.")


def _check_messages(messages: Any) -> None:
    if messages == []:
        raise _empty("messages")
    for number, message in enumerate(messages):
        at = f"messages[{number}]"
        if not isinstance(message, dict):
            raise _wrong_type(at, "an object", message)
        _check_message(at, message)


def _check_message(at: str, message: Mapping[str, Any]) -> None:
    role, content = message.get("role"), message.get("content")
    if role not in _ROLES:
        raise _unknown(f"{at}.role", role, _ROLES)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _missing(f"{at}.tool_call_id")
    calls = message.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise _wrong_type(f"{at}.tool_calls", "a list", calls)
    if content is None:
        if role != "assistant" or not (calls or message.get("function_call") or message.get("refusal")):
            raise _missing(f"{at}.content")
    elif not isinstance(content, str | list):
        raise _wrong_type(f"{at}.content", "a string or a list of parts", content)
    elif content == []:
        raise _empty(f"{at}.content")


def _check_tools(fields: Mapping[str, Any]) -> None:
    tools = fields.get("tools") or []
    for number, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            continue  # of another kind: whoever reads it says so
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            message = f"'tools[{number}].function.name' must be 1 to 64 letters, digits, '_' or '-', not {spell(name)}."
            raise bad_request(message, f"tools[{number}].function.name", "invalid_value")
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise _wrong_type(f"tools[{number}].function.parameters", "an object", parameters)
    _check_choice(fields.get("tool_choice"), tools)


def _check_choice(choice: Any, tools: list[Any]) -> None:
    """:raises Refused: 400, it asks for a tool that there is not"""
    if not tools and choice not in (None, "none", "auto"):
        raise bad_request("'tool_choice' needs 'tools'.", "tool_choice", "invalid_value")
    wanted = choice.get("function") if isinstance(choice, dict) else None
    name = wanted.get("name") if isinstance(wanted, dict) else None
    offered = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    if name is not None and not any(isinstance(tool, dict) and tool.get("name") == name for tool in offered):
        message = f"'tool_choice' names {spell(name)}, which is none of 'tools'."
        raise bad_request(message, "tool_choice", "invalid_value")


def _check_format(form: Any) -> None:
    if form is None:
        return
    if "type" not in form:
        raise _missing("response_format.type")
    if form["type"] not in _FORMATS:
        raise _unknown("response_format.type", form["type"], _FORMATS)
    schema = form.get("schema")  # llama.cpp's own place for it
    if schema is not None and not isinstance(schema, dict):
        raise _wrong_type("response_format.schema", "an object", schema)
    if form["type"] == "json_schema":
        _check_schema(form.get("json_schema"))


def _check_schema(described: Any) -> None:
    if not isinstance(described, dict):
        raise _missing("response_format.json_schema")
    schema = described.get("schema")
    if schema is None:
        raise _missing("response_format.json_schema.schema")
    if not isinstance(schema, dict):
        raise _wrong_type("response_format.json_schema.schema", "an object", schema)


def _check_biases(biases: Any) -> None:
    """llama.cpp's own form, a list of pairs, beside OpenAI's object."""
    for number, pair in enumerate(biases if isinstance(biases, list) else ()):
        if not isinstance(pair, list) or len(pair) != 2:
            raise _wrong_type(f"logit_bias[{number}]", "a pair of a token and its bias", pair)


def _check_texts(name: str, value: Any) -> None:
    for number, text in enumerate(value if isinstance(value, list) else ()):
        if not isinstance(text, str):
            raise _wrong_type(f"{name}[{number}]", "a string", text)


def spell(value: Any) -> str:
    """What a field holds, in a word; a text in short.

    >>> spell([]), spell(5), spell(True), spell("robot")
    ('a list', 'a number', 'true or false', "'robot'")
    """
    if isinstance(value, str):
        return repr(cut_text(value))
    words: tuple[tuple[type, str], ...] = ((bool, "true or false"), (dict, "an object"), (list, "a list"))
    return next((word for kind, word in words if isinstance(value, kind)), "null" if value is None else "a number")


def _wrong_type(name: str, kind: str, value: Any) -> Refused:
    return bad_request(f"'{name}' must be {kind}, not {spell(value)}.", name, "invalid_type")


def _unknown(name: str, value: Any, choices: tuple[str, ...]) -> Refused:
    return bad_request(f"'{name}' must be one of {', '.join(choices)}, not {spell(value)}.", name, "invalid_value")


def _empty(name: str) -> Refused:
    return bad_request(f"'{name}' is empty; it needs at least one entry.", name, "empty_array")


def _missing(name: str) -> Refused:
    return bad_request(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _not_read(name: str, advice: str) -> Refused:
    return bad_request(f"An embedded model does not read '{name}'. {advice}", name, "unsupported_parameter")
