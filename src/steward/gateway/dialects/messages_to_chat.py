"""Anthropic's messages as chat completions, for upstreams that speak only the latter. Back: `chat_to_message.py`.

Decides what each field becomes. A field that chat completions cannot express and the answer depends on is refused by
its name. What is only an offer (tools that run at Anthropic, MCP servers) or a hint is left out, and what may be missed
is noted by name. Chat completions cannot say that a tool failed, so the result of one begins with "Error: ", and cannot
put pictures into a tool's result, so they follow it as a message of the user.
Field names: Anthropic API reference, "Create a Message"; OpenAI API reference, "Create chat completion".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from steward.gateway.dialects.chat import FieldReader, join_text_parts
from steward.gateway.text_fields import Json

_SAME: Final = ("model", "max_tokens", "temperature", "top_p", "top_k", "stream")
_HINTS: Final = ("cache_control", "service_tier", "speed")
_ACCOUNT: Final = ("diagnostics", "user_profile_id", "workspace_id")  # who asks Anthropic, and what it tells of itself
_OFFERS: Final = ("mcp_servers", "container", "context_management", "betas", "inference_geo")
_TOOL_HINTS: Final = (*_HINTS, "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming")
_EFFORTS: Final = ((4_096, "low"), (16_384, "medium"))  # budget of thinking tokens up to which it is this effort


def translate_request(body: Json, dropped: list[str]) -> Json:
    """The chat completion that asks for the same; `dropped` gets the paths of what is left out.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "a chat-completions upstream", dropped=dropped)
    chat: Json = fields.copy_fields(_SAME)
    fields.ignore((*_HINTS, *_ACCOUNT))
    fields.drop(_OFFERS)
    messages = _system(fields.take_field("system"))
    for message in fields.readers("messages"):
        messages += _message(message)
    chat["messages"] = messages
    if stops := fields.take_field("stop_sequences"):
        chat["stop"] = stops
    chat |= _tools(fields)
    if (metadata := fields.object("metadata")) is not None:
        if user := metadata.take_field("user_id"):
            chat["user"] = user
        metadata.check_all_taken()
    if (output := fields.object("output_config")) is not None:
        chat |= _output_config(output)
    if (form := fields.object("output_format")) is not None:  # its name while it was a beta
        chat |= _output_format(form)
    if (thinking := fields.object("thinking")) is not None:
        chat = _thinking(thinking) | chat  # an effort that is named goes before one that is worked out
    fields.check_all_taken()
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _thinking(thinking: FieldReader) -> Json:
    """How much to think, as an effort: a budget of tokens has no counterpart."""
    kind = thinking.one_of("type", ("enabled", "adaptive", "disabled"))
    budget = thinking.take_field("budget_tokens")
    thinking.ignore(("display",))
    thinking.check_all_taken()
    if kind == "disabled":
        return {}
    if kind == "adaptive" or not isinstance(budget, int | float):
        return {"reasoning_effort": "medium"}
    return {"reasoning_effort": next((effort for most, effort in _EFFORTS if budget <= most), "high")}


def _system(value: Any) -> list[Json]:
    if not value:
        return []
    return [{"role": "system", "content": join_text_parts(value, "system", ("text",), _HINTS)}]


def _message(message: FieldReader) -> list[Json]:
    """One message becomes several: each tool result is a message of its own."""
    role, content = message.one_of("role", ("user", "assistant", "system")), message.take_field("content")
    message.check_all_taken()
    if isinstance(content, str):
        return [{"role": role, "content": content}]
    blocks = [message.read(block, f"content.{number}") for number, block in enumerate(message.list(content))]
    return _assistant(blocks) if role == "assistant" else _user(str(role), blocks)


def _user(role: str, blocks: Sequence[FieldReader]) -> list[Json]:
    results: list[Json] = []
    pictures: list[Json] = []  # of tool results
    parts: list[Json] = []
    for block in blocks:
        block.ignore(_HINTS)
        kind = block.one_of("type", ("text", "image", "document", "search_result", "tool_result"))
        if kind == "tool_result":
            result, shown = _tool_result(block)
            results.append(result)
            pictures += shown
        else:
            parts += _parts(kind, block)
        block.check_all_taken()
    parts = pictures + parts
    return [*results, {"role": role, "content": _simplify(parts)}] if parts else results


def _parts(kind: str, block: FieldReader) -> list[Json]:
    """A text, picture, document or search result as content parts."""
    if kind == "image":
        return [{"type": "image_url", "image_url": {"url": _image_url(block.required_object("source"))}}]
    if kind == "document":
        return _document(block)
    if kind == "search_result":
        content = join_text_parts(block.take_field("content"), f"{block.at}content", ("text",), _HINTS)
        block.drop(("citations",))
        return [_text_part(f"{block.text('title')} ({block.text('source')})\n{content}")]
    block.ignore(("citations",))  # of an answer that is sent back: where its text came from
    return [_text_part(block.text("text"))]


def _text_part(text: str) -> Json:
    return {"type": "text", "text": text}


def _document(block: FieldReader) -> list[Json]:
    """A text as text, a PDF as a file; with its title and context before it."""
    heading = [text for field in ("title", "context") if (text := block.take_field(field))]
    block.drop(("citations",))
    source = block.required_object("source")
    kind = source.one_of("type", ("text", "content", "base64"))
    before = [_text_part("\n".join(heading))] if heading else []
    if kind == "text":
        source.ignore(("media_type",))
        parts = [_text_part(source.text("data"))]
    elif kind == "content":
        content = source.take_field("content")
        inner = [] if isinstance(content, str) else source.list(content)
        parts = [_text_part(content)] if isinstance(content, str) else []
        for number, item in enumerate(inner):
            reader = source.read(item, f"content.{number}")
            reader.ignore(_HINTS)
            parts += _parts(reader.one_of("type", ("text", "image")), reader)
            reader.check_all_taken()
    else:
        url = f"data:{source.text('media_type')};base64,{source.text('data')}"
        name = heading[0] if heading else "document.pdf"
        parts = [{"type": "file", "file": {"filename": str(name), "file_data": url}}]
    source.check_all_taken()
    return before + parts


