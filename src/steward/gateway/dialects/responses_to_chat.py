"""OpenAI's responses as chat completions, for upstreams that speak only the latter. Back: `chat_to_response.py`.

Decides what each field becomes. A field that chat completions cannot express and the answer depends on is refused by
its name. What is only an offer (tools that run at OpenAI, custom and namespace tools) or a hint is left out, and what
may be missed is noted by name. Nothing is stored here: `store: true` is noted, and what refers to something stored is
refused with the way to turn it off, unless the item stands in the same request (`stored_responses.py` has put those
there that are kept).
Field names: OpenAI API reference, "Create a model response" and "Create chat completion".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from steward.core.excerpts import cut_text
from steward.gateway.dialects.chat import FieldReader, join_text_parts
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

_SAME: Final = (
    "model", "temperature", "top_p", "stream", "user", "safety_identifier", "parallel_tool_calls", "service_tier",
)  # fmt: skip
_HINTS: Final = (
    "stream_options", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "metadata",
    "client_metadata",
)  # fmt: skip
_OFFERS: Final = ("store", "max_tool_calls", "truncation", "context_management")
_INCLUDED: Final = (
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
)  # the first: there is none to encrypt
_ITEMS: Final = (
    "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning",
    "item_reference",
)  # fmt: skip
_HOSTED_ITEMS: Final = (  # beside the calls of tools that OpenAI defines or runs: the upstream has seen neither
    "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "tool_search_output", "additional_tools",
    "compaction", "compaction_trigger", "program", "program_output",
)  # fmt: skip
_HOSTED_ENDINGS: Final = ("_call", "_call_output")  # web_search_call, shell_call_output … and those still to come
NOT_STORED: Final = (
    "this gateway does not have it: it keeps answers only where gateway.responses_store says so, and only for a while. "
    "Send the whole conversation as `input` and set `store: false` "
    "(AI SDK: providerOptions.openai.store = false; Agents SDK: ModelSettings(store=False))"
)


def translate_request(body: Json, dropped: list[str]) -> Json:
    """The chat completion that asks for the same; `dropped` gets the paths of what is left out.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "a chat-completions upstream", dropped=dropped)
    chat: Json = fields.copy_fields(_SAME)
    fields.ignore(_HINTS)
    for field, only in (("background", False), ("store", False), ("truncation", "disabled"), ("top_logprobs", 0)):
        if body.get(field) == only:
            fields.ignore((field,))
    fields.drop(_OFFERS)
    for field in ("previous_response_id", "conversation", "prompt"):
        if fields.take_field(field) is not None:
            raise bad_request(f"'{field}' refers to something stored, but {NOT_STORED}.", field, "not_stored")
    _include(fields, chat)
    if (limit := fields.take_field("max_output_tokens")) is not None:
        chat["max_tokens"] = limit
    messages: list[Json] = []
    if instructions := fields.take_field("instructions"):
        messages.append({"role": "system", "content": join_text_parts(instructions, "instructions", ("input_text",))})
    chat["messages"] = messages + _input(fields)
    chat |= _tools(fields)
    if (reasoning := fields.object("reasoning")) is not None:
        if effort := reasoning.take_field("effort"):
            chat["reasoning_effort"] = effort
        reasoning.ignore(("summary", "generate_summary", "context"))  # how thoughts are told, not what is answered
        reasoning.check_all_taken()
    if (text := fields.object("text")) is not None:
        chat |= _text(text)
    fields.check_all_taken()
    if chat.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _include(fields: FieldReader, chat: Json) -> None:
    included = fields.objects("include")
    for number, item in enumerate(included):
        if item == "message.output_text.logprobs":
            raise fields.refusal("include", f"with the value {item!r}")
        if item not in _INCLUDED:
            fields.dropped.append(f"include.{number}")


