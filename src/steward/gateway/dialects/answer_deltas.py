"""What a chunk of a streamed chat completion adds to the one answer of a translated request.

Servers differ in how they write a chunk: tool calls without an index, or with the name after the first arguments;
arguments as an object; OpenAI's earlier `function_call`; a whole `message` or a `text` where a `delta` belongs. Here
all of them become one kind of delta. A translated request asks for one choice, so only the first is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from steward.gateway.dialects.chat import content_text, reasoning_text, refusal_text
from steward.gateway.dialects.tool_calls import ToolCallNumbers, join_name, list_calls, spell_arguments
from steward.gateway.text_fields import Json


class CallPiece(msgspec.Struct, frozen=True):
    """A fragment of a tool call: its number, the upstream's id (of the first fragment, if any), its name, arguments."""

    number: int
    id: str | None
    name: str
    arguments: str


class AnswerDelta(msgspec.Struct, frozen=True):
    """`finish` is the choice, where it says why it ended."""

    reasoning: str = ""
    text: str = ""
    refusal: str = ""
    calls: tuple[CallPiece, ...] = ()
    finish: Json | None = None


class _WaitingCall:
    """A call of which nothing was told yet: its name may come in pieces, and after its first arguments."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = self.arguments = ""


class AnswerDeltas:
    """Reads the chunks of one answer, in order. A call waits for its name, which ends where its arguments begin or
    other output follows.
    """

    def __init__(self) -> None:
        self._choice: Any = None  # index of the choice that is read
        self._began = False
        self._numbers = ToolCallNumbers()
        self._names: dict[int, str] = {}  # of the calls that were told
        self._waiting: dict[int, _WaitingCall] = {}

    def read(self, chunk: Json) -> Iterator[AnswerDelta]:
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            if self._choice is None:
                self._choice = index
            if index == self._choice:
                delta = self._find_delta(choice)
                self._began = True
                finish = choice if choice.get("finish_reason") else None
                reasoning, text, refusal = reasoning_text(delta), content_text(delta), refusal_text(delta)
                if self._waiting and (reasoning or text or refusal):
                    yield AnswerDelta(calls=tuple(self._tell_waiting()))
                calls = list(self._read_calls(delta))
                if finish is not None:
                    calls += self._tell_waiting()
                yield AnswerDelta(reasoning, text, refusal, tuple(calls), finish)

    def _find_delta(self, choice: Json) -> Json:
        """A whole `message` stands for the deltas that never came; after those it only repeats them."""
        if "delta" in choice:
            return choice["delta"] or {}
        if "message" in choice:
            return {} if self._began else choice["message"] or {}
        return {"content": choice.get("text")}

    def _read_calls(self, delta: Json) -> Iterator[CallPiece]:
        for position, call in enumerate(list_calls(delta)):
            number = self._numbers.assign(0, call, position)
            function = call.get("function") or {}
            arguments = spell_arguments(function.get("arguments"))
            yield from self._tell_waiting(but=number)
            if number in self._names:
                yield CallPiece(number, None, self._names[number], arguments)
                continue
            waiting = self._waiting.setdefault(number, _WaitingCall())
            waiting.id = waiting.id or call.get("id")
            waiting.name = join_name(waiting.name, function.get("name") or "")
            waiting.arguments += arguments
            if waiting.name and waiting.arguments:
                yield self._tell(number)

    def _tell_waiting(self, but: int | None = None) -> Iterator[CallPiece]:
        """The calls whose names are complete, since something else has come."""
        for number in [number for number, call in self._waiting.items() if call.name and number != but]:
            yield self._tell(number)

    def _tell(self, number: int) -> CallPiece:
        call = self._waiting.pop(number)
        self._names[number] = call.name
        return CallPiece(number, call.id, call.name, call.arguments)
