"""`/v1/messages` to a chat upstream (C4): mapped, passed, or dropped when only an offer.

Field names: Anthropic API reference, "Create a Message"; OpenAI API reference, "Create chat completion".
"""

from typing import Any

import pytest

from steward.core.errors import Refused
from steward.gateway.dialects.messages_to_chat import translate_request

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}


def translated(**body: Any) -> tuple[dict[str, Any], list[str]]:
    dropped: list[str] = []
    base = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    return translate_request({**base, **body}, dropped), dropped


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 1_024}, "low"),
        ({"type": "enabled", "budget_tokens": 4_096}, "low"),
        ({"type": "enabled", "budget_tokens": 4_097}, "medium"),
        ({"type": "enabled", "budget_tokens": 16_384}, "medium"),
        ({"type": "enabled", "budget_tokens": 16_385}, "high"),
        ({"type": "enabled", "budget_tokens": 32_000}, "high"),
        ({"type": "adaptive"}, "medium"),
        ({"type": "adaptive", "display": "summarized"}, "medium"),
        ({"type": "disabled"}, None),
    ],
)
def test_thinking_becomes_an_effort(thinking: dict[str, Any], effort: str | None) -> None:
    assert translated(thinking=thinking)[0].get("reasoning_effort") == effort


def test_an_effort_that_is_named_goes_before() -> None:
    chat, _ = translated(thinking={"type": "adaptive"}, output_config={"effort": "low"})
    assert chat["reasoning_effort"] == "low"


def test_a_picture_in_a_tool_result_follows_it() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "shot"}, PICTURE]}
    chat, _ = translated(messages=[{"role": "user", "content": [result, {"type": "text", "text": "What is it?"}]}])
    tool, user = chat["messages"]
    assert tool == {"role": "tool", "tool_call_id": "t1", "content": "shot"}
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    assert user["content"][0]["text"] == "Result of tool call t1:"


def test_a_result_that_is_only_a_picture_says_where_it_is() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [PICTURE], "is_error": True}
    tool = translated(messages=[{"role": "user", "content": [result]}])[0]["messages"][0]
    assert tool["content"] == "Error: The result is in the next message."


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "words"}, [{"type": "text", "text": "words"}]),
        ({"type": "content", "content": "words"}, [{"type": "text", "text": "words"}]),
        (
            {"type": "content", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
            [{"type": "text", "text": "a"}],
        ),
        (
            {"type": "base64", "media_type": "application/pdf", "data": "JV=="},
            [
                {
                    "type": "file",
                    "file": {"filename": "Report", "file_data": "data:application/pdf;base64,JV=="},
                }
            ],
        ),
    ],
)
def test_documents_are_passed_with_their_title(source: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    document = {"type": "document", "title": "Report", "source": source}
    content = translated(messages=[{"role": "user", "content": [document]}])[0]["messages"][0]["content"]
    assert content == [{"type": "text", "text": "Report"}, *parts]


def test_server_tools_are_an_offer_and_the_client_s_own_work() -> None:
    tools = [
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "weather", "input_schema": {"type": "object"}, "defer_loading": True},
        {"type": "bash_20250124", "name": "bash"},
    ]
    chat, dropped = translated(tools=tools, tool_choice={"type": "auto"})
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["weather"] and dropped == ["tools.0", "tools.2"]


def test_without_a_tool_left_no_choice_is_made() -> None:
    chat, _ = translated(tools=[{"type": "web_search_20250305", "name": "web_search"}], tool_choice={"type": "auto"})
    assert "tools" not in chat and "tool_choice" not in chat


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "web_search"}])
def test_a_forced_tool_that_was_dropped_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="cannot be passed on"):
        translated(tools=[{"type": "web_search_20250305", "name": "web_search"}], tool_choice=choice)


def test_beta_fields_are_named_and_hints_are_not() -> None:
    _, dropped = translated(
        context_management={"edits": []}, mcp_servers=[{"type": "url"}], container="c", service_tier="auto", betas=["x"]
    )
    assert dropped == ["mcp_servers", "container", "context_management", "betas"]


def test_blocks_of_tools_that_ran_elsewhere_are_left_out_of_the_history() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "thinking", "thinking": "so", "signature": "sig"},
        {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location"}]},
    ]
    chat, dropped = translated(messages=[{"role": "assistant", "content": blocks}])
    assert chat["messages"] == [{"role": "assistant", "content": "Found.", "reasoning_content": "so"}]
    assert dropped == ["messages.0.content.0", "messages.0.content.1", "messages.0.content.2"]


def test_search_results_are_passed_as_text() -> None:
    block = {
        "type": "search_result",
        "source": "https://a.example",
        "title": "A",
        "content": [{"type": "text", "text": "found"}],
        "citations": {"enabled": True},
    }
    chat, dropped = translated(messages=[{"role": "user", "content": [block]}])
    assert chat["messages"][0]["content"] == "A (https://a.example)\nfound"
    assert dropped == ["messages.0.content.0.citations"]


@pytest.mark.parametrize("body", [{"unheard_of": 1}, {"thinking": {"type": "wild"}}])
def test_what_nobody_knows_is_refused_by_name(body: dict[str, Any]) -> None:
    with pytest.raises(Refused) as error:
        translated(**body)
    assert error.value.code == "untranslatable_field"


