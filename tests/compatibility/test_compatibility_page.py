"""The page on compatibility knows every field of both APIs, and says what the gateway really does with each."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam
from anthropic.types.message_create_params import MessageCreateParamsBase
from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionToolUnionParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from openai.types.responses.response_input_content_param import ResponseInputContentParam
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.tool_param import ToolParam

from compatibility.scripted_engine import Gate, whole
from steward.core.errors import Refused

fates = import_module("field_fates")  # of scripts/
BASES, EXAMPLES, PAIRS, find_fate = fates.BASES, fates.EXAMPLES, fates.PAIRS, fates.find_fate
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
ROWS = [(client, upstream, name) for client, upstream in PAIRS for name in EXAMPLES[client]]
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "params"),
    [(CHAT, CompletionCreateParamsBase), (RESPONSES, ResponseCreateParamsBase), (MESSAGES, MessageCreateParamsBase)],
)
def test_every_field_that_the_sdk_knows_has_a_row(dialect: str, params: Any) -> None:
    assert set(params.__annotations__) - set(EXAMPLES[dialect]) == set()


NAMES = {  # rows of kinds that have a name of their own
    "part: image_url": "a picture", "part: file": "a file", "part: input_audio": "a sound", "tools: function": "tools",
    "part: input_image": "a picture", "item: item_reference": "an item_reference", "tools: custom": "tools",
    "block: image": "a picture", "block: document": "a document", "block: tool_result": "a tool_result",
    "block: thinking": "a thinking block",
}  # fmt: skip


def list_kinds(union: Any) -> set[str]:
    """The values that `type` may have in the TypedDicts of a union."""
    kinds: set[str] = set()
    for member in get_args(union) or (union,):
        hint = get_type_hints(member).get("type") if isinstance(member, type) else None
        if hint is None:
            kinds |= list_kinds(member) if get_args(member) else set()
            continue
        literals = [hint] if get_origin(hint) is Literal else get_args(hint)
        kinds |= {value for literal in literals for value in get_args(literal)}
    return kinds


@pytest.mark.parametrize(
    ("dialect", "label", "union"),
    [
        (CHAT, "part", ChatCompletionContentPartParam),
        (CHAT, "tools", ChatCompletionToolUnionParam),
        (RESPONSES, "item", ResponseInputItemParam),
        (RESPONSES, "part", ResponseInputContentParam),
        (RESPONSES, "tools", ToolParam),
        (MESSAGES, "block", ContentBlockParam),
        (MESSAGES, "tools", ToolUnionParam),
    ],
)
def test_every_kind_that_the_sdk_knows_has_a_row(dialect: str, label: str, union: Any) -> None:
    kinds = {f"{label}: {kind}" for kind in list_kinds(union)}
    assert len(kinds) > 1
    assert {
        kind for kind in kinds if kind not in EXAMPLES[dialect] and NAMES.get(kind) not in EXAMPLES[dialect]
    } == set()


@pytest.mark.parametrize(("client", "upstream", "name"), ROWS)
def test_a_row_is_what_the_gateway_does(client: str, upstream: str, name: str) -> None:
    """Through the whole handler: the body that reaches the upstream, the header, the refusal."""
    fate = find_fate(client, upstream, name)
    answer: Any = whole() if upstream == CHAT else MESSAGE
    gate = Gate({"m": lambda body: (200, answer)}, endpoints=frozenset({upstream}))
    body = {**BASES[client], **EXAMPLES[client][name], "stream": False}
    try:
        _, _, reply = gate.ask(body, client)
    except Refused as error:
        assert fate == f"refused (`{error.code or error.param}`)"
        return
    sent, headers = gate.engines["m"].asked[0], dict(reply.headers)
    if fate.startswith("dropped, named"):
        assert fate == f"dropped, named `{headers[b'x-steward-dropped'].decode().split(', ')[0]}`"
    elif fate == "passed" and name != "stream":
        assert sent[name] == json.loads(json.dumps(body))[name]
    elif fate.startswith("mapped to "):
        assert all(part.strip("` ") in sent for part in fate.removeprefix("mapped to ").split(","))
    else:
        assert fate == "passed" or name not in sent or b"x-steward-dropped" not in headers
    assert not fate.startswith("refused")
