"""Chat completions as Anthropic's messages (C8): what each field becomes, and what is refused.

Field names: OpenAI API reference, "Create chat completion"; Anthropic API reference, "Create a Message".
"""

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.chat_to_messages import translate_request


def translated(**body: Any) -> tuple[dict[str, Any], list[str]]:
    dropped: list[str] = []
    base = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    return translate_request({**base, **body}, dropped), dropped


def test_roles_become_turns_and_the_system_prompt() -> None:
    message, _ = translated(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b", "name": "Ann"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"id": "t2", "type": "function", "function": {"name": "g", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "one"},
            {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "two"}]},
        ]
    )
    assert message["system"] == "Be kind.\n\nBe brief."
    user, assistant, results = message["messages"]
    assert user["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert [block["input"] for block in assistant["content"]] == [{"x": 1}, {}]
    assert results["role"] == "user" and [block["tool_use_id"] for block in results["content"]] == ["t1", "t2"]


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({}, "max_tokens", 8_192),
        ({"max_tokens": 5}, "max_tokens", 5),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens", 6),
        ({"stop": "x"}, "stop_sequences", ["x"]),
        ({"stop": ["x", "y"]}, "stop_sequences", ["x", "y"]),
        ({"temperature": 1.7}, "temperature", 1.0),
        ({"temperature": 0.2}, "temperature", 0.2),
        ({"user": "u"}, "metadata", {"user_id": "u"}),
        ({"user": "u", "safety_identifier": "s"}, "metadata", {"user_id": "s"}),
        ({"reasoning_effort": "high", "max_tokens": 32_000}, "thinking", {"type": "enabled", "budget_tokens": 16_384}),
        ({"reasoning_effort": "high", "max_tokens": 2_000}, "thinking", {"type": "enabled", "budget_tokens": 1_999}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            "output_config",
            {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        ),
    ],
)
def test_fields_are_mapped(body: dict[str, Any], field: str, value: Any) -> None:
    assert translated(**body)[0][field] == value


def test_thinking_needs_room_and_takes_no_temperature() -> None:
    message, dropped = translated(reasoning_effort="low", max_tokens=1_024, temperature=0.5)
    assert "thinking" not in message and message["temperature"] == 0.5 and dropped == ["reasoning_effort"]
    assert "temperature" not in translated(reasoning_effort="low", temperature=0.5)[0]
    assert "thinking" not in translated(reasoning_effort="none")[0]


TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_tools_and_their_choice(choice: Any, made: dict[str, Any]) -> None:
    message, _ = translated(tools=[TOOL], tool_choice=choice)
    assert message["tools"] == [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]
    assert message["tool_choice"] == made


