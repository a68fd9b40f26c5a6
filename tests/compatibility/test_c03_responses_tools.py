"""C3: Responses as Codex and the Agents SDK send them: function tools work, offers are dropped by name."""

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
