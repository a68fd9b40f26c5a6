"""OpenAI's responses as chat completions and back, for upstreams that speak only the latter.

Decides what each field becomes. A field that chat completions cannot express is refused by its name, never dropped;
only what changes no answer is: `stream_options`, `prompt_cache_key` and the like. Nothing is stored, so
`store: true`, `previous_response_id` and `conversation` are refused.
Field names: OpenAI API reference, "Create a model response" and "Create chat completion".
"""

from __future__ import annotations

from typing import Any, Final

from steward.gateway.dialects.anthropic import format_event
from steward.gateway.dialects.chat import FieldReader, first_choice, join_text_parts, reasoning_text, token_counts
from steward.gateway.text_fields import Json
from steward.gateway.wire import upstream_failed

_SAME: Final = (
    "model", "temperature", "top_p", "stream", "user", "safety_identifier", "parallel_tool_calls", "service_tier",
)  # fmt: skip
_HINTS: Final = ("stream_options", "prompt_cache_key", "prompt_cache_retention", "metadata")
_ECHOED: Final = (
    "instructions", "max_output_tokens", "temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls",
    "reasoning", "text", "user", "metadata", "safety_identifier", "prompt_cache_key",
)  # fmt: skip
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def translate_request(body: Json) -> Json:
    """The chat completion that asks for the same.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "a chat-completions upstream")
    chat: Json = fields.same(_SAME)
    fields.ignore(_HINTS)
    for field, only in (("store", False), ("background", False), ("truncation", "disabled"), ("top_logprobs", 0)):
        fields.expect(field, only)
    included = fields.objects("include")
    if [item for item in included if item != "reasoning.encrypted_content"]:  # there is none to encrypt
        raise fields.cannot("include", "with values other than 'reasoning.encrypted_content'")
    if (limit := fields.take("max_output_tokens")) is not None:
        chat["max_tokens"] = limit
    messages: list[Json] = []
    if instructions := fields.take("instructions"):
        messages.append({"role": "system", "content": join_text_parts(instructions, "instructions", ("input_text",))})
    chat["messages"] = messages + _input(fields)
    if tools := fields.objects("tools"):
        chat["tools"] = [_tool(FieldReader(tool, fields.whom, f"tools.{n}.")) for n, tool in enumerate(tools)]
    if (choice := fields.take("tool_choice")) is not None:
        chat["tool_choice"] = choice if isinstance(choice, str) else _tool_choice(FieldReader(choice, fields.whom))
    if (reasoning := fields.object("reasoning")) is not None:
        if effort := reasoning.take("effort"):
            chat["reasoning_effort"] = effort
        reasoning.done()
    if (text := fields.object("text")) is not None:
        chat |= _text(text)
    fields.done()
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _input(fields: FieldReader) -> list[Json]:
    value = fields.take("input")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    messages: list[Json] = []
    thought = ""
    for number, raw in enumerate(fields.list(value, "input")):
        item = FieldReader(raw, fields.whom, f"input.{number}.")
        item.ignore(("id", "status", "phase"))
        kind = item.one_of("type", _ITEMS) if "type" in raw else "message"
        if kind == "reasoning":
            thought += _reasoning(item)
        elif kind == "function_call":
            _call(item, messages, thought)
            thought = ""
        elif kind == "function_call_output":
            output = join_text_parts(item.take("output"), f"{item.at}output", ("input_text", "output_text"))
            messages.append({"role": "tool", "tool_call_id": item.text("call_id"), "content": output})
        else:
            messages.append(_message(item))
            if thought and messages[-1]["role"] == "assistant":
                messages[-1]["reasoning_content"] = thought
                thought = ""
        item.done()
    return messages


_ITEMS: Final = ("message", "function_call", "function_call_output", "reasoning")


def _reasoning(item: FieldReader) -> str:
    item.expect("summary", [])
    content = item.take("content")
    return "" if content is None else join_text_parts(content, f"{item.at}content", ("reasoning_text",))


def _call(item: FieldReader, messages: list[Json], thought: str) -> None:
    """Calls that follow one another, or the assistant's text, are one message."""
    function = {"name": item.text("name"), "arguments": item.text("arguments")}
    call = {"id": item.text("call_id"), "type": "function", "function": function}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    if thought:
        messages[-1]["reasoning_content"] = thought
    messages[-1].setdefault("tool_calls", []).append(call)


def _message(item: FieldReader) -> Json:
    role = item.one_of("role", ("user", "assistant", "system", "developer"))
    content = item.take("content")
    if role == "assistant":
        return {"role": role, "content": _assistant_text(content, item.at)}
    role = "system" if role == "developer" else role  # what servers other than OpenAI's call it
    if isinstance(content, str):
        return {"role": role, "content": content}
    parts = [_part(FieldReader(part, item.whom, f"{item.at}content.{n}.")) for n, part in enumerate(item.list(content))]
    plain = len(parts) == 1 and parts[0]["type"] == "text"
    return {"role": role, "content": parts[0]["text"] if plain else parts}


