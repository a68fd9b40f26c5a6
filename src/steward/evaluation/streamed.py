"""A streamed chat completion put together again: server-sent events in, what an unstreamed call gives out."""

from __future__ import annotations

from typing import Any, Final

import msgspec


def join_stream(data: bytes) -> dict[str, Any]:
    """The completion that the events of a whole body add up to. Lines that are no event of a completion are skipped.

    :raises ValueError: no event of a completion

    >>> join_stream(b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\\n\\ndata: [DONE]\\n')
    {'choices': [{'message': {'content': 'Hi'}, 'finish_reason': 'stop'}], 'usage': None}
    """
    texts: list[str] = []
    finish, usage, seen = None, None, False
    for line in data.splitlines():
        if not line.startswith(b"data:"):
            continue
        try:
            event = msgspec.json.decode(line.removeprefix(b"data:"), type=dict[str, Any])
        except msgspec.MsgspecError:  # "[DONE]", which ends a stream, is no object either
            continue
        usage = event.get("usage") or usage
        choice = next(iter(event.get("choices") or ()), None)
        if choice is not None:
            seen = True
            delta = choice.get("delta") or {}
            texts.append(join_parts(delta.get("content")) or "")
            finish = choice.get("finish_reason") or finish
    if not seen:
        raise ValueError("no event of a chat completion")
    return {"choices": [{"message": {"content": "".join(texts)}, "finish_reason": finish}], "usage": usage}


def join_parts(content: Any) -> Any:
    """A message's content where thoughts stand in it as parts (Magistral's, Claude's): the text beside; else itself.

    >>> join_parts([{"type": "thinking", "thinking": "London?"}, {"type": "text", "text": "Paris"}]), join_parts(None)
    ('Paris', None)
    """
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        return content
    kinds = {part.get("type") for part in content}
    if not kinds & _THOUGHTS or kinds - _THOUGHTS - _TEXTS:
        return content
    texts = [part.get("text") for part in content if part["type"] in _TEXTS]
    return "".join(texts) if all(isinstance(text, str) for text in texts) else content


_TEXTS: Final = {"text", "output_text"}
_THOUGHTS: Final = {"thinking", "redacted_thinking", "reasoning"}