def test_one_call_at_a_time() -> None:
    message, _ = translated(tools=[TOOL], parallel_tool_calls=False)
    assert message["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_pictures_and_files() -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AA==", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
    ]
    blocks = translated(messages=[{"role": "user", "content": parts}])[0]["messages"][0]["content"]
    assert [block["source"]["type"] for block in blocks] == ["base64", "url", "base64"]
    assert blocks[0]["source"]["media_type"] == "image/png" and blocks[2]["title"] == "a.pdf"
    with pytest.raises(Refused, match="data: URL"):
        translated(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:/x"}}]}])


@pytest.mark.parametrize(
    "body",
    [{"n": 2}, {"logprobs": True}, {"frequency_penalty": 0.5}, {"logit_bias": {"1": 2}}, {"modalities": ["audio"]},
     {"response_format": {"type": "json_object"}}, {"unheard_of": 1}, {"reasoning_effort": "wild"}],
)  # fmt: skip
def test_what_anthropic_cannot_do_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as error:
        translated(**body)
    assert error.value.code == "untranslatable_field" and next(iter(body)) in str(error.value.param)


def test_hints_are_dropped_and_named_where_they_may_be_missed() -> None:
    assert translated(seed=1, store=False, stream_options={"include_usage": True}, n=1, logprobs=False)[1] == ["seed"]


def test_a_search_that_an_empty_object_asks_for_is_named() -> None:
    """OpenAI, "Create chat completion": `web_search_options: {}` turns the search on."""
    assert translated(web_search_options={}, store=False, prediction={})[1] == ["web_search_options"]
    assert translated(web_search_options=None)[1] == []


def refused(**body: Any) -> tuple[str | None, str]:
    with pytest.raises(Refused) as caught:
        translated(**body)
    assert caught.value.status == 400
    return caught.value.param, caught.value.message


def said(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = translated(messages=list(messages))[0]["messages"]
    return turns


@pytest.mark.parametrize(
    ("effort", "limit", "budget"),
    [
        ("minimal", 99_999, 1_024),
        ("low", 99_999, 2_048),
        ("medium", 99_999, 8_192),
        ("high", 99_999, 16_384),
        ("xhigh", 99_999, 32_768),
        ("medium", 8_193, 8_192),
        ("medium", 8_192, 8_191),  # a budget is below max_tokens: "Extended thinking"
        ("low", 1_025, 1_024),
    ],
)
def test_an_effort_is_a_budget_below_the_maximum(effort: str, limit: int, budget: int) -> None:
    message, dropped = translated(reasoning_effort=effort, max_tokens=limit, top_p=0.5)
    assert message["thinking"] == {"type": "enabled", "budget_tokens": budget} and dropped == []
    assert "top_p" not in message


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_forced_tool_leaves_no_thinking(choice: Any) -> None:
    message, dropped = translated(tools=[TOOL], tool_choice=choice, reasoning_effort="low")
    assert "thinking" not in message and dropped == ["reasoning_effort"]
    assert "thinking" in translated(tools=[TOOL], tool_choice="auto", reasoning_effort="low")[0]


def test_no_effort_is_no_thinking_and_no_note() -> None:
    message, dropped = translated(reasoning_effort="none", temperature=0.5)
    assert "thinking" not in message and message["temperature"] == 0.5 and dropped == []
    param, words = refused(reasoning_effort="x" * 101)
    assert param == "reasoning_effort" and f" with the value '{'x' * 99}…';" in words


def test_a_temperature_that_is_no_number_is_left_to_the_upstream() -> None:
    assert translated(temperature="hot")[0]["temperature"] == "hot"
    assert translated(temperature=1)[0]["temperature"] == 1
    assert translated(temperature=2)[0]["temperature"] == 1.0


def test_a_request_with_nothing_more() -> None:
    assert translated(stop=None, user=None, top_p=0.5, stream=True, model="claude")[0] == {
        "model": "claude",
        "top_p": 0.5,
        "stream": True,
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_what_has_its_only_value_leaves_no_trace() -> None:
    message, dropped = translated(
        n=1,
        logprobs=False,
        top_logprobs=0,
        frequency_penalty=0,
        presence_penalty=0.0,
        logit_bias={},
        modalities=["text"],
    )
    assert message.keys() == {"model", "max_tokens", "messages"} and dropped == []
    assert refused(top_logprobs=1)[0] == "top_logprobs" and refused(presence_penalty=1)[0] == "presence_penalty"


def test_messages_that_follow_one_another_are_one_turn() -> None:
    assert said(
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "u"}]},
        {"role": "assistant", "content": "a", "refusal": None},
        {"role": "assistant", "content": None, "refusal": "b"},
        {"role": "user", "content": "c"},
    ) == [
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "text", "text": "c"}]},
    ]
    assert "system" not in translated()[0]


def test_an_assistants_text_thoughts_and_calls() -> None:
    call = {"id": "t1", "type": "function", "index": 0, "function": {"name": "f", "arguments": '{"x": 1}'}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "a"}], "reasoning_content": "hm",
               "reasoning": "hm", "annotations": [], "audio": None, "tool_calls": [call]}  # fmt: skip
    assert said(message) == [
        {"role": "user", "content": [{"type": "text", "text": "."}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("call", "param"),
    [
        ({"id": "t", "type": "custom", "custom": {}}, "messages.0.tool_calls.0.type"),
        ({"id": "t", "function": {"name": "f", "arguments": "{"}}, "messages.0.tool_calls.0.function.arguments"),
        ({"id": "t", "function": {"name": "f", "arguments": 1}}, "messages.0.tool_calls.0.function.arguments"),
        ({"id": "t", "function": {"name": "f", "arguments": "", "x": 1}}, "messages.0.tool_calls.0.function.x"),
        ({"id": "t", "function": {"name": "f", "arguments": ""}, "x": 1}, "messages.0.tool_calls.0.x"),
        ({"function": {"name": "f", "arguments": ""}}, "messages.0.tool_calls.0.id"),
    ],
)
def test_a_call_that_no_message_can_express(call: dict[str, Any], param: str) -> None:
    assert refused(messages=[{"role": "assistant", "tool_calls": [call]}])[0] == param


def test_content_parts_are_blocks() -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    parts = [
        {"type": "text", "text": "a", **cached},
        {"type": "image_url", "image_url": {"url": "http://a.example/b.png"}},
        {"type": "file", "file": {"file_data": "https://a.example/c.pdf"}},
        {"type": "file", "file": {"file_data": "DATA:text/plain;BASE64,YQ==", "filename": "c"}},
    ]
    assert said({"role": "user", "content": parts})[0]["content"] == [
        {"type": "text", "text": "a", **cached},
        {"type": "image", "source": {"type": "url", "url": "http://a.example/b.png"}},
        {"type": "document", "source": {"type": "url", "url": "https://a.example/c.pdf"}},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a"},
            "title": "c",
        },
    ]


def test_results_of_tools() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    assert said(
        {"role": "tool", "tool_call_id": "t1", "content": ""},
        {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "x"}, picture]},
        {"role": "tool", "tool_call_id": "t3", "content": None},
    )[0]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": ""},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
            ],
        },
        {"type": "tool_result", "tool_use_id": "t3", "content": []},
    ]


