"""A chat completion that its own dialect's clients can read, where a server writes another form.

What is mended: content in parts (Mistral's thinking models and some proxies), which clients join as text; a stream's
event with a `message` in the place of a `delta`; of whole answers tool calls whose arguments are an object or null, or
that have no id. All else passes as it came. Streams' tool calls are numbered in `tool_calls.py`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from steward.gateway.dialects.chat import content_text, reasoning_text, refusal_text
from steward.gateway.dialects.tool_calls import spell_arguments
from steward.gateway.sse import event_data
from steward.gateway.text_fields import Json

_TEXTS: Final = frozenset({"text", "output_text", "thinking", "reasoning", "refusal"})  # parts that are all text
_PARTS: Final = (b"[", b"{", b" [", b" {")  # how content begins that is no text
_ODD_CALLS: Final = (b'"arguments":{', b'"arguments": {', b'"arguments":null', b'"arguments": null')
_CONTENT: Final = b'"content":'
_NUMBER_ID: Final = re.compile(rb'"id"\s*:\s*[^"\s]')
_MESSAGE: Final = b'"message"'
_CALLS: Final = b'"tool_calls"'


def is_odd_event(event: bytes) -> bool:
    """A look at an event; what it finds may be as it should be after all."""
    if event.find(_MESSAGE) >= 0:
        return True
    at = event.find(_CONTENT)
    while at >= 0:
        at += len(_CONTENT)
        if event.startswith(_PARTS, at):
            return True
        at = event.find(_CONTENT, at)
    return False


def is_odd_answer(body: bytes) -> bool:
    """A look at the first content of a whole answer, and at its calls where that has no text: nearly all have one, and
    each look through a long answer takes time. What it finds may be as it should be after all.
    """
    at = body.find(_CONTENT)
    begins = body[at + len(_CONTENT) : at + len(_CONTENT) + 3].lstrip() if at >= 0 else b""
    if begins[:1] in (b"[", b"{"):
        return True
    has_text = begins[:1] == b'"' and begins[1:2] != b'"'
    return not has_text and body.find(_CALLS) >= 0 and (any(odd in body for odd in _ODD_CALLS) or _lacks_ids(body))


def _lacks_ids(body: bytes) -> bool:
    """Whether a call may be without an id, or with one that is a number."""
    return body.count(b'"id"') <= body.count(b'"arguments"') or _NUMBER_ID.search(body) is not None


def repair_event(event: bytes, began: bool) -> bytes:
    """`began`: content came before, which a whole message only repeats.

    :raises ValueError: its data is not JSON
    """
    chunk: Json = msgspec.json.decode(event_data(event), type=dict[str, Any])
    choices = chunk.get("choices")
    changed = False
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            if "delta" not in choice and isinstance(choice.get("message"), dict):
                message = choice.pop("message")
                choice["delta"], changed = {} if began else message, True
            if isinstance(choice.get("delta"), dict):
                changed = _join_content(choice["delta"]) or changed
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n" if changed else event


def repair_answer(body: bytes, request_id: str) -> bytes:
    """The same bytes where nothing has to be changed, or it cannot be read."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    choices = answer.get("choices") if isinstance(answer, dict) else None
    changed = False
    for place, choice in enumerate(choices if isinstance(choices, list) else ()):
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            name = f"{request_id.removeprefix('req_')}{place}"
            changed = _join_content(message) | _complete_calls(message, name) | changed
    return msgspec.json.encode(answer) if changed else body


def _join_content(message: Json) -> bool:
    """Parts of text as text, and what was thought beside it; parts of other kinds stay, with all that is around them.
    -> whether anything changed
    """
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    if not isinstance(content, list | dict) or not all(map(_is_text, parts)):
        return False
    thought, refusal = reasoning_text(message), refusal_text(message)
    message["content"] = content_text(message) or None
    if thought and not message.get("reasoning") and not message.get("reasoning_content"):
        message["reasoning_content"] = thought
    if refusal and not message.get("refusal"):
        message["refusal"] = refusal
    return True


def _is_text(part: Any) -> bool:
    return part is None or isinstance(part, str) or (isinstance(part, dict) and (part.get("type") or "text") in _TEXTS)


def _complete_calls(message: Json, name: str) -> bool:
    changed = False
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            continue
        if not isinstance(call.get("id"), str):
            call["id"], changed = _spell_id(call.get("id")) or f"call_{name}{number}", True
        if not isinstance(function.get("arguments"), str):
            function["arguments"], changed = spell_arguments(function.get("arguments")) or "{}", True
    return changed


def _spell_id(value: Any) -> str:
    return str(value) if type(value) is int else ""
