"""Which tool call a streamed fragment belongs to.

Chat completions tell by `index`, and some servers get it wrong: every parallel call has index 0, or none has an index
(Gemini's and several local servers' streams). A fragment with another id and a name begins another call; a client that
goes by the index would glue the two together. Decides a number for each call; knows nothing of what is done with it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from steward.gateway.sse import event_data
from steward.gateway.text_fields import Json


class ToolCallNumbers:
    """Gives each call of a stream a number of its own, the upstream's where that is free."""

    def __init__(self) -> None:
        self._current: dict[tuple[int, int], tuple[str, int]] = {}  # by choice and upstream's index: id, number
        self._used: dict[int, set[int]] = {}  # numbers given, by choice
        self._unnamed: set[tuple[int, int]] = set()  # calls that have begun without a name
        self._told: dict[
            tuple[int, int], tuple[Any, str]
        ] = {}  # by choice and number: id and name as the client has them

    def assign(self, choice: int, call: Json, position: int) -> int:
        """The number of the call that a fragment belongs to; `position` is its place in the fragment's list.

        >>> numbers = ToolCallNumbers()
        >>> begin = [{"index": 0, "id": name, "function": {"name": "f"}} for name in ("a", "b")]
        >>> [numbers.assign(0, call, 0) for call in begin]
        [0, 1]
        """
        index = call.get("index")
        index = index if type(index) is int else position
        name = call.get("id")
        identifier = name if isinstance(name, str) else ""
        current = self._current.get((choice, index))
        if current is not None and not (identifier and current[0] != identifier and _is_named(call)):
            return current[1]
        if current is not None and not current[0] and (choice, index) in self._unnamed:
            self._unnamed.discard((choice, index))  # its name comes after its first arguments
            self._current[choice, index] = identifier, current[1]
            return current[1]
        used = self._used.setdefault(choice, set())
        number = index if index not in used else max(used) + 1
        used.add(number)
        self._current[choice, index] = identifier, number
        if not _is_named(call):
            self._unnamed.add((choice, index))
        return number

    def repair(self, event: bytes) -> bytes:
        """A chat completion's event with the numbers in the place of its indexes, and each id and name once, since
        clients join what comes; the same bytes where nothing changes.

        :raises ValueError: its data is not JSON
        """
        chunk: Json = msgspec.json.decode(event_data(event), type=dict[str, Any])
        changed = False
        choices = chunk.get("choices")
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            delta = choice.get("delta") if isinstance(choice, dict) else None
            calls = delta.get("tool_calls") if isinstance(delta, dict) else None
            for position, call in enumerate(calls if isinstance(calls, list) else ()):
                if isinstance(call, dict):
                    which = choice.get("index")
                    changed = self._repair_call(which if type(which) is int else place, call, position) or changed
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n" if changed else event

    def _repair_call(self, choice: int, call: Json, position: int) -> bool:
        """Whether anything of a fragment had to be changed."""
        number = self.assign(choice, call, position)
        changed = call.get("index") != number
        call["index"] = number
        known_id, known_name = self._told.get((choice, number), (None, ""))
        if known_id and call.get("id") == known_id:
            del call["id"]
            changed = True
        function = call.get("function")
        if isinstance(function, dict):
            if isinstance(function.get("arguments"), dict):
                function["arguments"], changed = spell_arguments(function["arguments"]), True
            name = function.get("name")
            if isinstance(name, str) and name and known_name:
                joined = join_name(known_name, name)
                function["name"], known_name = joined[len(known_name) :], joined
                changed = changed or function["name"] != name
            elif isinstance(name, str):
                known_name = known_name or name
        self._told[choice, number] = known_id or call.get("id"), known_name
        return changed


def list_calls(message: Json) -> list[Json]:
    """The tool calls of a message or delta; `function_call` is how OpenAI's API spelled one before tools."""
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), dict):
        return [{"index": 0, "function": message["function_call"]}]
    for call in calls or ():
        if isinstance(call, dict) and type(call.get("id")) is int:
            call["id"] = str(call["id"])  # clients take a text
    return calls or []


def join_name(known: str, piece: str) -> str:
    """A function's name of which some servers send pieces, some all of it with each fragment.

    >>> join_name("get_", "weather"), join_name("f", "f"), join_name("get", "get_weather"), join_name("f", "")
    ('get_weather', 'f', 'get_weather', 'f')
    """
    return piece if piece.startswith(known) else known + piece


def spell_arguments(arguments: Any) -> str:
    """As the text that chat completions have; some servers (Ollama's own form) send the object itself.

    >>> spell_arguments({"city": "Rome"}), spell_arguments('{"ci'), spell_arguments(None)
    ('{"city":"Rome"}', '{"ci', '')
    """
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""


def _is_named(call: Json) -> bool:
    function = call.get("function")
    return isinstance(function, dict) and bool(function.get("name"))