def _assistant_text(content: Any, at: str) -> str:
    if not isinstance(content, list):
        return join_text_parts(content, f"{at}content", ())
    texts = []
    for number, raw in enumerate(content):
        part = FieldReader(raw, "a chat-completions upstream", f"{at}content.{number}.")
        kind = part.one_of("type", ("output_text", "input_text", "refusal"))
        texts.append(part.text("refusal" if kind == "refusal" else "text"))
        part.ignore(("annotations", "logprobs"))
        part.done()
    return "".join(texts)


def _part(part: FieldReader) -> Json:
    kind = part.one_of("type", ("input_text", "input_image"))
    if kind == "input_text":
        made: Json = {"type": "text", "text": part.text("text")}
    else:
        made = {"type": "image_url", "image_url": {"url": part.text("image_url")}}
        if detail := part.take("detail"):
            made["image_url"]["detail"] = detail
    part.done()
    return made


def _tool(tool: FieldReader) -> Json:
    tool.one_of("type", ("function",))
    function: Json = {"name": tool.text("name")}
    function |= tool.same(("description", "parameters", "strict"))
    tool.done()
    return {"type": "function", "function": function}


def _tool_choice(choice: FieldReader) -> Json:
    choice.one_of("type", ("function",))
    made = {"type": "function", "function": {"name": choice.text("name")}}
    choice.done()
    return made


def _text(text: FieldReader) -> Json:
    chat: Json = text.same(("verbosity",))
    if (form := text.object("format")) is not None:
        kind = form.one_of("type", ("text", "json_object", "json_schema"))
        if kind == "json_schema":
            schema = form.same(("name", "schema", "strict", "description"))
            chat["response_format"] = {"type": kind, "json_schema": schema}
        elif kind == "json_object":
            chat["response_format"] = {"type": kind}
        form.done()
    text.done()
    return chat


def translate_answer(chat: Json, asked: Json, request_id: str, at: float) -> Json:
    """The response that a whole chat completion amounts to. :raises Refused: 502 where it has no choice"""
    choice = first_choice(chat)
    message = choice.get("message") or {}
    output: list[Json] = []
    name = request_id.removeprefix("req_")
    if thought := reasoning_text(message):
        output.append(_reasoning_item(f"rs_{name}", thought))
    parts = [_text_part(message["content"])] if message.get("content") else []
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    if parts or not message.get("tool_calls"):
        output.append(_message_item(f"msg_{name}", parts or [_text_part("")]))
    for number, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        call_id = call.get("id") or f"call_{name}{number}"
        output.append(_call_item(f"fc_{name}{number}", call_id, function.get("name"), function.get("arguments") or ""))
    return _response(request_id, asked, chat, at, output, str(choice.get("finish_reason")))


def _response(
    request_id: str, asked: Json, chat: Json, at: float, output: list[Json], finish: str | None = None
) -> Json:
    """`finish` is the chat completion's reason; None while the response is in progress."""
    incomplete = _INCOMPLETE.get(finish or "")
    status = "in_progress" if finish is None else "incomplete" if incomplete else "completed"
    made: Json = {
        "id": f"resp_{request_id.removeprefix('req_')}",
        "object": "response",
        "created_at": int(at),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": None,
        "max_output_tokens": None,
        "model": chat.get("model") or asked.get("model"),
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None if finish is None else _usage(chat.get("usage")),
    }
    made.update({field: asked[field] for field in _ECHOED if asked.get(field) is not None})
    return made


def _usage(usage: Any) -> Json:
    counts = token_counts(usage)
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.completion,
    }


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message_item(name: str, parts: list[Json], status: str = "completed") -> Json:
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": parts}


def _reasoning_item(name: str, thought: str) -> Json:
    return {"id": name, "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": thought}]}


def _call_item(name: str, call_id: Any, function: Any, arguments: str, status: str = "completed") -> Json:
    return {
        "id": name,
        "type": "function_call",
        "status": status,
        "call_id": call_id,
        "name": function,
        "arguments": arguments,
    }


class _OutputItem:
    """An output item that is being written: its kind, its place and its text so far."""

    def __init__(self, kind: str, index: int, name: str, number: int = 0) -> None:
        self.kind, self.index, self.name, self.number = kind, index, name, number
        self.text = ""
        self.call_id: Any = None
        self.function: Any = None

    def build_whole(self) -> Json:
        if self.kind == "reasoning":
            return _reasoning_item(self.name, self.text)
        if self.kind == "call":
            return _call_item(self.name, self.call_id, self.function, self.text)
        return _message_item(self.name, [self.part()])

    def build_begun(self) -> Json:
        if self.kind == "reasoning":
            return {"id": self.name, "type": "reasoning", "summary": [], "content": []}
        if self.kind == "call":
            return _call_item(self.name, self.call_id, self.function, "", "in_progress")
        return _message_item(self.name, [], "in_progress")

    def part(self) -> Json:
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": self.text}
        return {"type": "refusal", "refusal": self.text} if self.kind == "refusal" else _text_part(self.text)