def said(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    chat: list[dict[str, Any]] = translated(messages=list(messages))[0]["messages"]
    return chat


def refused(**body: Any) -> str | None:
    with pytest.raises(Refused) as caught:
        translated(**body)
    assert caught.value.status == 400
    return caught.value.param


WEATHER = {"name": "weather", "input_schema": {"type": "object"}}


def test_a_request_to_the_last_field() -> None:
    chat, dropped = translated(
        system=[{"type": "text", "text": "Be "}, {"type": "text", "text": "kind.", "cache_control": {}}],
        temperature=0.5,
        top_p=0.9,
        top_k=4,
        stream=True,
        stop_sequences=["x"],
        metadata={"user_id": "u"},
        tools=[{**WEATHER, "type": "custom", "description": "d", "strict": True}],
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        diagnostics={},
        speed="fast",
    )
    assert dropped == []
    assert chat == {
        "model": "m",
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 4,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        "stop": ["x"],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather", "parameters": {"type": "object"}, "description": "d", "strict": True,
                },
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "user": "u",
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
        },
    }  # fmt: skip


def test_a_request_with_nothing_more() -> None:
    chat, _ = translated(system="", stop_sequences=[], metadata={}, stream=False)
    plain = {"model": "m", "max_tokens": 9, "stream": False, "messages": [{"role": "user", "content": "hi"}]}
    assert chat == plain


@pytest.mark.parametrize(
    ("choice", "made", "parallel"),
    [
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": False}, "required", True),
        ({"type": "none"}, "none", None),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", False),
    ],
)
def test_the_choice_of_a_tool(choice: dict[str, Any], made: str, parallel: bool | None) -> None:
    chat, _ = translated(tools=[WEATHER], tool_choice=choice)
    assert chat["tool_choice"] == made and chat.get("parallel_tool_calls") == parallel


def test_a_choice_that_cannot_be_made_is_named() -> None:
    assert refused(tools=[WEATHER], tool_choice={"type": "tool", "name": "other"}) == "tool_choice.name"
    assert refused(tool_choice={"type": "any"}) == "tool_choice.type"
    assert "tool_choice" not in translated(tool_choice={"type": "none"})[0]


def test_results_come_before_what_the_user_says() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "one"}
    other = {"type": "tool_result", "tool_use_id": "t2", "is_error": True,
             "content": [{"type": "text", "text": "a"}, {"type": "tool_reference", "tool_name": "b"}]}  # fmt: skip
    assert said({"role": "user", "content": [{"type": "text", "text": "So?"}, result, other]}) == [
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: ab"},
        {"role": "user", "content": "So?"},
    ]
    assert said({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]}) == [
        {"role": "tool", "tool_call_id": "t1", "content": ""}
    ]


def test_a_text_alone_is_a_string_and_others_are_parts() -> None:
    text = {"type": "text", "text": "a"}
    linked = {"type": "image", "source": {"type": "url", "url": "https://a.example"}}
    picture = {"type": "image_url", "image_url": {"url": "https://a.example"}}
    assert said({"role": "user", "content": [text]})[0]["content"] == "a"
    assert said({"role": "user", "content": [linked]})[0]["content"] == [picture]
    assert said({"role": "user", "content": [text, text]})[0]["content"] == [text, text]
    embedded = said({"role": "user", "content": [PICTURE]})[0]["content"]
    assert embedded == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
    assert said({"role": "system", "content": [text]}) == [{"role": "system", "content": "a"}]
    assert said({"role": "user", "content": []}) == []


def test_a_document_without_a_title_is_named_after_its_kind() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JV=="}
    content = said({"role": "user", "content": [{"type": "document", "source": source}]})[0]["content"]
    assert content == [
        {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JV=="}}
    ]
    heading = {"type": "document", "title": "T", "context": "C", "source": source, "citations": {"enabled": True}}
    chat, dropped = translated(messages=[{"role": "user", "content": [heading]}])
    (message,) = chat["messages"]
    assert message["content"][0] == {"type": "text", "text": "T\nC"}
    assert message["content"][1]["file"]["filename"] == "T" and dropped == ["messages.0.content.0.citations"]


def test_an_assistants_texts_thoughts_and_calls() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}
    blocks = [
        {"type": "thinking", "thinking": "h", "signature": "s"}, {"type": "thinking", "thinking": "m"},
        {"type": "text", "text": "a"}, {"type": "text", "text": "b"}, use,
        {"type": "tool_use", "id": "t2", "name": "g"},
    ]  # fmt: skip
    assert said({"role": "assistant", "content": blocks}) == [
        {
            "role": "assistant",
            "content": "ab",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        }
    ]
    assert said({"role": "assistant", "content": [use]})[0].keys() == {"role", "content", "tool_calls"}
    assert said({"role": "assistant", "content": [blocks[0]]})[0] == {
        "role": "assistant", "content": None, "reasoning_content": "h",
    }  # fmt: skip
    assert said({"role": "assistant", "content": "plain"}) == [{"role": "assistant", "content": "plain"}]
    assert said({"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}) == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "a", "x": 1}]}, "messages.0.x"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "assistant", "content": [{"type": "image"}]}]}, "messages.0.content.0.type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}]},
            "messages.0.content.0.x",
        ),
        ({"tools": [{"name": "f", "x": 1}]}, "tools.0.x"),
        ({"metadata": {"x": 1}}, "metadata.x"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"thinking": {"type": "enabled", "x": 1}}, "thinking.x"),
    ],
)
def test_mistakes_are_named_with_their_path(body: dict[str, Any], param: str) -> None:
    assert refused(**body) == param


def test_a_budget_that_is_no_number_is_a_middling_effort() -> None:
    for budget in (None, "many"):
        assert translated(thinking={"type": "enabled", "budget_tokens": budget})[0]["reasoning_effort"] == "medium"
    assert translated(thinking={"type": "adaptive", "budget_tokens": 1})[0]["reasoning_effort"] == "medium"


def test_where_a_request_may_be_answered_is_named_when_nobody_heeds_it() -> None:
    assert translated(inference_geo="eu", speed="fast")[1] == ["inference_geo"]
