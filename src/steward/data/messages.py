"""One message of a chat as a row keeps it: role, content, and the rest as JSON.

Content that is a list of parts (OpenAI's and Anthropic's blocks, TRL's images) becomes the text of its text parts; the
parts that are no text stand beside it, in the key `content_parts` of the rest, and are put back when the row is
written. Stages read and change the text; what a part holds of an image or a sound is kept and counted, never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from steward.core.excerpts import cut_text
from steward.data.bad_row import BadRow, describe_value

MORE, PARTS = "more", "content_parts"
TEXT_PARTS = ("text", "input_text", "output_text")
ROLES = ("system", "developer", "user", "assistant", "tool", "function")  # OpenAI's, and Anthropic's among them
_PAYLOAD = re.compile(r"data:[\w/.+-]*;base64,|[A-Za-z0-9+/_-]{200,}={0,2}$")


def convert_messages(value: object, field: str, roles: Mapping[str, str]) -> list[dict[str, str | None]] | BadRow:
    """The messages as a row keeps them. `roles`: the user's names of roles, and what each means."""
    if not isinstance(value, list) or not value:
        return BadRow("no_messages", field, "an empty list" if value == [] else describe_value(value), "messages")
    messages = []
    for index, message in enumerate(value):
        converted = _convert_message(message, f"{field}[{index}]", roles)
        if isinstance(converted, BadRow):
            return converted
        messages.append(converted)
    return messages


def _convert_message(message: object, field: str, roles: Mapping[str, str]) -> dict[str, str | None] | BadRow:
    if not isinstance(message, dict):
        return BadRow("not_a_message", field, describe_value(message), "{role, content}")
    rest = dict(message)
    role, content = rest.pop("role", None), rest.pop("content", None)
    role = roles.get(role, role) if isinstance(role, str) else role
    if role not in ROLES:
        seen = f"unknown role {cut_text(role)!r}" if isinstance(role, str) else "no role"
        expected = f"one of {', '.join(ROLES)}; or say what it is with input.roles (--role)"
        return BadRow("unknown_role", f"{field}.role", seen, expected)
    if isinstance(content, list):
        split = _split_parts(content)
        if split is None:
            return BadRow("not_text", f"{field}.content", "a list", "a text, or a list of parts with a type")
        content, parts = split
        rest |= {PARTS: parts} if parts else {}
    if not isinstance(content, str | None):
        return BadRow("not_text", f"{field}.content", describe_value(content), "a text, or a list of parts with a type")
    rest = {name: inner for name, inner in rest.items() if inner is not None}
    more = rest.pop(MORE, None) if isinstance(rest.get(MORE), str) and len(rest) == 1 else None
    encoded = msgspec.json.encode(rest).decode() if rest else None
    return {"role": role, "content": content, MORE: more or encoded}


def _split_parts(content: list[Any]) -> tuple[str, list[dict[str, Any]]] | None:
    """The text, and all parts with the length in place of a text; no parts where all are plain texts."""
    texts, parts = [], []
    for part in content:
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            return None
        if part["type"] in TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
            part = {name: inner for name, inner in part.items() if name != "text"} | {"length": len(part["text"])}
        parts.append({name: inner for name, inner in part.items() if inner is not None})
    is_plain = all(part.keys() == {"type", "length"} and part["type"] == "text" for part in parts)
    return "".join(texts), [] if is_plain else parts


def restore_message(message: Mapping[str, str | None]) -> dict[str, Any]:
    """The message as it came in, with the content that it has now.

    >>> restore_message({"role": "user", "content": "Hi", "more": '{"content_parts":[{"type":"text","length":2}]}'})
    {'role': 'user', 'content': [{'type': 'text', 'text': 'Hi'}]}
    """
    extra = msgspec.json.decode(message.get(MORE) or "{}")
    content: Any = message.get("content")
    if parts := extra.pop(PARTS, None):
        content = _join_parts(content or "", parts)
    return {**{name: inner for name, inner in message.items() if name != MORE}, "content": content, **extra}


def _join_parts(text: str, parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts with their texts; a text of another length than it had stands whole where the first one was."""
    lengths = [part["length"] for part in parts if "length" in part]
    is_same = sum(lengths) == len(text)
    restored, start = [], 0
    for part in parts:
        if "length" not in part:
            restored.append(part)
            continue
        end = start + part["length"] if is_same else len(text)
        if is_same or not start:
            rest = {name: inner for name, inner in part.items() if name != "length"}
            restored.append({**rest, "text": text[start:end]})
        start = end
    return restored


def list_media(more: str | None) -> list[dict[str, Any]]:
    """The parts of a message that are no text."""
    if more is None or PARTS not in more:
        return []
    parts = msgspec.json.decode(more).get(PARTS) or []
    return [part for part in parts if "length" not in part]


def is_payload(text: str) -> bool:
    """Whether a string of a part is the image or the sound itself, in base 64.

    >>> is_payload("data:image/png;base64,iVBORw0KGgo="), is_payload("https://example.com/cat.png")
    (True, False)
    """
    return _PAYLOAD.match(text) is not None