_EVENTS: Final = {
    "text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning": ("response.reasoning_text", "text"),
    "call": ("response.function_call_arguments", "arguments"),
}


class ResponseStream:
    """A streamed chat completion as the events of a response. Calls may be interleaved; they end with the stream."""

    def __init__(self, asked: Json, request_id: str, at: float) -> None:
        self._asked, self._request_id, self._at = asked, request_id, at
        self._chat: Json = {}
        self._items: list[_OutputItem] = []
        self._ended = 0  # items whose end was told
        self._sequence = -1
        self._finish: str | None = None

    def feed(self, chunk: Json) -> list[bytes]:
        """The events that a chunk amounts to."""
        events: list[bytes] = []
        if self._sequence < 0:
            self._chat = {"model": chunk.get("model")}
            build_begun = self._response([])
            events = [self._event(f"response.{kind}", response=build_begun) for kind in ("created", "in_progress")]
        if chunk.get("usage"):
            self._chat["usage"] = chunk["usage"]
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            for kind, text in (
                ("reasoning", reasoning_text(delta)),
                ("text", delta.get("content")),
                ("refusal", delta.get("refusal")),
            ):
                if text:
                    events += self._add_text(kind, text)
            for position, call in enumerate(delta.get("tool_calls") or ()):
                events += self._call(call, position)
            self._finish = choice.get("finish_reason") or self._finish
        return events

    def end(self) -> list[bytes]:
        """The last events, once the chunks are over."""
        events = [] if self._items else self._begin(_OutputItem("text", 0, self._name("msg")))
        events += self._end_items()
        response = self._response([item.build_whole() for item in self._items], self._finish or "stop")
        return [*events, self._event(f"response.{response['status']}", response=response)]

    def _response(self, output: list[Json], finish: str | None = None) -> Json:
        return _response(self._request_id, self._asked, self._chat, self._at, output, finish)

    def _name(self, prefix: str) -> str:
        return f"{prefix}_{self._request_id.removeprefix('req_')}{len(self._items)}"

    def _add_text(self, kind: str, text: str) -> list[bytes]:
        events: list[bytes] = []
        if not self._items or self._items[-1].kind != kind:
            events = self._end_items()
            prefix = "rs" if kind == "reasoning" else "msg"
            events += self._begin(_OutputItem(kind, len(self._items), self._name(prefix)))
        return [*events, self._delta(self._items[-1], text)]

    def _call(self, call: Json, position: int) -> list[bytes]:
        number = call.get("index")
        number = number if isinstance(number, int) else position
        function = call.get("function") or {}
        events: list[bytes] = []
        item = next((item for item in self._items if item.kind == "call" and item.number == number), None)
        if item is None:
            if self._items and self._items[-1].kind != "call":
                events = self._end_items()
            item = _OutputItem("call", len(self._items), self._name("fc"), number)
            item.call_id = call.get("id") or self._name("call")
            item.function = function.get("name")
            events += self._begin(item)
        if item.index < self._ended:
            raise upstream_failed("the upstream continued a tool call after other output", "upstream_error")
        if arguments := function.get("arguments"):
            events.append(self._delta(item, arguments))
        return events

    def _begin(self, item: _OutputItem) -> list[bytes]:
        self._items.append(item)
        events = [self._event("response.output_item.added", output_index=item.index, item=item.build_begun())]
        if item.kind != "call":
            events.append(self._event("response.content_part.added", **self._item_place(item), part=item.part()))
        return events

    def _delta(self, item: _OutputItem, text: str) -> bytes:
        item.text += text
        more: Json = {"logprobs": []} if item.kind == "text" else {}
        return self._event(f"{_EVENTS[item.kind][0]}.delta", **self._item_place(item), delta=text, **more)

    def _end_items(self) -> list[bytes]:
        events = []
        for item in self._items[self._ended :]:
            kind, field = _EVENTS[item.kind]
            more: Json = {"logprobs": []} if item.kind == "text" else {"name": item.function} if item.function else {}
            events.append(self._event(f"{kind}.done", **self._item_place(item), **{field: item.text}, **more))
            if item.kind != "call":
                events.append(self._event("response.content_part.done", **self._item_place(item), part=item.part()))
            events.append(self._event("response.output_item.done", output_index=item.index, item=item.build_whole()))
        self._ended = len(self._items)
        return events

    def _item_place(self, item: _OutputItem) -> Json:
        place: Json = {"item_id": item.name, "output_index": item.index}
        return place if item.kind == "call" else {**place, "content_index": 0}

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._sequence += 1
        return format_event({"type": kind, "sequence_number": self._sequence, **fields})


def open_stream(asked: Json, request_id: str, at: float) -> ResponseStream:
    """What turns the chunks of one answer into a response's events."""
    return ResponseStream(asked, request_id, at)