OTHER = {"type": "function", "function": {"name": "g", "strict": True}, "cache_control": {"type": "ephemeral"}}


def test_a_tool_without_parameters_takes_an_object() -> None:
    assert translated(tools=[OTHER])[0]["tools"] == [
        {"name": "g", "input_schema": {"type": "object"}, "strict": True, "cache_control": {"type": "ephemeral"}}
    ]


@pytest.mark.parametrize(
    ("tools", "choice", "parallel", "made"),
    [
        ([], "auto", None, None),
        ([], "wild", None, None),
        ([TOOL], None, None, None),
        ([TOOL], None, True, None),
        ([TOOL], "none", False, {"type": "none"}),
        ([TOOL], "required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ([], None, False, None),
    ],
)
def test_choices_and_parallel_calls(tools: list[Any], choice: Any, parallel: Any, made: Any) -> None:
    message, _ = translated(tools=tools, tool_choice=choice, parallel_tool_calls=parallel)
    assert message.get("tool_choice") == made


def allow(name: str, mode: str = "required") -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}}]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def test_only_allowed_tools_go_on() -> None:
    second = {"type": "function", "function": {"name": "g"}}
    message, dropped = translated(tools=[TOOL, second], tool_choice=allow("g"))
    assert [tool["name"] for tool in message["tools"]] == ["g"] and message["tool_choice"] == {"type": "any"}
    assert translated(tools=[TOOL], tool_choice=allow("f", "auto"))[0]["tool_choice"] == {"type": "auto"}
    assert dropped == []


def test_a_custom_tool_is_an_offer_that_is_left_out() -> None:
    message, dropped = translated(tools=[{"type": "custom", "custom": {"name": "c"}}, TOOL])
    assert [tool["name"] for tool in message["tools"]] == ["f"] and dropped == ["tools.0"]


