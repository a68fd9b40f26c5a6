"""A streamed chat completion put together again: server-sent events in, what an unstreamed call gives out."""

from __future__ import annotations

from typing import Any

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
            texts.append(delta.get("content") or "")
            finish = choice.get("finish_reason") or finish
    if not seen:
        raise ValueError("no event of a chat completion")
    return {"choices": [{"message": {"content": "".join(texts)}, "finish_reason": finish}], "usage": usage}
