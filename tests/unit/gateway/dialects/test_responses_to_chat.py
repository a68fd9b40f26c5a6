"""Responses as Codex and the Agents SDK send them (C2, C3): function tools work, offers are dropped by name.

Field names: OpenAI API reference, "Create a model response" and "Create chat completion".
"""

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.responses_to_chat import translate_request

FUNCTION = {"type": "function", "name": "shell", "parameters": {"type": "object"}, "strict": False}


def translated(**body: Any) -> tuple[dict[str, Any], list[str]]:
    dropped: list[str] = []
    return translate_request({"model": "m", "input": "hi", **body}, dropped), dropped


def test_function_tools_go_on_and_the_others_are_named() -> None:
    tools = [
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "…"}},
        FUNCTION,
        {"type": "web_search", "external_web_access": False},
        {"type": "namespace", "name": "mcp", "description": "d", "tools": [FUNCTION]},
    ]
    chat, dropped = translated(tools=tools, tool_choice="auto")
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["shell"] and chat["tool_choice"] == "auto"
    assert dropped == ["tools.0", "tools.2", "tools.3"]


def test_what_only_hints_leaves_no_trace() -> None:
    chat, dropped = translated(
        client_metadata={"x": "y"},
        prompt_cache_key="k",
        reasoning={"effort": "high", "summary": "auto"},
        include=["reasoning.encrypted_content"],
        store=False,
        text={"verbosity": "low"},
    )
    assert chat["reasoning_effort"] == "high" and chat["verbosity"] == "low" and dropped == []


def test_a_store_that_there_is_not_is_named() -> None:
    assert translated(store=True)[1] == ["store"]
    assert translated(truncation="auto", include=["web_search_call.action.sources"])[1] == ["truncation", "include.0"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "gone"}])
def test_a_choice_of_a_tool_that_was_dropped_is_refused(choice: Any) -> None:
    with pytest.raises(Refused) as error:
        translated(tools=[{"type": "web_search"}], tool_choice=choice)
    assert error.value.param == "tool_choice"


def test_only_allowed_tools_go_on() -> None:
    other = {**FUNCTION, "name": "read"}
    choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "read"}]}
    chat, _ = translated(tools=[FUNCTION, other], tool_choice=choice)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["read"] and chat["tool_choice"] == "required"


def test_calls_of_custom_tools_in_the_history_are_told_as_functions() -> None:
    items = [
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "apply_patch", "input": "*** patch"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
    ]
    chat, dropped = translated(input=items)
    assert chat["messages"][0]["tool_calls"][0]["function"] == {
        "name": "apply_patch",
        "arguments": '{"input":"*** patch"}',
    }
    assert chat["messages"][1] == {"role": "tool", "tool_call_id": "c1", "content": "done"}
    assert dropped == ["input.2"]


