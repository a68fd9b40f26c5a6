"""A whole answer as the events of a stream, and the events of a stream as a whole answer, in one dialect.

Some servers answer every request in one form: whole where a stream was asked for (they do not stream, or not with
tools), a stream where a whole answer was, or JSON values a line where events belong. The client gets the form that it
asked for, from what the upstream said. Field names and events: OpenAI API reference, "Create chat completion" and
"Streaming events"; Anthropic API reference, "Streaming Messages".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from steward.core.errors import Refused
from steward.gateway.dialects.chat import parse_arguments
from steward.gateway.dialects.tool_calls import ToolCallNumbers, join_name, spell_arguments
from steward.gateway.sse import Scanner, event_data
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_error

CHAT: Final = "/v1/chat/completions"
COMPLETIONS: Final = "/v1/completions"
MESSAGES: Final = "/v1/messages"
RESPONSES: Final = "/v1/responses"
_FRAMED_APART: Final = frozenset({"choices", "usage", "object"})
_NAMES: Final = frozenset({"role", "id", "type", "name"})  # fields of a delta that are told once


def is_whole_answer(endpoint: str, value: Any) -> bool:
    """Whether a JSON value is an answer of the endpoint rather than an event of its stream.

    >>> is_whole_answer(CHAT, {"choices": [{"message": {}}]}), is_whole_answer(CHAT, {"choices": [{"delta": {}}]})
    (True, False)
    """
    if not isinstance(value, dict):
        return False
    if endpoint == MESSAGES:
        return value.get("type") == "message"
    if endpoint == RESPONSES:
        return value.get("object") == "response"
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    return "delta" not in first and ("message" in first or (endpoint == COMPLETIONS and bool(first.get("text"))))


def spell_events(endpoint: str, answer: Json) -> Iterator[Json]:
    """The events that say what a whole answer says."""
    if endpoint == MESSAGES:
        return _message_events(answer)
    return _response_events(answer) if endpoint == RESPONSES else _chat_events(answer)


def _chat_events(answer: Json) -> Iterator[Json]:
    frame = {name: value for name, value in answer.items() if name not in _FRAMED_APART}
    for number, choice in enumerate(answer["choices"]):
        index = choice.get("index", number)
        finish = choice.get("finish_reason") or "stop"
        if "message" not in choice:
            yield {
                **frame,
                "object": "text_completion",
                "choices": [{**choice, "index": index, "finish_reason": finish}],
            }
            continue
        frame["object"] = "chat.completion.chunk"
        message = choice["message"] or {}
        if calls := message.get("tool_calls"):
            message = {**message, "tool_calls": [{**call, "index": place} for place, call in enumerate(calls)]}
        first = {"index": index, "delta": message, "logprobs": choice.get("logprobs"), "finish_reason": None}
        last = {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}
        yield from ({**frame, "choices": [first]}, {**frame, "choices": [last]})
    if answer.get("usage"):
        yield {**frame, "object": frame.get("object", "text_completion"), "choices": [], "usage": answer["usage"]}


def _message_events(answer: Json) -> Iterator[Json]:
    usage = answer.get("usage") or {}
    begun = {
        **answer,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 0},
    }
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(answer.get("content") or ()):
        start, deltas = _part_block(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield from ({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        yield {"type": "content_block_stop", "index": index}
    ending = {name: answer.get(name) for name in ("stop_reason", "stop_sequence")}
    yield {"type": "message_delta", "delta": ending, "usage": usage}
    yield {"type": "message_stop"}


def _part_block(block: Json) -> tuple[Json, list[Json]]:
    """A content block as it begins, and what is added to it then."""
    kind = block.get("type")
    if kind == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": block.get("text") or ""}]
    if kind == "thinking":
        thought = {"type": "thinking_delta", "thinking": block.get("thinking") or ""}
        signed = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return {**block, "thinking": "", "signature": ""}, [thought, signed]
    if kind in ("tool_use", "server_tool_use"):
        text = msgspec.json.encode(block.get("input") or {}).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]
    return block, []


def _response_events(answer: Json) -> Iterator[Json]:
    numbers = iter(range(1_000_000_000))
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    for kind in ("created", "in_progress"):
        yield {"type": f"response.{kind}", "sequence_number": next(numbers), "response": begun}
    for place, item in enumerate(answer.get("output") or ()):
        yield from ({**event, "sequence_number": next(numbers)} for event in _item_events(item, place))
    ended = answer.get("status") if answer.get("status") in ("incomplete", "failed") else "completed"
    yield {"type": f"response.{ended}", "sequence_number": next(numbers), "response": answer}


def _item_events(item: Json, place: int) -> Iterator[Json]:
    where = {"item_id": item.get("id"), "output_index": place}
    kind = item.get("type")
    listed = [field for field in ("content", "summary") if isinstance(item.get(field), list)]
    begun = {**item, **{field: [] for field in listed}, **({"arguments": ""} if kind == "function_call" else {})}
    yield {"type": "response.output_item.added", "output_index": place, "item": begun}
    for number, part in enumerate(item.get("content") or () if kind in ("message", "reasoning") else ()):
        field = "refusal" if part.get("type") == "refusal" else "text"
        name = {"output_text": "output_text", "refusal": "refusal"}.get(str(part.get("type")), "reasoning_text")
        at = {**where, "content_index": number}
        more: Json = {"logprobs": []} if name == "output_text" else {}
        text = part.get(field) or ""
        yield {"type": "response.content_part.added", **at, "part": {**part, field: ""}}
        yield {"type": f"response.{name}.delta", **at, "delta": text, **more}
        yield {"type": f"response.{name}.done", **at, field: text, **more}
        yield {"type": "response.content_part.done", **at, "part": part}
    if kind == "function_call":
        text = item.get("arguments") or ""
        yield {"type": "response.function_call_arguments.delta", **where, "delta": text}
        yield {"type": "response.function_call_arguments.done", **where, "arguments": text, "name": item.get("name")}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def join_events(endpoint: str, body: bytes) -> bytes:
    """The whole answer that the events of a stream, or the JSON values of its lines, amount to.

    An error among them is the answer. :raises Refused: 502 where it ends without an end, or is none
    """
    if _is_one_value(body):
        return body
    try:
        events = list(_list_events(body))
        error = next((event for event in events if event.get("error") or event.get("type") == "error"), None)
        answer = error or _JOINS.get(endpoint, _join_chat)(events)
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError) as error:
        raise upstream_error("the upstream's stream cannot be read", "upstream_malformed") from error
    return msgspec.json.encode(answer)


def _is_one_value(body: bytes) -> bool:
    """Whether it is whole JSON after all, and only its content type says otherwise."""
    try:
        return body.lstrip()[:1] == b"{" and not _is_event(msgspec.json.decode(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _is_event(value: Any) -> bool:
    """Whether a JSON value is an event of a chat completion's stream."""
    choices = value.get("choices") if isinstance(value, dict) else None
    return isinstance(choices, list) and any(isinstance(choice, dict) and "delta" in choice for choice in choices)