def _simplify(parts: list[Json]) -> str | list[Json]:
    """One text is a string, which every upstream takes."""
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _image_url(source: FieldReader) -> str:
    linked = source.one_of("type", ("base64", "url")) == "url"
    url = source.text("url") if linked else f"data:{source.text('media_type')};base64,{source.text('data')}"
    source.check_all_taken()
    return url


def _tool_result(block: FieldReader) -> tuple[Json, list[Json]]:
    """The tool's message, and the pictures that it could not hold."""
    content = block.take_field("content")
    parts: list[Json] = []
    if isinstance(content, str):
        parts = [_text_part(content)]
    elif content is not None:
        for number, item in enumerate(block.list(content)):
            reader = block.read(item, f"content.{number}")
            reader.ignore(_HINTS)
            kind = reader.one_of("type", ("text", "image", "document", "search_result", "tool_reference"))
            if kind == "tool_reference":
                parts.append(_text_part(reader.text("tool_name")))
            else:
                parts += _parts(kind, reader)
            reader.check_all_taken()
    failed = "Error: " if block.take_field("is_error") else ""
    name = block.text("tool_use_id")
    texts = "".join(part["text"] for part in parts if part["type"] == "text")
    others = [part for part in parts if part["type"] != "text"]
    if others and not texts:
        texts = "The result is in the next message."
    before = [_text_part(f"Result of tool call {name}:")] if others else []
    return {"role": "tool", "tool_call_id": name, "content": failed + texts}, before + others


_SERVER_BLOCKS: Final = ("container_upload", "redacted_thinking", "compaction")
_SERVER_ENDINGS: Final = ("_tool_use", "_tool_result")  # of tools that ran at Anthropic: the upstream has seen neither


def _is_of_server(kind: Any) -> bool:
    return isinstance(kind, str) and (kind in _SERVER_BLOCKS or kind.endswith(_SERVER_ENDINGS))


def _assistant(blocks: Sequence[FieldReader]) -> list[Json]:
    message: Json = {"role": "assistant", "content": None}
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Json] = []
    for block in blocks:
        block.ignore(_HINTS)
        kind = block.take_field("type")
        if _is_of_server(kind):
            block.drop_self()
            continue
        block.check_one_of("type", kind, ("text", "thinking", "tool_use"))
        if kind == "text":
            texts.append(block.text("text"))
            block.ignore(("citations",))
        elif kind == "thinking":
            thoughts.append(block.text("thinking"))
            block.ignore(("signature",))
        else:
            arguments = msgspec.json.encode(block.take_field("input") or {}).decode()
            function = {"name": block.text("name"), "arguments": arguments}
            calls.append({"id": block.text("id"), "type": "function", "function": function})
            block.ignore(("caller",))
        block.check_all_taken()
    if texts:
        message["content"] = "".join(texts)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return [message] if texts or thoughts or calls else []


def _tools(fields: FieldReader) -> Json:
    """Tools of the client's own. Those that Anthropic defines or runs are only an offer to the model: left out."""
    chat: Json = {}
    tools = [definition for tool in fields.readers("tools") if (definition := _tool(tool)) is not None]
    if tools:
        chat["tools"] = tools
    choice = fields.object("tool_choice")
    if choice is None:
        return chat
    kind = choice.one_of("type", ("auto", "any", "tool", "none"))
    name = choice.text("name") if kind == "tool" else None
    if (kind == "any" and not tools) or (name and name not in [tool["function"]["name"] for tool in tools]):
        raise choice.refusal("type" if kind == "any" else "name", "since it asks for a tool that cannot be passed on")
    disabled = choice.take_field("disable_parallel_tool_use")
    choice.check_all_taken()
    if not tools:
        return chat
    chat["tool_choice"] = {"auto": "auto", "any": "required", "none": "none"}.get(kind)
    if name:
        chat["tool_choice"] = {"type": "function", "function": {"name": name}}
    if disabled is not None:
        chat["parallel_tool_calls"] = not disabled
    return chat


def _tool(tool: FieldReader) -> Json | None:
    tool.ignore(_TOOL_HINTS)
    kind = tool.take_field("type")
    if isinstance(kind, str) and kind != "custom":
        tool.drop_self()
        return None
    function: Json = {"name": tool.text("name"), "parameters": tool.take_field("input_schema") or {"type": "object"}}
    for field in ("description", "strict"):
        if (value := tool.take_field(field)) is not None:
            function[field] = value
    tool.check_all_taken()
    return {"type": "function", "function": function}


def _output_config(output: FieldReader) -> Json:
    chat: Json = {}
    if effort := output.take_field("effort"):
        chat["reasoning_effort"] = effort
    if (form := output.object("format")) is not None:
        chat |= _output_format(form)
    output.check_all_taken()
    return chat


def _output_format(form: FieldReader) -> Json:
    form.expect("type", "json_schema")
    schema = {"name": "answer", "schema": form.take_field("schema"), "strict": True}
    form.check_all_taken()
    return {"response_format": {"type": "json_schema", "json_schema": schema}}
