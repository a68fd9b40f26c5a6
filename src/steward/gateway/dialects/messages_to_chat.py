"""Anthropic's messages as chat completions and back, for upstreams that speak only the latter.

Decides what each field becomes. A field that chat completions cannot express is refused by its name, never dropped;
only `cache_control` and `service_tier` are, since they change no answer. Chat completions cannot say that a tool
failed, so the result of one begins with "Error: ".
Field names: Anthropic API reference, "Create a Message"; OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from steward.gateway.dialects.anthropic import format_event
from steward.gateway.dialects.chat import (
    FieldReader,
    first_choice,
    join_text_parts,
    parse_arguments,
    reasoning_text,
    token_counts,
)
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_failed

_SAME: Final = ("model", "max_tokens", "temperature", "top_p", "top_k", "stream")
_HINTS: Final = ("cache_control", "service_tier")
STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def translate_request(body: Json) -> Json:
    """The chat completion that asks for the same.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "a chat-completions upstream")
    chat: Json = fields.same(_SAME)
    fields.ignore(_HINTS)
    messages = _system(fields.take("system"))
    for number, message in enumerate(fields.objects("messages")):
        messages += _message(FieldReader(message, fields.whom, f"messages.{number}."))
    chat["messages"] = messages
    if stops := fields.take("stop_sequences"):
        chat["stop"] = stops
    if tools := fields.objects("tools"):
        chat["tools"] = [_tool(FieldReader(tool, fields.whom, f"tools.{n}.")) for n, tool in enumerate(tools)]
    if (choice := fields.object("tool_choice")) is not None:
        chat |= _tool_choice(choice)
    if (metadata := fields.object("metadata")) is not None:
        if user := metadata.take("user_id"):
            chat["user"] = user
        metadata.done()
    if (thinking := fields.object("thinking")) is not None:
        thinking.expect("type", "disabled")
        thinking.done()
    if (output := fields.object("output_config")) is not None:
        chat |= _output_config(output)
    fields.done()
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _system(value: Any) -> list[Json]:
    if not value:
        return []
    return [{"role": "system", "content": join_text_parts(value, "system", ("text",), _HINTS)}]


def _message(message: FieldReader) -> list[Json]:
    """One message becomes several: each tool result is a message of its own."""
    role, content = message.one_of("role", ("user", "assistant", "system")), message.take("content")
    message.done()
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    blocks = [
        FieldReader(block, message.whom, f"{message.at}content.{n}.") for n, block in enumerate(message.list(content))
    ]
    return _assistant(blocks) if role == "assistant" else _user(str(role), blocks)


def _user(role: str, blocks: Sequence[FieldReader]) -> list[Json]:
    results: list[Json] = []
    parts: list[Json] = []
    for block in blocks:
        block.ignore(_HINTS)
        kind = block.one_of("type", ("text", "image", "tool_result"))
        if kind == "tool_result":
            results.append(_tool_result(block))
        elif kind == "image":
            parts.append({"type": "image_url", "image_url": {"url": _image_url(block.required_object("source"))}})
        else:
            parts.append({"type": "text", "text": block.text("text")})
            block.take("citations")  # of an answer that is sent back: where its text came from
        block.done()
    if not parts:
        return results
    return [*results, {"role": role, "content": _simplify(parts)}]


def _simplify(parts: list[Json]) -> str | list[Json]:
    """One text is a string, which every upstream takes."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _image_url(source: FieldReader) -> str:
    linked = source.one_of("type", ("base64", "url")) == "url"
    url = source.text("url") if linked else f"data:{source.text('media_type')};base64,{source.text('data')}"
    source.done()
    return url


def _tool_result(block: FieldReader) -> Json:
    content = block.take("content")
    text = "" if content is None else join_text_parts(content, f"{block.at}content", ("text",), _HINTS)
    failed = "Error: " if block.take("is_error") else ""
    return {"role": "tool", "tool_call_id": block.text("tool_use_id"), "content": failed + text}


def _assistant(blocks: Sequence[FieldReader]) -> list[Json]:
    message: Json = {"role": "assistant", "content": None}
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for block in blocks:
        block.ignore(_HINTS)
        kind = block.one_of("type", ("text", "thinking", "tool_use"))
        if kind == "text":
            texts.append(block.text("text"))
            block.take("citations")
        elif kind == "thinking":
            thoughts.append(block.text("thinking"))
            block.take("signature")
        else:
            arguments = msgspec.json.encode(block.take("input") or {}).decode()
            function = {"name": block.text("name"), "arguments": arguments}
            calls.append({"id": block.text("id"), "type": "function", "function": function})
            block.take("caller")
        block.done()
    if texts:
        message["content"] = "".join(texts)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return [message]


def _tool(tool: FieldReader) -> Json:
    tool.ignore(_HINTS)
    tool.expect("type", "custom")
    function: Json = {"name": tool.text("name"), "parameters": tool.take("input_schema")}
    for field in ("description", "strict"):
        if (value := tool.take(field)) is not None:
            function[field] = value
    tool.done()
    return {"type": "function", "function": function}


def _tool_choice(choice: FieldReader) -> Json:
    kind = choice.one_of("type", ("auto", "any", "tool", "none"))
    chat: Json = {"tool_choice": {"auto": "auto", "any": "required", "none": "none"}.get(kind)}
    if kind == "tool":
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.text("name")}}
    if (disabled := choice.take("disable_parallel_tool_use")) is not None:
        chat["parallel_tool_calls"] = not disabled
    choice.done()
    return chat


def _output_config(output: FieldReader) -> Json:
    chat: Json = {}
    if effort := output.take("effort"):
        chat["reasoning_effort"] = effort
    if (form := output.object("format")) is not None:
        form.expect("type", "json_schema")
        schema = {"name": "answer", "schema": form.take("schema"), "strict": True}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
        form.done()
    output.done()
    return chat


def translate_answer(chat: Json, asked: Json, request_id: str, at: float) -> Json:
    """The message that a whole chat completion amounts to.

    :raises Refused: 502 where it has no choice, or tool-call arguments that are no JSON object
    """
    choice = first_choice(chat)
    message = choice.get("message") or {}
    content: list[Json] = []
    if thought := reasoning_text(message):
        content.append({"type": "thinking", "thinking": thought, "signature": ""})
    if text := (message.get("content") or "") + (message.get("refusal") or ""):
        content.append({"type": "text", "text": text})
    for number, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        content.append(
            {
                "type": "tool_use",
                "id": call.get("id") or _call_id(request_id, number),
                "name": function.get("name"),
                "input": parse_arguments(function.get("arguments")),
            }
        )
    start = _start(request_id, chat, asked)
    stop = _stop(choice, bool(message.get("tool_calls")), bool(message.get("refusal")))
    return {**start, "content": content, **stop, "usage": _usage(chat.get("usage"))}


def _call_id(request_id: str, number: int) -> str:
    return f"toolu_{request_id.removeprefix('req_')}{number}"


def _start(request_id: str, chat: Json, asked: Json) -> Json:
    return {
        "id": f"msg_{request_id.removeprefix('req_')}",
        "type": "message",
        "role": "assistant",
        "model": chat.get("model") or asked.get("model"),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(None),
    }


def _stop(choice: Json, called: bool, refused: bool) -> Json:
    """vLLM names the stop sequence that was met in the choice's own `stop_reason`."""
    reason, met = str(choice.get("finish_reason")), choice.get("stop_reason")
    if reason == "stop" and isinstance(met, str):
        return {"stop_reason": "stop_sequence", "stop_sequence": met}
    if reason == "stop" and (called or refused):
        return {"stop_reason": "tool_use" if called else "refusal", "stop_sequence": None}
    return {"stop_reason": STOP_REASONS.get(reason, "end_turn"), "stop_sequence": None}


