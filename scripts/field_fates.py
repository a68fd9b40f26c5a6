"""docs/reference/compatibility.md: what becomes of each field on its way to an upstream that speaks another dialect.

Nothing is written down twice: every row is sent through the translation itself, and the page tells what came out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from steward.core.errors import Refused
from steward.gateway.dialects import CHAT, MESSAGES, RESPONSES, find_translation
from steward.gateway.numbers import BOUNDS
from steward.gateway.shapes import CHOICES, SHAPES

Rows = dict[str, dict[str, Any]]

SAY: list[Any] = [{"role": "user", "content": "hi"}]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]
SCHEMA = {"type": "object", "properties": {}}
PICTURE = {"type": "base64", "media_type": "image/png", "data": "aGk="}
LINK = "https://a.example/x.png"
KEPT = [
    "An item that stands in the same request may be referred to. With `gateway.responses_store.keep_s`, `store` is",
    "heeded, and `previous_response_id` and an item_reference are replaced by what was kept.",
]
PAIRS = [(MESSAGES, CHAT), (RESPONSES, CHAT), (CHAT, MESSAGES), (RESPONSES, MESSAGES)]
BASES: Rows = {
    CHAT: {"model": "m", "messages": SAY},
    RESPONSES: {"model": "m", "input": "hi"},
    MESSAGES: {"model": "m", "max_tokens": 9, "messages": SAY},
}
FUNCTION: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
TOOL = {"type": "function", **FUNCTION["function"]}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = [*SAY, {"role": "assistant", "tool_calls": [CALL]}]


def chat_content(part: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


def block(part: Any, role: str = "user") -> dict[str, Any]:
    return {"messages": [*SAY, {"role": role, "content": [part]}]}


def item(part: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "hi"}, part]}


HOSTED_ITEMS = (  # of tools that OpenAI defines or runs
    *("additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction"),
    *("compaction_trigger", "computer_call", "computer_call_output", "configuration_update", "file_search_call"),
    *("image_generation_call", "local_shell_call", "local_shell_call_output", "mcp_approval_request"),
    *("mcp_approval_response", "mcp_call", "mcp_list_tools", "program", "program_output", "shell_call"),
    *("shell_call_output", "tool_search_call", "tool_search_output", "web_search_call"),
)
HOSTED_TOOLS = (
    *("apply_patch", "code_interpreter", "computer", "computer_use_preview", "file_search", "image_generation"),
    *("local_shell", "mcp", "namespace", "programmatic_tool_calling", "shell", "tool_search", "web_search"),
    *("web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"),
)
SERVER_BLOCKS = (  # of tools that run at Anthropic
    *("bash_code_execution_tool_result", "code_execution_tool_result", "container_upload", "redacted_thinking"),
    *("server_tool_use", "text_editor_code_execution_tool_result", "tool_search_tool_result"),
    *("web_fetch_tool_result", "web_search_tool_result"),
)
SERVER_TOOLS = (
    *("bash_20250124", "browser_toolset_20260801", "code_execution_20250522", "code_execution_20250825"),
    *("code_execution_20260120", "code_execution_20260521", "computer_toolset_20260801", "memory_20250818"),
    *("text_editor_20250124", "text_editor_20250429", "text_editor_20250728", "tool_search_tool_bm25"),
    *("tool_search_tool_bm25_20251119", "tool_search_tool_regex", "tool_search_tool_regex_20251119"),
    *("web_fetch_20250910", "web_fetch_20260209", "web_fetch_20260309", "web_fetch_20260318"),
    *("web_search_20250305", "web_search_20260209", "web_search_20260318"),
)
ITEM_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
CUSTOM_CALL = {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"}


def items(*parts: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": "hi"}, *parts]}


EXAMPLES: dict[str, Rows] = {  # by dialect: a field, or a kind of part, and how a request carries it
    CHAT: {
        "model": {"model": "m"}, "messages": {"messages": HELLO}, "stream": {"stream": True},
        "max_tokens": {"max_tokens": 5}, "max_completion_tokens": {"max_completion_tokens": 5},
        "temperature": {"temperature": 0.5}, "top_p": {"top_p": 0.5}, "stop": {"stop": ["x"]}, "n": {"n": 2},
        "user": {"user": "u"}, "safety_identifier": {"safety_identifier": "u"},
        "tools": {"tools": [FUNCTION]},
        "tool_choice": {"tools": [FUNCTION], "tool_choice": "required"},
        "parallel_tool_calls": {"tools": [FUNCTION], "parallel_tool_calls": False},
        "functions": {"functions": [{"name": "f"}]}, "function_call": {"function_call": "auto"},
        "response_format": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        "response_format: json_object": {"response_format": {"type": "json_object"}},
        "reasoning_effort": {"reasoning_effort": "low", "max_tokens": 5000}, "verbosity": {"verbosity": "low"},
        "frequency_penalty": {"frequency_penalty": 1}, "presence_penalty": {"presence_penalty": 1},
        "logit_bias": {"logit_bias": {"5": 1}},
        "logprobs": {"logprobs": True},
        "top_logprobs": {"logprobs": True, "top_logprobs": 2},
        "seed": {"seed": 1}, "service_tier": {"service_tier": "flex"}, "store": {"store": True},
        "metadata": {"metadata": {"a": "b"}}, "stream_options": {"stream_options": {"include_usage": True}},
        "prompt_cache_key": {"prompt_cache_key": "k"}, "prompt_cache_retention": {"prompt_cache_retention": "24h"},
        "prompt_cache_options": {"prompt_cache_options": {"a": 1}},
        "prediction": {"prediction": {"type": "content", "content": "x"}},
        "modalities": {"modalities": ["text", "audio"]}, "audio": {"audio": {"voice": "x", "format": "mp3"}},
        "web_search_options": {"web_search_options": {"search_context_size": "low"}},
        "moderation": {"moderation": {"model": "x"}},
        "a system message": {"messages": [{"role": "system", "content": "Be kind."}, *SAY]},
        "a picture": chat_content({"type": "image_url", "image_url": {"url": LINK}}),
        "a file": chat_content({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}}),
        "a sound": chat_content({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
        "a tool's result": {"messages": [*CALLED, {"role": "tool", "tool_call_id": "c", "content": "x"}]},
        "part: text": chat_content({"type": "text", "text": "x"}),
        "part: refusal": {"messages": [*SAY, {"role": "assistant", "content": [{"type": "refusal", "refusal": "x"}]}]},
        "tools: custom": {"tools": [{"type": "custom", "custom": {"name": "f"}}]},
        "response_format: text": {"response_format": {"type": "text"}},
    },
    RESPONSES: {
        "model": {"model": "m"}, "input": {"input": "hello"}, "stream": {"stream": True},
        "instructions": {"instructions": "Be kind."}, "max_output_tokens": {"max_output_tokens": 5},
        "temperature": {"temperature": 0.5}, "top_p": {"top_p": 0.5}, "user": {"user": "u"},
        "safety_identifier": {"safety_identifier": "u"}, "service_tier": {"service_tier": "flex"},
        "tools": {"tools": [TOOL]},
        "tools: custom": {"tools": [{"type": "custom", "name": "f"}]},
        "tool_choice": {"tools": [TOOL], "tool_choice": "required"},
        "parallel_tool_calls": {"tools": [TOOL], "parallel_tool_calls": False},
        "text": {"text": {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}},
        "reasoning": {"reasoning": {"effort": "low"}, "max_output_tokens": 5000},
        "include": {"include": ["file_search_call.results"]}, "metadata": {"metadata": {"a": "b"}},
        "client_metadata": {"client_metadata": {"a": "b"}}, "store": {"store": True},
        "background": {"background": True},
        "background_options": {"background_options": {"a": 1}}, "access_programs": {"access_programs": ["a"]},
        "image": {"image": {"a": 1}}, "moderation": {"moderation": {"model": "x"}},
        "truncation": {"truncation": "auto"}, "max_tool_calls": {"max_tool_calls": 3},
        "context_management": {"context_management": [{"type": "compaction"}]}, "top_logprobs": {"top_logprobs": 2},
        "stream_options": {"stream_options": {"include_obfuscation": False}},
        "prompt_cache_key": {"prompt_cache_key": "k"}, "prompt_cache_retention": {"prompt_cache_retention": "24h"},
        "prompt_cache_options": {"prompt_cache_options": {"a": 1}},
        "previous_response_id": {"previous_response_id": "resp_1"}, "conversation": {"conversation": "conv_1"},
        "prompt": {"prompt": {"id": "pmpt_1"}}, "an item_reference": item({"type": "item_reference", "id": "msg_1"}),
        "a picture": item({"role": "user", "content": [{"type": "input_image", "image_url": LINK}]}),
        "part: input_text": item({"role": "user", "content": [{"type": "input_text", "text": "x"}]}),
        "part: input_file": item(
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:application/pdf;base64,aGk="}]}
        ),
        "part: input_file by its URL": item(
            {"role": "user", "content": [{"type": "input_file", "file_url": "https://a.example/x.pdf"}]}
        ),
        "item: message": item({"type": "message", "role": "assistant", "content": "x"}),
        "item: reasoning": items(
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}, ITEM_CALL
        ),
        "item: function_call": items(ITEM_CALL),
        "item: function_call_output": items(
            ITEM_CALL, {"type": "function_call_output", "call_id": "c", "output": "x"}
        ),
        "item: custom_tool_call": items(CUSTOM_CALL),
        "item: custom_tool_call_output": items(
            CUSTOM_CALL, {"type": "custom_tool_call_output", "call_id": "c", "output": "x"}
        ),
        **{f"item: {kind}": item({"type": kind, "id": "x_1"}) for kind in HOSTED_ITEMS},
        **{f"tools: {kind}": {"tools": [{"type": kind, "name": "x"}]} for kind in HOSTED_TOOLS},
    },
    MESSAGES: {
        "model": {"model": "m"}, "messages": {"messages": HELLO}, "stream": {"stream": True},
        "max_tokens": {"max_tokens": 5},
        "system": {"system": "Be kind."}, "temperature": {"temperature": 0.5}, "top_p": {"top_p": 0.5},
        "top_k": {"top_k": 5},
        "stop_sequences": {"stop_sequences": ["x"]}, "metadata": {"metadata": {"user_id": "u"}},
        "tools": {"tools": [{"name": "f", "input_schema": SCHEMA}]},
        "tool_choice": {"tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}},
        "thinking": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        "output_config": {"output_config": {"effort": "low"}}, "service_tier": {"service_tier": "auto"},
        "cache_control": {"cache_control": {"type": "ephemeral"}}, "container": {"container": "c"},
        "context_management": {"context_management": {"edits": [1]}}, "mcp_servers": {"mcp_servers": [{"name": "x"}]},
        "betas": {"betas": ["x"]}, "inference_geo": {"inference_geo": "eu"}, "speed": {"speed": "fast"},
        "diagnostics": {"diagnostics": {"a": 1}}, "user_profile_id": {"user_profile_id": "p"},
        "workspace_id": {"workspace_id": "w"},
        "a picture": block({"type": "image", "source": PICTURE}),
        "a document": block({"type": "document", "source": PICTURE}),
        "a tool_result": block({"type": "tool_result", "tool_use_id": "t", "content": "x"}),
        "a thinking block": block({"type": "thinking", "thinking": "hm", "signature": ""}, "assistant"),
        "block: text": block({"type": "text", "text": "x"}),
        "block: search_result": block(
            {"type": "search_result", "title": "a", "source": "b", "content": [{"type": "text", "text": "x"}]}
        ),
        "block: tool_use": block({"type": "tool_use", "id": "t", "name": "f", "input": {}}, "assistant"),
        "block: document by its URL": block({"type": "document", "source": {"type": "url", "url": LINK}}),
        **{f"block: {kind}": block({"type": kind, "id": "s", "name": "x"}, "assistant") for kind in SERVER_BLOCKS},
        **{f"tools: {kind}": {"tools": [{"type": kind, "name": "x"}]} for kind in SERVER_TOOLS},
    },
}  # fmt: skip


def find_fate(client: str, upstream: str, name: str) -> str:
    """What becomes of a field or part, as the translation does it."""
    translation = find_translation(client, frozenset({upstream}))
    assert translation is not None
    example = EXAMPLES[client][name]
    request = {**BASES[client], **example}
    dropped: list[str] = []
    try:
        made = translation.translate_request(msgspec.json.decode(msgspec.json.encode(request)), dropped)
    except Refused as error:
        return f"refused (`{error.code or error.param}`)"
    if dropped:
        return f"dropped, named `{dropped[0]}`"
    if name in made and made[name] == request.get(name):
        return "passed"
    without = {key: value for key, value in request.items() if key != name} if name in request else BASES[client]
    try:
        plain: Mapping[str, Any] = translation.translate_request({**BASES[client], **without}, [])
    except Refused:
        plain = {}
    changed = [key for key in made if made[key] != plain.get(key)]
    return f"mapped to {', '.join(f'`{key}`' for key in changed)}" if changed else "dropped: it changes no answer"


def compatibility_page() -> str:
    lines = [
        "# Compatibility",
        "",
        "An upstream that speaks the client's dialect gets the client's bytes. For others, requests are translated;",
        "this is what becomes of each field and part. What may be missed is named in the header `x-steward-dropped`;",
        "what the answer depends on and the upstream cannot do is refused with 400. This page is made by sending each",
        "row through the translation.",
    ]
    for client, upstream in PAIRS:
        lines += ["", f"## `{client}` to an upstream of `{upstream}`", ""]
        lines += ["| field or part | what becomes of it |", "|---|---|"]
        names = [f"`{name}`" if name in EXAMPLES[client][name] else name for name in EXAMPLES[client]]
        lines += [
            f"| {label} | {find_fate(client, upstream, name)} |"
            for label, name in zip(names, EXAMPLES[client], strict=True)
        ]
        if client == RESPONSES:
            lines += ["", *KEPT]
    lines += [
        "",
        "## Numbers",
        "",
        "Checked where the gateway itself stands for the API: for embedded models, and before a translation.",
        "",
        "| endpoint | field | least | most |",
        "|---|---|---|---|",
    ]
    for endpoint, bounds in BOUNDS.items():
        for name, bound in bounds.items():
            most = "any" if bound.most is None else str(bound.most)
            lines.append(f"| `{endpoint}` | `{name}` | {bound.least} | {most} |")
    return "\n".join([*lines, *list_shapes()]) + "\n"


def list_shapes() -> list[str]:
    """What `shapes.py` holds a request to."""
    lines = ["", "## Forms", "", "Checked there too. What a model would ignore or misread is refused.", ""]
    lines += ["| endpoint | field | must be |", "|---|---|---|"]
    for endpoint, shapes in SHAPES.items():
        for name, kind in shapes.items():
            choices = CHOICES.get(endpoint, {}).get(name)
            lines.append(f"| `{endpoint}` | `{name}` | {'one of ' + ', '.join(choices) if choices else kind} |")
    return [
        *lines,
        "",
        "A list of messages has at least one, each with a known role and with content (an assistant's may have tool",
        "calls instead); a tool's message names the call that it answers. `tool_choice` needs tools. An embedded model",
        "does not read `functions`, `suffix`, a `best_of` above `n`, or `modalities` with audio: these are refused.",
    ]
