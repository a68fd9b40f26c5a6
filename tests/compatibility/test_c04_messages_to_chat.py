"""C4: `/v1/messages` to a chat upstream: mapped, passed, or dropped when only an offer."""

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
