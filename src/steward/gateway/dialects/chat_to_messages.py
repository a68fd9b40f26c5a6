"""Chat completions as Anthropic's messages, for upstreams that speak only the latter. Back: `message_to_chat.py`.

Decides what each field becomes. Anthropic requires a maximum of tokens: where the client names none, it is
`DEFAULT_MAX_TOKENS`, and what is thought comes on top. An effort becomes a budget of thinking tokens. System messages,
wherever they stand, become the system prompt. What Anthropic refuses and OpenAI does not is written as Anthropic takes
it: empty texts, a conversation that the assistant begins or that has only a system prompt, calls of tools that are
offered no more, thinking on from a call that came without its thoughts. What Anthropic cannot do and the answer depends
on is refused by its name; hints are left out, and what may be missed is noted by name.
Field names: OpenAI API reference, "Create chat completion"; Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import msgspec

from steward.core.excerpts import cut_text
from steward.gateway.dialects.chat import FieldReader, join_text_parts
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

DEFAULT_MAX_TOKENS: Final = 8_192  # within what every model since Claude 3.5 can answer
THINKING_TOKENS: Final = {
    "minimal": 1_024,
    "low": 2_048,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 32_768,
    "max": 65_536,
}
MIN_THINKING_TOKENS: Final = 1_024  # Anthropic API reference, "Extended thinking"
_SAME: Final = ("model", "top_p", "top_k", "stream", "thinking")  # the second and the last are Anthropic's own
_HINTS: Final = ("stream_options", "metadata", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options")
_OFFERS: Final = ("store", "seed", "service_tier", "verbosity", "prediction")
_SWITCHES: Final = ("web_search_options",)  # which an empty object turns on
_MEDIA_TYPES: Final = {"image/jpg": "image/jpeg"}
_TOOL_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")  # what Anthropic takes in none
NOTHING_SAID: Final = "."  # of the user, before an assistant's first message
_DATA_URL: Final = re.compile(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+);base64,(.*)", re.DOTALL | re.IGNORECASE)


def translate_request(body: Json, dropped: list[str]) -> Json:
    """The message that asks for the same; `dropped` gets the paths of what is left out.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "an Anthropic upstream", dropped=dropped)
    message: Json = fields.copy_fields(_SAME)
    fields.ignore(_HINTS)
    fields.drop(_OFFERS)
    fields.drop(_SWITCHES, nothing=())
    for field, only in (
        ("n", 1), ("logprobs", False), ("top_logprobs", 0), ("frequency_penalty", 0), ("presence_penalty", 0),
        ("logit_bias", {}), ("modalities", ["text"]),
    ):  # fmt: skip
        fields.expect(field, only)
    limit, newer = fields.take_field("max_tokens"), fields.take_field("max_completion_tokens")
    named = newer or limit
    message["max_tokens"] = named or DEFAULT_MAX_TOKENS
    message |= _messages(fields.readers("messages"))
    _order(message)
    if (stop := fields.take_field("stop")) is not None:
        message["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if (temperature := fields.take_field("temperature")) is not None:
        message["temperature"] = min(temperature, 1.0) if isinstance(temperature, int | float) else temperature
    _choose_sampling(message, fields)
    user, safety = fields.take_field("user"), fields.take_field("safety_identifier")
    if identifier := safety or user:
        message["metadata"] = {"user_id": identifier}
    message |= _tools(fields)
    _offer_called(message)
    message |= _format(fields)
    _think(fields, message, named is not None)
    fields.check_all_taken()
    return message


def _think(fields: FieldReader, message: Json, limited: bool) -> None:
    """A budget below the maximum of tokens, which grows by it unless the client has `limited` it; none where there is
    no room for one.
    """
    effort = fields.take_field("reasoning_effort")
    if effort in (None, "none"):
        return
    budget = THINKING_TOKENS.get(str(effort))
    if budget is None:
        raise fields.refusal("reasoning_effort", f"with the value {cut_text(effort)!r}")
    budget = min(budget, message["max_tokens"] - 1) if limited else budget
    forced = message.get("tool_choice", {}).get("type") in ("any", "tool")
    if budget < MIN_THINKING_TOKENS or forced or _is_in_tool_loop(message["messages"]) or "thinking" in message:
        # Anthropic thinks neither in so few tokens, nor with a forced tool, nor on from a call without its thoughts
        fields.dropped.append("reasoning_effort")
        return
    message["thinking"] = {"type": "enabled", "budget_tokens": budget}
    if not limited:
        message["max_tokens"] += budget  # which counts the thoughts too
    message.pop("temperature", None)  # while it thinks, Anthropic takes no other than its own
    message.pop("top_p", None)


def _choose_sampling(message: Json, fields: FieldReader) -> None:
    """One of temperature and top_p: Claude takes no two since 4.1. The one that is not as by default stays."""
    if "temperature" in message and "top_p" in message:
        other = "temperature" if message["temperature"] == 1 and message["top_p"] != 1 else "top_p"
        if message.pop(other) != 1:
            fields.dropped.append(other)


def _is_in_tool_loop(turns: list[Json]) -> bool:
    """Whether the conversation ends with the result of a tool."""
    return bool(turns) and any(block["type"] == "tool_result" for block in turns[-1]["content"])


def _order(message: Json) -> None:
    """The turns as Anthropic wants them: at least one, the user's first, and no space at the end of what it shall go
    on from.
    """
    turns = message["messages"]
    if not turns and "system" in message:
        system = message.pop("system")
        turns.append({"role": "user", "content": [_text(system)] if isinstance(system, str) else system})
    elif not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(NOTHING_SAID)]})
    if turns and turns[-1]["role"] == "assistant" and turns[-1]["content"][-1]["type"] == "text":
        last = turns[-1]["content"][-1]
        last["text"] = last["text"].rstrip() or NOTHING_SAID