def test_thoughts_come_back_with_the_answer_that_they_led_to() -> None:
    items = [
        {
            "type": "reasoning",
            "id": "rs",
            "summary": [{"type": "summary_text", "text": "so"}],
            "encrypted_content": "x",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
    ]
    assert translated(input=items)[0]["messages"] == [
        {"role": "assistant", "content": "Yes.", "reasoning_content": "so"}
    ]


def test_pictures_and_files_of_a_tool_follow_its_result() -> None:
    output = [
        {"type": "input_text", "text": "seen"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
    ]
    messages = translated(input=[{"type": "function_call_output", "call_id": "c", "output": output}])[0]["messages"]
    assert messages[0] == {"role": "tool", "tool_call_id": "c", "content": "seen"}
    assert [part["type"] for part in messages[1]["content"]] == ["text", "image_url", "file"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("background", True), ("top_logprobs", 2), ("include", ["message.output_text.logprobs"]), ("unheard_of", 1)],
)
def test_what_changes_the_answer_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(Refused) as error:
        translated(**{field: value})
    assert error.value.status == 400 and error.value.param == field


@pytest.mark.parametrize("tool", [{"name": "f"}, {"type": 7, "name": "f"}])
def test_a_tool_without_a_type_is_a_mistake_and_no_offer(tool: dict[str, Any]) -> None:
    with pytest.raises(Refused) as error:
        translated(tools=[tool])
    assert error.value.param == "tools.0.type"


def test_a_reference_to_an_item_of_the_same_request_is_resolved() -> None:
    items = [
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]},
        {"type": "item_reference", "id": "msg_1"},
    ]
    messages = translate_request({"model": "m", "input": items}, [])["messages"]
    assert [message["content"] for message in messages] == ["Hi.", "Hi."]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [{"type": "item_reference", "id": "msg_gone"}]}, "input.0.id"),
        ({"input": "hi", "previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": "hi", "conversation": {"id": "conv_1"}}, "conversation"),
        ({"input": "hi", "prompt": {"id": "pmpt_1"}}, "prompt"),
    ],
)
def test_other_references_are_refused_with_the_way_to_turn_them_off(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused, match=r"store: false.*providerOptions\.openai\.store = false") as error:
        translate_request({"model": "m", **body}, [])
    assert (error.value.param, error.value.code, error.value.status) == (param, "not_stored", 400)


def said(*items: dict[str, Any]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = translated(input=list(items))[0]["messages"]
    return messages


def refused(**body: Any) -> tuple[str | None, str | None]:
    with pytest.raises(Refused) as caught:
        translated(**body)
    assert caught.value.status == 400
    return caught.value.param, caught.value.code


def test_a_request_to_the_last_field() -> None:
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    chat, dropped = translated(
        instructions="Be kind.",
        temperature=0.5,
        top_p=0.9,
        stream=True,
        user="u",
        safety_identifier="s",
        parallel_tool_calls=False,
        service_tier="auto",
        max_output_tokens=99,
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "shell"},
        reasoning={"effort": "low"},
        text={"verbosity": "low", "format": {"type": "json_schema", **schema}},
        background=False,
        truncation="disabled",
        top_logprobs=0,
    )
    assert dropped == []
    assert chat == {
        "model": "m",
        "temperature": 0.5,
        "top_p": 0.9,
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "u",
        "safety_identifier": "s",
        "parallel_tool_calls": False,
        "service_tier": "auto",
        "max_tokens": 99,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        "tools": [
            {
                "type": "function",
                "function": {"name": "shell", "parameters": {"type": "object"}, "strict": False},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "shell"}},
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


def test_a_request_with_nothing_more() -> None:
    plain = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert translated(instructions="", reasoning={}, text={"format": {"type": "text"}}, include=[])[0] == plain
    assert translated(text={"format": {"type": "json_object"}})[0]["response_format"] == {"type": "json_object"}


def test_messages_of_every_role() -> None:
    picture = {"type": "input_image", "image_url": "https://a.example", "detail": "low"}
    document = {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "detail": "high"}
    text = {"type": "input_text", "text": "a"}
    assert said(
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "system", "content": [text], "id": "x", "status": "completed", "phase": "p"},
        {"role": "user", "content": [picture]},
        {"role": "user", "content": [text, document, {**text, "prompt_cache_breakpoint": True}]},
        {"role": "assistant", "content": "plain"},
        {"role": "assistant", "content": [
            {"type": "output_text", "text": "b", "annotations": [], "logprobs": []},
            {"type": "refusal", "refusal": "c"},
        ]},
    ) == [
        {"role": "system", "content": "d"},
        {"role": "system", "content": "a"},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://a.example", "detail": "low"}},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "a"},
            {"type": "file", "file": {"filename": "file", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "text", "text": "a"},
        ]},
        {"role": "assistant", "content": "plain"},
        {"role": "assistant", "content": "bc"},
    ]  # fmt: skip