def _list_events(body: bytes) -> Iterator[Json]:
    """:raises ValueError: one is no JSON object"""
    if body.lstrip()[:1] == b"{":
        data = [line for line in body.splitlines() if line.strip()]
    else:
        scanner = Scanner()
        data = [event_data(event) for event in (*scanner.feed(body), *scanner.end())]
    for each in data:
        if each.strip() and not each.startswith(b"[DONE]"):
            yield msgspec.json.decode(each, type=dict[str, Any])


def _join_chat(events: Iterable[Json]) -> Json:
    answer: Json = {}
    choices: dict[int, _JoinedChoice] = {}
    for event in events:
        answer |= {name: value for name, value in event.items() if value is not None and name != "choices"}
        for choice in event.get("choices") or ():
            index = choice.get("index") or 0
            choices.setdefault(index, _JoinedChoice(index)).add(choice)
    joined = [choices[index].build() for index in sorted(choices)]
    if not joined or not all(choice["finish_reason"] for choice in joined):
        raise _truncated("a finish_reason")
    answer["choices"] = joined
    answer["object"] = "text_completion" if "text" in joined[0] else "chat.completion"
    return answer


class _JoinedChoice:
    """One choice of a streamed answer, as far as it has come."""

    def __init__(self, index: int) -> None:
        self._choice: Json = {"index": index, "logprobs": None, "finish_reason": None}
        self._message: Json = {"role": "assistant", "content": None}
        self._calls: dict[int, Json] = {}
        self._numbers = ToolCallNumbers()
        self._began = False

    def add(self, choice: Json) -> None:
        if "text" in choice:
            self._choice["text"] = self._choice.get("text", "") + (choice["text"] or "")
        elif "delta" in choice or not self._began:  # a whole message after deltas only repeats them
            self._add_delta(choice.get("delta") or choice.get("message") or {})
        self._began = True
        for name in ("finish_reason", "stop_reason"):
            if choice.get(name):
                self._choice[name] = choice[name]
        if isinstance(logprobs := choice.get("logprobs"), dict):
            self._choice["logprobs"] = _extend(self._choice["logprobs"] or {}, logprobs)

    def _add_delta(self, delta: Json) -> None:
        for position, call in enumerate(delta.get("tool_calls") or ()):
            number = self._numbers.assign(0, call, position)
            function = call.get("function") or {}
            known = self._calls.setdefault(
                number, {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
            )
            known["id"] = known["id"] or call.get("id")
            known["function"]["name"] = join_name(known["function"]["name"], function.get("name") or "")
            known["function"]["arguments"] += spell_arguments(function.get("arguments"))
        self._message = _extend(self._message, {name: delta[name] for name in delta if name != "tool_calls"})

    def build(self) -> Json:
        if "text" in self._choice:
            return self._choice
        if self._calls:
            self._message["tool_calls"] = [self._calls[number] for number in sorted(self._calls)]
        return {**self._choice, "message": self._message}


def _extend(known: Json, more: Json) -> Json:
    """`known` with texts and lists continued by those of `more`."""
    joined = dict(known)
    for name, value in more.items():
        before = joined.get(name)
        if isinstance(value, str) and isinstance(before, str) and name not in _NAMES:
            joined[name] = f"{before}{value}"
        elif isinstance(value, list) and isinstance(before, list):
            joined[name] = [*before, *value]
        elif isinstance(value, dict) and isinstance(before, dict):
            joined[name] = _extend(before, value)
        elif value is not None:
            joined[name] = value
    return joined


def _join_message(events: Iterable[Json]) -> Json:
    answer: Json = {}
    blocks: dict[int, Json] = {}
    inputs: dict[int, str] = {}
    for event in events:
        kind, index = event.get("type"), event.get("index", 0)
        if kind == "message_start":
            answer = dict(event["message"])
        elif kind == "content_block_start":
            blocks[index] = dict(event["content_block"])
        elif kind == "content_block_delta":
            _add_to_block(blocks[index], event["delta"], index, inputs)
        elif kind == "message_delta":
            answer |= event.get("delta") or {}
            told = {name: count for name, count in (event.get("usage") or {}).items() if count is not None}
            answer["usage"] = {**(answer.get("usage") or {}), **told}
    if not answer.get("stop_reason"):
        raise _truncated("a stop_reason")
    for index, text in inputs.items():
        blocks[index]["input"] = parse_arguments(text, answer["stop_reason"] == "max_tokens")
    return {**answer, "content": [blocks[index] for index in sorted(blocks)]}


def _add_to_block(block: Json, delta: Json, index: int, inputs: dict[int, str]) -> None:
    if delta.get("type") == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
    elif delta.get("type") == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    else:
        for field in ("text", "thinking", "signature"):
            if field in delta:
                block[field] = (block.get(field) or "") + delta[field]


def _join_response(events: Iterable[Json]) -> Json:
    ends = [
        event["response"]
        for event in events
        if event.get("type") in ("response.completed", "response.incomplete", "response.failed")
    ]
    if not ends:
        raise _truncated("its last event")
    answer: Json = ends[-1]
    return answer


_JOINS: Final[dict[str, Callable[[Iterable[Json]], Json]]] = {MESSAGES: _join_message, RESPONSES: _join_response}


def _truncated(ending: str) -> Refused:
    return upstream_error(f"the upstream ended the stream without {ending}", "stream_truncated")