def _offer_called(message: Json) -> None:
    """The tools that were called before, where none is offered now: Anthropic reads no call without, and calls none."""
    called = [block["name"] for turn in message["messages"] for block in turn["content"] if block["type"] == "tool_use"]
    if called and not message.get("tools"):
        message["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in dict.fromkeys(called)]
        message["tool_choice"] = {"type": "none"}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}


def _system_blocks(message: FieldReader) -> list[Json]:
    content = message.take_field("content")
    if isinstance(content, list):
        parts = [message.read(part, f"content.{number}") for number, part in enumerate(content)]
        return [block for part in parts if (block := _block(part, ("text",)))["text"]]
    text = join_text_parts(content, f"{message.at}content", ("text",))
    return [_text(text)] if text else []


def _messages(messages: list[FieldReader]) -> Json:
    system: list[list[Json]] = []
    turns: list[Json] = []
    for message in messages:
        role = message.one_of("role", ("system", "developer", "user", "assistant", "tool"))
        message.ignore(("name",))
        if role in ("system", "developer"):
            system.append(_system_blocks(message))
        elif role == "user":
            _add(turns, "user", _user_blocks(message))
        elif role == "tool":
            _add(turns, "user", [_tool_result(message)])
        else:
            _add(turns, "assistant", _assistant_blocks(message))
        message.check_all_taken()
    request: Json = {"messages": turns}
    said = [blocks for blocks in system if blocks]
    if any("cache_control" in block for blocks in said for block in blocks):
        request["system"] = [block for blocks in said for block in blocks]
    elif said:
        request["system"] = "\n\n".join("".join(block["text"] for block in blocks) for blocks in said)
    return request


def _add(turns: list[Json], role: str, blocks: list[Json]) -> None:
    """Messages of one role that follow one another are one: Anthropic wants them in turn."""
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _user_blocks(message: FieldReader) -> list[Json]:
    content = message.take_field("content")
    if isinstance(content, str):
        return [_text(content)] if content else []
    return _blocks(message, content)


def _blocks(message: FieldReader, content: Any) -> list[Json]:
    """Without empty texts, which Anthropic refuses."""
    blocks = [_block(message.read(part, f"content.{number}")) for number, part in enumerate(message.list(content))]
    return [block for block in blocks if block["type"] != "text" or block["text"]]


def _block(part: FieldReader, kinds: tuple[str, ...] = ("text", "image_url", "file")) -> Json:
    kind = part.one_of("type", kinds)
    cached = part.copy_fields(("cache_control",))
    if kind == "text":
        block: Json = {"type": "text", "text": part.text("text")}
    elif kind == "image_url":
        picture = part.required_object("image_url")
        picture.ignore(("detail",))
        block = {"type": "image", "source": _source(picture.text("url"))}
        picture.check_all_taken()
    else:
        file = part.required_object("file")
        if file.take_field("file_id") is not None:
            raise file.refusal("file_id", "since it only refers to a file; send the file's content")
        block = {"type": "document", "source": _document_source(file.text("file_data"))}
        if name := file.take_field("filename"):
            block["title"] = name
        file.check_all_taken()
    part.check_all_taken()
    return block | cached


def _document_source(url: str) -> Json:
    """A text is sent as text: in base64 Anthropic reads only PDF."""
    source = _source(url)
    if source["type"] == "base64" and source["media_type"].startswith("text/"):
        try:
            text = base64.b64decode(source["data"], validate=True).decode()
        except ValueError:  # of both
            raise bad_request("A file of text must be UTF-8 in base64.", "messages") from None
        return {"type": "text", "media_type": "text/plain", "data": text}
    return source


def _source(url: str) -> Json:
    data = _DATA_URL.fullmatch(url)
    if data is not None:
        kind = data[1].lower()
        return {"type": "base64", "media_type": _MEDIA_TYPES.get(kind, kind), "data": data[2]}
    if not url.startswith(("http://", "https://")):
        raise bad_request("A picture or file must be a data: URL in base64, or an http(s) URL.", "messages")
    return {"type": "url", "url": url}