def _input(fields: FieldReader) -> list[Json]:
    value = fields.take_field("input")
    if value in (None, []):
        raise bad_request("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    items = fields.list(value, "input")
    known = {item["id"]: item for item in items if _is_item(item)}
    messages: list[Json] = []
    thoughts: list[str] = []
    for number, raw in enumerate(items):
        item = fields.read(raw, f"input.{number}")
        if _is_hosted(raw.get("type")):
            item.drop_self()
            continue
        kind = item.one_of("type", _ITEMS) if "type" in raw else "message"
        if kind == "item_reference":
            item = _resolve(item, known)
            kind = str(item.take_field("type") or "message")
        item.ignore(("id", "status", "phase", "namespace", "created_by"))
        _item(kind, item, messages, thoughts)
        item.check_all_taken()
    return messages


def _is_hosted(kind: Any) -> bool:
    """Whether it is of a tool that is not a function of the client's."""
    return isinstance(kind, str) and kind not in _ITEMS and (kind in _HOSTED_ITEMS or kind.endswith(_HOSTED_ENDINGS))


def _is_item(item: Any) -> bool:
    """Whether it is an item with a name that a reference may mean."""
    return isinstance(item, dict) and isinstance(item.get("id"), str) and item.get("type") != "item_reference"


def _resolve(item: FieldReader, known: dict[str, Json]) -> FieldReader:
    """The item that a reference means, where it stands in the same request."""
    name = item.text("id")
    referred = known.get(name)
    if referred is None:
        message = f"'{item.at}id' refers to the stored item {cut_text(name)!r}, but {NOT_STORED}."
        raise bad_request(message, f"{item.at}id", "not_stored")
    return FieldReader(referred, item.whom, item.at, item.dropped)


def _item(kind: str, item: FieldReader, messages: list[Json], thoughts: list[str]) -> None:
    """Add what an item amounts to; thoughts wait for the answer that they led to."""
    if kind == "reasoning":
        if thought := _reasoning(item):
            thoughts.append(thought)
    elif kind in ("function_call", "custom_tool_call"):
        _call(kind, item, messages, "".join(thoughts))
        thoughts.clear()
    elif kind in ("function_call_output", "custom_tool_call_output"):
        messages += _call_output(item)
    else:
        messages.append(_message(item))
        if thoughts and messages[-1]["role"] == "assistant":
            messages[-1]["reasoning_content"] = "".join(thoughts)
            thoughts.clear()


def _reasoning(item: FieldReader) -> str:
    """The thoughts themselves, else their summary; what is encrypted nobody here can read."""
    item.ignore(("encrypted_content",))
    content, summary = item.take_field("content"), item.take_field("summary")
    if content:
        return join_text_parts(content, f"{item.at}content", ("reasoning_text", "text"))
    return join_text_parts(summary or "", f"{item.at}summary", ("summary_text",))


def _call(kind: str, item: FieldReader, messages: list[Json], thought: str) -> None:
    """Calls that follow one another, or the assistant's text, are one message."""
    name = item.text("name")
    custom = kind == "custom_tool_call"
    arguments = msgspec.json.encode({"input": item.text("input")}).decode() if custom else item.text("arguments")
    item.ignore(("caller",))
    call = {"id": item.text("call_id"), "type": "function", "function": {"name": name, "arguments": arguments}}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    if thought:
        messages[-1]["reasoning_content"] = thought
    messages[-1].setdefault("tool_calls", []).append(call)


def _call_output(item: FieldReader) -> list[Json]:
    """A tool's message holds text only: pictures and files follow it as a message of the user."""
    output, name = item.take_field("output"), item.text("call_id")
    if isinstance(output, str):
        return [{"role": "tool", "tool_call_id": name, "content": output}]
    parts = [
        _part(item.read(part, f"output.{number}"), ("input_text", "output_text", "input_image", "input_file"))
        for number, part in enumerate(item.list(output, "output"))
    ]
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    others = [part for part in parts if part["type"] != "text"]
    if not others:
        return [{"role": "tool", "tool_call_id": name, "content": text}]
    shown = [{"type": "text", "text": f"Result of tool call {name}:"}, *others]
    return [
        {"role": "tool", "tool_call_id": name, "content": text or "The result is in the next message."},
        {"role": "user", "content": shown},
    ]


def _message(item: FieldReader) -> Json:
    role = item.one_of("role", ("user", "assistant", "system", "developer"))
    content = item.take_field("content")
    if role == "assistant":
        return {"role": role, "content": _assistant_text(content, item)}
    role = "system" if role == "developer" else role  # what servers other than OpenAI's call it
    if isinstance(content, str):
        return {"role": role, "content": content}
    kinds = ("input_text", "input_image", "input_file", "input_audio")
    parts = [_part(item.read(part, f"content.{n}"), kinds) for n, part in enumerate(item.list(content))]
    plain = len(parts) == 1 and parts[0]["type"] == "text"
    return {"role": role, "content": parts[0]["text"] if plain else parts}


def _assistant_text(content: Any, item: FieldReader) -> str:
    if not isinstance(content, list):
        return join_text_parts(content, f"{item.at}content", ())
    texts = []
    for number, raw in enumerate(content):
        part = item.read(raw, f"content.{number}")
        kind = part.one_of("type", ("output_text", "input_text", "refusal"))
        texts.append(part.text("refusal" if kind == "refusal" else "text"))
        part.ignore(("annotations", "logprobs"))
        part.check_all_taken()
    return "".join(texts)


def _part(part: FieldReader, kinds: tuple[str, ...]) -> Json:
    kind = part.one_of("type", kinds)
    part.ignore(("annotations", "logprobs", "prompt_cache_breakpoint"))
    if kind in ("input_text", "output_text"):
        content: Json = {"type": "text", "text": part.text("text")}
    elif kind == "input_audio":
        sound = part.required_object("input_audio")
        content = {"type": kind, kind: {"data": sound.text("data"), "format": sound.text("format")}}
        sound.check_all_taken()
    elif kind == "input_file":
        _refuse_reference(part, ("file_id", "file_url"))
        name = part.take_field("filename") or "file"
        content = {"type": "file", "file": {"filename": name, "file_data": part.text("file_data")}}
        part.ignore(("detail",))
    else:
        _refuse_reference(part, ("file_id",))
        content = {"type": "image_url", "image_url": {"url": part.text("image_url")}}
        if detail := part.take_field("detail"):
            content["image_url"]["detail"] = detail
    part.check_all_taken()
    return content


def _refuse_reference(part: FieldReader, fields: tuple[str, ...]) -> None:
    """A chat completion holds the content of a file, not where it is."""
    for field in fields:
        if part.take_field(field) is not None:
            raise part.refusal(field, "since it only refers to a file; send the file's content")


def _tools(fields: FieldReader) -> Json:
    """Function tools. All others are only an offer to the model: left out."""
    chat: Json = {}
    tools = [definition for tool in fields.readers("tools") if (definition := _tool(tool)) is not None]
    if tools:
        chat["tools"] = tools
    choice = fields.take_field("tool_choice")
    if choice is None:
        return chat
    names = [tool["function"]["name"] for tool in tools]
    if isinstance(choice, str):
        if choice == "required" and not tools:
            raise fields.refusal("tool_choice", "since it asks for a tool that cannot be passed on")
        return chat | {"tool_choice": choice} if tools else chat
    reader = fields.read(choice, "tool_choice")
    kind = reader.one_of("type", ("function", "allowed_tools"))
    if kind == "function":
        name = reader.text("name")
        reader.check_all_taken()
        if name not in names:
            raise fields.refusal("tool_choice", "since it asks for a tool that cannot be passed on")
        return chat | {"tool_choice": {"type": "function", "function": {"name": name}}}
    return chat | _allowed_tools(reader, tools)


def _allowed_tools(choice: FieldReader, tools: list[Json]) -> Json:
    """Only the tools that may be called go on."""
    mode = choice.one_of("mode", ("auto", "required"))
    allowed = [tool.get("name") for tool in choice.objects("tools") if isinstance(tool, dict)]
    choice.check_all_taken()
    kept = [tool for tool in tools if tool["function"]["name"] in allowed]
    if not kept:
        raise choice.refusal("tools", "since none of them can be passed on")
    return {"tools": kept, "tool_choice": mode}


def _tool(tool: FieldReader) -> Json | None:
    if tool.text("type") != "function":
        tool.drop_self()
        return None
    function: Json = {"name": tool.text("name")}
    function |= tool.copy_fields(("description", "parameters", "strict"))
    tool.ignore(("defer_loading", "allowed_callers", "output_schema"))
    tool.check_all_taken()
    return {"type": "function", "function": function}


def _text(text: FieldReader) -> Json:
    chat: Json = text.copy_fields(("verbosity",))
    if (form := text.object("format")) is not None:
        kind = form.one_of("type", ("text", "json_object", "json_schema"))
        if kind == "json_schema":
            schema = form.copy_fields(("name", "schema", "strict", "description"))
            chat["response_format"] = {"type": kind, "json_schema": schema}
        elif kind == "json_object":
            chat["response_format"] = {"type": kind}
        form.check_all_taken()
    text.check_all_taken()
    return chat