def test_calls_that_follow_one_another_are_one_message() -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}", "caller": {"type": "direct"}}
    made = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert said(
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "h"}], "summary": [
            {"type": "summary_text", "text": "no"},
        ]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "m"}]},
        {**call, "call_id": "c1"},
        {**call, "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {**call, "call_id": "c3"},
    ) == [
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [
            {"id": "c1", **made}, {"id": "c2", **made},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c3", **made}]},
    ]  # fmt: skip


def test_thoughts_wait_for_the_answer() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert said(thought, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}) == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_content": "hm"},
    ]
    assert said({"type": "reasoning", "encrypted_content": "x"}, {"role": "assistant", "content": "b"}) == [
        {"role": "assistant", "content": "b"}  # nobody here can read what is encrypted
    ]


def test_a_call_after_text_belongs_to_it() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    messages = said({"role": "assistant", "content": "a"}, call)
    assert len(messages) == 1 and messages[0]["content"] == "a" and len(messages[0]["tool_calls"]) == 1


def test_results_of_tools() -> None:
    text = {"type": "input_text", "text": "a"}
    output = {"type": "function_call_output", "call_id": "c"}
    assert said({**output, "output": [text, {"type": "output_text", "text": "b"}]}) == [
        {"role": "tool", "tool_call_id": "c", "content": "ab"}
    ]
    tool, user = said({**output, "output": [{"type": "input_image", "image_url": "u"}]})
    assert tool == {"role": "tool", "tool_call_id": "c", "content": "The result is in the next message."}
    assert user == {
        "role": "user",
        "content": [
            {"type": "text", "text": "Result of tool call c:"},
            {"type": "image_url", "image_url": {"url": "u"}},
        ],
    }


def test_a_reference_may_mean_a_call() -> None:
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"}
    messages = said(call, {"type": "item_reference", "id": "fc"})
    assert [made["id"] for made in messages[0]["tool_calls"]] == ["c", "c"]
    plain = {"id": "m1", "role": "user", "content": "a"}  # a message without a type
    assert said(plain, {"type": "item_reference", "id": "m1"}) == [{"role": "user", "content": "a"}] * 2
    assert (
        refused(input=[{"type": "item_reference", "id": "a"}, {"type": "item_reference", "id": "a"}])[1] == "not_stored"
    )


@pytest.mark.parametrize(
    ("tools", "choice", "made"),
    [
        ([FUNCTION], "auto", "auto"),
        ([FUNCTION], "required", "required"),
        ([FUNCTION], None, None),
        ([], "auto", None),
        ([], "none", None),
    ],
)
def test_the_choice_of_a_tool(tools: list[Any], choice: Any, made: Any) -> None:
    assert translated(tools=tools, tool_choice=choice)[0].get("tool_choice") == made


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [FUNCTION], "tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": "none"}}, "tool_choice.mode"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": ["x"]}},
         "tool_choice.tools"),
        ({"tools": [{**FUNCTION, "x": 1}]}, "tools.0.x"),
        ({"input": 7}, "input"),
        ({"input": [{"type": "new"}]}, "input.0.type"),
        ({"input": [{"type": "item_reference"}]}, "input.0.id"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input.0.role"),
        ({"input": [{"role": "user", "content": "a", "x": 1}]}, "input.0.x"),
        ({"input": [{"role": "user", "content": [{"type": "output_text", "text": "a"}]}]}, "input.0.content.0.type"),
        ({"input": [{"role": "assistant", "content": 7}]}, "input.0.content"),
        ({"instructions": 7}, "instructions"),
        ({"reasoning": {"x": 1}}, "reasoning.x"),
        ({"text": {"x": 1}}, "text.x"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"include": "all"}, "include"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_path(body: dict[str, Any], param: str) -> None:
    assert refused(**body)[0] == param


def test_offers_are_noted_where_they_say_something() -> None:
    assert translated(max_tool_calls=3, context_management=[{"type": "compaction"}], truncation="auto")[1] == [
        "max_tool_calls", "truncation", "context_management",
    ]  # fmt: skip
    assert translated(include=["reasoning.encrypted_content", "a", "b"])[1] == ["include.1", "include.2"]
