"""Reads what a translation sends, for the tests beside it."""

from __future__ import annotations

import json
from typing import Any


def parse_events(parts: list[bytes]) -> list[dict[str, Any]]:
    """The JSON of each event; `[DONE]` is left out."""
    lines = b"".join(parts).decode().splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def call(index: int | None, name: str | None, arguments: str, identifier: str | None = None) -> dict[str, Any]:
    """A fragment of a tool call."""
    function = {"arguments": arguments, **({"name": name} if name else {})}
    made: dict[str, Any] = {"function": function, **({"id": identifier, "type": "function"} if identifier else {})}
    return made if index is None else {**made, "index": index}