def _usage(usage: Any) -> Json:
    """Anthropic counts tokens read from a cache apart from `input_tokens`."""
    counts = token_counts(usage)
    return {
        "input_tokens": max(0, counts.prompt - counts.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion,
    }


class MessageStream:
    """A streamed chat completion as Anthropic's events. Content blocks follow one another; none are interleaved."""

    def __init__(self, asked: Json, request_id: str, at: float) -> None:
        self._asked, self._request_id = asked, request_id
        self._started = False
        self._index = -1
        self._open: str | int | None = None  # "text", "thinking" or the number of the tool call
        self._calls: set[int] = set()
        self._refused = False
        self._finish: Json | None = None
        self._usage: Any = None

    def feed(self, chunk: Json) -> list[bytes]:
        """The events that a chunk amounts to. :raises Refused: 502, a chunk that no message can express"""
        events = [] if self._started else self._begin(chunk)
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought := reasoning_text(delta):
                events += self._add_text("thinking", {"type": "thinking_delta", "thinking": thought})
            for field in ("content", "refusal"):
                if text := delta.get(field):
                    self._refused = self._refused or field == "refusal"
                    events += self._add_text("text", {"type": "text_delta", "text": text})
            for position, call in enumerate(delta.get("tool_calls") or ()):
                events += self._call(call, position)
            if choice.get("finish_reason"):
                self._finish = choice
        return events

    def end(self) -> list[bytes]:
        """The last events, once the chunks are over."""
        stop = _stop(self._finish or {}, bool(self._calls), self._refused)
        last = {"type": "message_delta", "delta": stop, "usage": _usage(self._usage)}
        return [*self._close(), format_event(last), format_event({"type": "message_stop"})]

    def _begin(self, chunk: Json) -> list[bytes]:
        self._started = True
        return [format_event({"type": "message_start", "message": _start(self._request_id, chunk, self._asked)})]

    def _add_text(self, kind: str, delta: Json) -> list[bytes]:
        block: Json = {"type": kind, kind: "", **({"signature": ""} if kind == "thinking" else {})}
        return [*self._switch_block(kind, block), self._delta(delta)]

    def _call(self, call: Json, position: int) -> Iterable[bytes]:
        number = call.get("index")
        number = number if isinstance(number, int) else position
        function = call.get("function") or {}
        if number in self._calls and number != self._open:
            raise upstream_failed(
                "the upstream interleaved two tool calls, which Anthropic's Messages API cannot represent",
                "upstream_error",
            )
        block: Json = {
            "type": "tool_use",
            "id": call.get("id") or _call_id(self._request_id, number),
            "name": function.get("name"),
            "input": {},
        }
        events = self._switch_block(number, block)
        self._calls.add(number)
        if arguments := function.get("arguments"):
            events.append(self._delta({"type": "input_json_delta", "partial_json": arguments}))
        return events

    def _switch_block(self, to: str | int, block: Json) -> list[bytes]:
        if self._open == to:
            return []
        events = self._close()
        self._open = to
        self._index += 1
        return [*events, format_event({"type": "content_block_start", "index": self._index, "content_block": block})]

    def _delta(self, delta: Json) -> bytes:
        return format_event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> list[bytes]:
        if self._open is None:
            return []
        self._open = None
        return [format_event({"type": "content_block_stop", "index": self._index})]


def open_stream(asked: Json, request_id: str, at: float) -> MessageStream:
    """What turns the chunks of one answer into Anthropic's events."""
    return MessageStream(asked, request_id, at)
