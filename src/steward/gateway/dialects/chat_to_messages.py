"""Chat completions as Anthropic's messages, for upstreams that speak only the latter. Back: `message_to_chat.py`.

Decides what each field becomes. Anthropic requires a maximum of tokens: where the client names none, it is
`DEFAULT_MAX_TOKENS`. An effort becomes a budget of thinking tokens. System messages, wherever they stand, become the
system prompt. What Anthropic cannot do and the answer depends on is refused by its name; hints are left out, and what
may be missed is noted by name.
Field names: OpenAI API reference, "Create chat completion"; Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from steward.gateway.dialects.chat import FieldReader, join_text_parts
from steward.gateway.text_fields import Json
from steward.gateway.wire import bad_request

DEFAULT_MAX_TOKENS: Final = 8_192  # within what every model since Claude 3.5 can answer
THINKING_TOKENS: Final = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 32_768}
MIN_THINKING_TOKENS: Final = 1_024  # Anthropic API reference, "Extended thinking"
_SAME: Final = ("model", "top_p", "stream")
_HINTS: Final = ("stream_options", "metadata", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options")
_OFFERS: Final = ("store", "seed", "service_tier", "verbosity", "prediction", "web_search_options")
_DATA_URL: Final = re.compile(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+);base64,(.*)", re.DOTALL | re.IGNORECASE)


def translate_request(body: Json, dropped: list[str]) -> Json:
    """The message that asks for the same; `dropped` gets the paths of what is left out.

    :raises Refused: 400, naming the field that has no counterpart
    """
    fields = FieldReader(body, "an Anthropic upstream", dropped=dropped)
    message: Json = fields.copy_fields(_SAME)
    fields.ignore(_HINTS)
    fields.drop(_OFFERS)
    for field, only in (
        ("n", 1), ("logprobs", False), ("top_logprobs", 0), ("frequency_penalty", 0), ("presence_penalty", 0),
        ("logit_bias", {}), ("modalities", ["text"]),
    ):  # fmt: skip
        fields.expect(field, only)
    limit, newer = fields.take_field("max_tokens"), fields.take_field("max_completion_tokens")
    message["max_tokens"] = newer or limit or DEFAULT_MAX_TOKENS
    message |= _messages(fields.readers("messages"))
    if (stop := fields.take_field("stop")) is not None:
        message["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if (temperature := fields.take_field("temperature")) is not None:
        message["temperature"] = min(temperature, 1.0) if isinstance(temperature, int | float) else temperature
    user, safety = fields.take_field("user"), fields.take_field("safety_identifier")
    if identifier := safety or user:
        message["metadata"] = {"user_id": identifier}
    message |= _tools(fields)
    message |= _format(fields)
    _think(fields, message)
    fields.check_all_taken()
    return message


def _think(fields: FieldReader, message: Json) -> None:
    """A budget below the maximum of tokens; none where there is no room for one."""
    effort = fields.take_field("reasoning_effort")
    if effort in (None, "none"):
        return
    budget = THINKING_TOKENS.get(str(effort))
    if budget is None:
        raise fields.refusal("reasoning_effort", f"with the value {str(effort)[:50]!r}")
    budget = min(budget, message["max_tokens"] - 1)
    if budget < MIN_THINKING_TOKENS or message.get("tool_choice", {}).get("type") in ("any", "tool"):
        fields.dropped.append("reasoning_effort")  # Anthropic thinks neither in so few tokens nor with a forced tool
        return
    message["thinking"] = {"type": "enabled", "budget_tokens": budget}
    message.pop("temperature", None)  # while it thinks, Anthropic takes no other than its own
    message.pop("top_p", None)


def _messages(messages: list[FieldReader]) -> Json:
    system: list[str] = []
    turns: list[Json] = []
    for message in messages:
        role = message.one_of("role", ("system", "developer", "user", "assistant", "tool"))
        message.ignore(("name",))
        if role in ("system", "developer"):
            system.append(
                join_text_parts(message.take_field("content"), f"{message.at}content", ("text",), ("cache_control",))
            )
        elif role == "user":
            _add(turns, "user", _user_blocks(message))
        elif role == "tool":
            _add(turns, "user", [_tool_result(message)])
        else:
            _add(turns, "assistant", _assistant_blocks(message))
        message.check_all_taken()
    request: Json = {"messages": turns}
    if system:
        request["system"] = "\n\n".join(system)
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
        return [{"type": "text", "text": content}] if content else []
    return [_block(message.read(part, f"content.{n}")) for n, part in enumerate(message.list(content))]


def _block(part: FieldReader) -> Json:
    kind = part.one_of("type", ("text", "image_url", "file"))
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
        block = {"type": "document", "source": _source(file.text("file_data"))}
        if name := file.take_field("filename"):
            block["title"] = name
        file.check_all_taken()
    part.check_all_taken()
    return block | cached


def _source(url: str) -> Json:
    data = _DATA_URL.fullmatch(url)
    if data is not None:
        return {"type": "base64", "media_type": data[1].lower(), "data": data[2]}
    if not url.startswith(("http://", "https://")):
        raise bad_request("A picture or file must be a data: URL in base64, or an http(s) URL.", "messages")
    return {"type": "url", "url": url}


def _tool_result(message: FieldReader) -> Json:
    content = message.take_field("content")
    blocks: Any = content
    if not isinstance(content, str):
        blocks = [_block(message.read(part, f"content.{n}")) for n, part in enumerate(message.list(content or []))]
    return {"type": "tool_result", "tool_use_id": message.text("tool_call_id"), "content": blocks}


def _assistant_blocks(message: FieldReader) -> list[Json]:
    """Thoughts are left out: Anthropic takes only those that it has signed."""
    message.ignore(("reasoning_content", "reasoning", "annotations", "audio"))
    content, refusal = message.take_field("content"), message.take_field("refusal")
    text = join_text_parts(content or "", f"{message.at}content", ("text",), ("cache_control",)) + (refusal or "")
    blocks: list[Json] = [{"type": "text", "text": text}] if text else []
    for call in message.readers("tool_calls"):
        call.expect("type", "function")
        function = call.required_object("function")
        arguments = function.text("arguments")
        try:
            parsed = msgspec.json.decode(arguments or "{}")
        except (msgspec.MsgspecError, RecursionError):
            raise bad_request(f"'{function.at}arguments' must be JSON.", f"{function.at}arguments") from None
        blocks.append({"type": "tool_use", "id": call.text("id"), "name": function.text("name"), "input": parsed})
        call.ignore(("index",))
        function.check_all_taken()
        call.check_all_taken()
    return blocks


def _tools(fields: FieldReader) -> Json:
    request: Json = {}
    tools = [_tool(tool) for tool in fields.readers("tools")]
    if tools:
        request["tools"] = tools
    parallel, choice = fields.take_field("parallel_tool_calls"), fields.take_field("tool_choice")
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
            raise fields.refusal("tool_choice", f"with the value {str(choice)[:50]!r}")
        request["tool_choice"] = {"type": kinds[choice]}
    if parallel is False and tools and request.get("tool_choice", {}).get("type") != "none":
        request["tool_choice"] = {**request.get("tool_choice", {"type": "auto"}), "disable_parallel_tool_use": True}
    return request


def _tool(tool: FieldReader) -> Json:
    tool.one_of("type", ("function",))
    cached = tool.copy_fields(("cache_control",))
    function = tool.required_object("function")
    definition: Json = {
        "name": function.text("name"),
        "input_schema": function.take_field("parameters") or {"type": "object"},
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