def _tool_result(message: FieldReader) -> Json:
    content = message.take_field("content")
    blocks: Any = content if isinstance(content, str) else _blocks(message, content or [])
    return {"type": "tool_result", "tool_use_id": _tool_id(message.text("tool_call_id")), "content": blocks}


def _tool_id(name: str) -> str:
    """A call's id of the letters that Anthropic takes.

    >>> _tool_id("functions.f:0"), _tool_id("")
    ('functions_f_0', '_')
    """
    return _TOOL_IDS.sub("_", name) or "_"


def _assistant_blocks(message: FieldReader) -> list[Json]:
    """Thoughts are left out: Anthropic takes only those that it has signed."""
    message.ignore(("reasoning_content", "reasoning", "annotations", "audio"))
    content, refusal = message.take_field("content"), message.take_field("refusal")
    if isinstance(content, list):  # a refusal may stand among the parts
        content = [
            {"type": "text", "text": part.get("refusal")}
            if isinstance(part, dict) and part.get("type") == "refusal"
            else part
            for part in content
        ]
    text = join_text_parts(content or "", f"{message.at}content", ("text",), ("cache_control",)) + (refusal or "")
    blocks: list[Json] = [{"type": "text", "text": text}] if text else []
    for call in message.readers("tool_calls"):
        call.expect("type", "function")
        function = call.required_object("function")
        arguments = function.text("arguments")
        try:
            parsed = msgspec.json.decode(arguments.strip() or "{}", type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise bad_request(f"'{function.at}arguments' must be a JSON object.", f"{function.at}arguments") from None
        name = _tool_id(call.text("id"))
        blocks.append({"type": "tool_use", "id": name, "name": function.text("name"), "input": parsed})
        call.ignore(("index",))
        function.check_all_taken()
        call.check_all_taken()
    return blocks


def _tools(fields: FieldReader) -> Json:
    request: Json = {}
    tools = [definition for tool in fields.readers("tools") if (definition := _tool(tool)) is not None]
    parallel, choice = fields.take_field("parallel_tool_calls"), fields.take_field("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice, tools = _allow(fields.read(choice, "tool_choice"), tools)
    if tools:
        request["tools"] = tools
    elif choice == "required":
        raise fields.refusal("tool_choice", "since it asks for a tool that cannot be passed on")
    if isinstance(choice, dict):
        reader = fields.read(choice, "tool_choice")
        reader.one_of("type", ("function",))
        function = reader.required_object("function")
        request["tool_choice"] = {"type": "tool", "name": function.text("name")}
        function.check_all_taken()
        reader.check_all_taken()
    elif choice is not None and tools:
        kinds = {"auto": "auto", "required": "any", "none": "none"}
        if choice not in kinds:
            raise fields.refusal("tool_choice", f"with the value {cut_text(choice)!r}")
        request["tool_choice"] = {"type": kinds[choice]}
    if parallel is False and tools and request.get("tool_choice", {}).get("type") != "none":
        request["tool_choice"] = {**request.get("tool_choice", {"type": "auto"}), "disable_parallel_tool_use": True}
    return request


def _allow(choice: FieldReader, tools: list[Json]) -> tuple[str, list[Json]]:
    """How to choose, and the tools that may be called: only they go on."""
    choice.take_field("type")
    allowed = choice.required_object("allowed_tools")
    mode = allowed.one_of("mode", ("auto", "required"))
    names = [tool.get("function", {}).get("name") for tool in allowed.objects("tools") if isinstance(tool, dict)]
    allowed.check_all_taken()
    choice.check_all_taken()
    kept = [tool for tool in tools if tool["name"] in names]
    if not kept:
        raise choice.refusal("allowed_tools", "since none of them can be passed on")
    return mode, kept


def _tool(tool: FieldReader) -> Json | None:
    """None for what is no function: only an offer to the model, which is left out."""
    if tool.one_of("type", ("function", "custom")) == "custom":
        tool.drop_self()
        return None
    cached = tool.copy_fields(("cache_control",))
    function = tool.required_object("function")
    definition: Json = {
        "name": function.text("name"),
        "input_schema": {"type": "object"} | (function.take_field("parameters") or {}),
    }
    definition |= function.copy_fields(("description", "strict"))
    function.check_all_taken()
    tool.check_all_taken()
    return definition | cached


def _format(fields: FieldReader) -> Json:
    form = fields.object("response_format")
    if form is None:
        return {}
    kind = form.one_of("type", ("text", "json_schema"))
    request: Json = {}
    if kind == "json_schema":
        schema = form.required_object("json_schema")
        schema.ignore(("name", "description", "strict"))
        request = {"output_config": {"format": {"type": "json_schema", "schema": schema.take_field("schema")}}}
        schema.check_all_taken()
    form.check_all_taken()
    return request