def test_a_schema_is_one_of_an_object() -> None:
    bare = {"type": "function", "function": {"name": "g", "parameters": {"properties": {}}}}
    assert translated(tools=[bare])[0]["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def called(name: str = "t1", arguments: str = "{}") -> dict[str, Any]:
    call = {"id": name, "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


USER = {"role": "user", "content": "u"}
LOOP = [USER, called(), {"role": "tool", "tool_call_id": "t1", "content": "r"}]


def test_tools_that_were_called_are_offered_but_not_called() -> None:
    message, _ = translated(messages=LOOP)
    assert message["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert message["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in translated(messages=LOOP, tools=[TOOL])[0]


def test_a_call_without_its_thoughts_is_gone_on_from_without_thinking() -> None:
    message, dropped = translated(messages=LOOP, tools=[TOOL], reasoning_effort="low")
    assert "thinking" not in message and dropped == ["reasoning_effort"]
    ended = [*LOOP, {"role": "assistant", "content": "a"}, USER]
    assert "thinking" in translated(messages=ended, tools=[TOOL], reasoning_effort="low")[0]


def test_without_a_limit_the_thoughts_come_on_top() -> None:
    message, _ = translated(reasoning_effort="max")
    assert message["thinking"]["budget_tokens"] == 65_536 and message["max_tokens"] == 65_536 + 8_192


def test_anthropics_own_fields_pass() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2_000}
    message, dropped = translated(top_k=5, thinking=thinking, reasoning_effort="low", max_tokens=9_000)
    assert (message["top_k"], message["thinking"], dropped) == (5, thinking, ["reasoning_effort"])


@pytest.mark.parametrize(
    ("temperature", "top_p", "kept", "noted"),
    [
        (0.5, 0.9, {"temperature": 0.5}, ["top_p"]),
        (0.5, 1, {"temperature": 0.5}, []),
        (1, 0.9, {"top_p": 0.9}, []),
        (2, 0.9, {"top_p": 0.9}, []),
        (1, 1, {"temperature": 1}, []),
    ],
)
def test_one_of_temperature_and_top_p(
    temperature: float, top_p: float, kept: dict[str, float], noted: list[str]
) -> None:
    message, dropped = translated(temperature=temperature, top_p=top_p)
    assert {name: message[name] for name in ("temperature", "top_p") if name in message} == kept and dropped == noted


def test_ids_of_calls_have_letters_that_anthropic_takes() -> None:
    turns = said(USER, called("functions.f:0"), {"role": "tool", "tool_call_id": "functions.f:0", "content": ""})
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"] == "functions_f_0"


def test_arguments_are_an_object() -> None:
    assert said(USER, called(arguments="  "))[1]["content"][0]["input"] == {}
    for arguments in ("[1]", "{", "1"):
        assert refused(messages=[USER, called(arguments=arguments)])[0] == "messages.1.tool_calls.0.function.arguments"


def test_what_the_assistant_goes_on_from_ends_without_space() -> None:
    assert said(USER, {"role": "assistant", "content": "a \n"})[1]["content"] == [{"type": "text", "text": "a"}]
    assert said(USER, {"role": "assistant", "content": " "})[1]["content"] == [{"type": "text", "text": "."}]
    assert said(USER, {"role": "assistant", "content": "a "}, USER)[1]["content"] == [{"type": "text", "text": "a "}]


def test_a_refusal_among_the_parts_is_text() -> None:
    parts = [{"type": "refusal", "refusal": "no"}]
    assert said(USER, {"role": "assistant", "content": parts}, USER)[1]["content"] == [{"type": "text", "text": "no"}]


def test_a_conversation_without_a_user() -> None:
    system = {"role": "system", "content": "be"}
    message, _ = translated(messages=[system])
    assert message["messages"] == [{"role": "user", "content": [{"type": "text", "text": "be"}]}]
    assert "system" not in message
    dot = [{"role": "user", "content": [{"type": "text", "text": "."}]}]
    assert (
        said({"role": "user", "content": ""})
        == dot
        == said({"role": "user", "content": [{"type": "text", "text": ""}]})
    )


def test_a_system_prompt_keeps_where_it_may_be_cached() -> None:
    cached = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    plain = {"type": "text", "text": "b"}
    system = [{"role": "system", "content": [cached, plain]}, {"role": "developer", "content": "c"}, USER]
    assert translated(messages=system)[0]["system"] == [cached, plain, {"type": "text", "text": "c"}]
    system[0] = {"role": "system", "content": [plain, {"type": "text", "text": ""}, plain]}
    assert translated(messages=system)[0]["system"] == "bb\n\nc"


@pytest.mark.parametrize(
    ("file", "param"),
    [
        ({"file_id": "f"}, "messages.0.content.0.file.file_id"),
        ({"file_data": "data:text/plain;base64,!"}, "messages"),
        ({"file_data": "data:text/plain;base64,/w=="}, "messages"),  # no UTF-8
        ({"file_data": "file:///etc/passwd"}, "messages"),
    ],
)
def test_files_that_no_document_can_hold(file: dict[str, str], param: str) -> None:
    assert refused(messages=[{"role": "user", "content": [{"type": "file", "file": file}]}])[0] == param


def test_a_picture_has_the_name_of_its_kind() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/JPG;base64,aa"}}
    source = said({"role": "user", "content": [part]})[0]["content"][0]["source"]
    assert source == {"type": "base64", "media_type": "image/jpeg", "data": "aa"}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [TOOL], "tool_choice": "wild"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        ({"tools": [TOOL], "tool_choice": allow("g")}, "tool_choice.allowed_tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"tools": [{"type": "web", "custom": {}}]}, "tools.0.type"),
        ({"tools": [{"type": "custom", "custom": {}}], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{**TOOL, "x": 1}]}, "tools.0.x"),
        ({"response_format": {"type": "text", "x": 1}}, "response_format.x"),
        ({"messages": [{"role": "function", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "user", "content": "a", "x": 1}]}, "messages.0.x"),
    ],
)
def test_mistakes_are_named_with_their_path(body: dict[str, Any], param: str) -> None:
    assert refused(**body)[0] == param


def test_text_is_the_form_that_an_answer_has_anyway() -> None:
    assert "output_config" not in translated(response_format={"type": "text"})[0]


def test_a_value_that_is_not_known_is_told_in_part_where_it_is_long() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    for field in ("tool_choice", "reasoning_effort"):
        with pytest.raises(Refused) as caught:
            translated(**{"tools": [tool], field: "v" * 101})
        assert f"with the value '{'v' * 99}…'" in caught.value.message
