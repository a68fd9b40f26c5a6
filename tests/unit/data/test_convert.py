"""Shapes as TRL, LLaMA-Factory and OpenAI document them; values written by hand."""

import json
from typing import Any

import pytest

from steward.data.bad_row import BadRow
from steward.data.chat_formats import detect_chat_format, to_messages
from steward.data.convert import SHAPES, convert_row

S, Q, A = (
    {"role": role, "content": text} for role, text in (("system", "Be brief."), ("user", "Hi?"), ("assistant", "Yes."))
)
Q2, A2 = {"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "Quite."}
B = {"role": "assistant", "content": "No."}
CALL = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOOL = {"role": "tool", "content": "2", "tool_call_id": "call_0"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/cat.png"}}
CHAT = {"messages": [S, Q, A, Q2, A2], "id": "x"}
PAIR = {"prompt": [Q], "chosen": [A], "rejected": [B], "id": "x"}


@pytest.mark.parametrize(
    ("row", "shape", "rows"),
    [
        (CHAT, "openai", [CHAT]),
        (
            CHAT,
            "sharegpt",
            [{
                "system": "Be brief.",
                "conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."},
                                  {"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "Quite."}],
                "id": "x",
            }],
        ),
        (
            CHAT,
            "alpaca",
            [{"instruction": "Sure?", "input": "", "output": "Quite.", "system": "Be brief.",
              "history": [["Hi?", "Yes."]], "id": "x"}],
        ),
        (CHAT, "prompt-completion", [{"prompt": [S, Q, A, Q2], "completion": [A2], "id": "x"}]),
        ({**CHAT, "label": False}, "kto", [{"prompt": [S, Q, A, Q2], "completion": [A2], "id": "x", "label": False}]),
        (PAIR, "preference", [PAIR]),
        ({"prompt": "Hi?", "chosen": "Yes.", "rejected": "No.", "id": "x"}, "preference", [PAIR]),
        ({"chosen": [Q, A], "rejected": [Q, B], "id": "x"}, "preference", [PAIR]),
        ({"chosen": [Q, A], "rejected": [Q, A], "id": "x"}, "preference", [{**PAIR, "rejected": [A]}]),
        (
            PAIR,
            "openai-preference",
            [{"input": {"messages": [Q]}, "preferred_output": [A], "non_preferred_output": [B], "id": "x"}],
        ),
        (
            PAIR,
            "kto",
            [{"id": "x#chosen", "prompt": [Q], "completion": [A], "label": True},
             {"id": "x#rejected", "prompt": [Q], "completion": [B], "label": False}],
        ),
        (
            {"messages": [Q, CALLS, TOOL, A], "tools": [{"name": "f"}]},
            "sharegpt",
            [{
                "conversations": [
                    {"from": "human", "value": "Hi?"},
                    {"from": "function_call", "value": '{"name":"f","arguments":{"a":1}}'},
                    {"from": "observation", "value": "2"}, {"from": "gpt", "value": "Yes."},
                ],
                "tools": '[{"name":"f"}]',
            }],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "See "}, IMAGE]}, A]},
            "sharegpt",
            [{"conversations": [{"from": "human", "value": "See <image>"}, {"from": "gpt", "value": "Yes."}],
              "images": ["https://x.example/cat.png"]}],
        ),
    ],
)  # fmt: skip
def test_each_shape_is_written_as_documented(row: Any, shape: Any, rows: Any) -> None:
    assert convert_row(row, shape) == rows


@pytest.mark.parametrize("shape", ["sharegpt", "alpaca", "prompt-completion"])
def test_what_is_written_is_read_back_the_same(shape: Any) -> None:
    (written,) = convert_row(CHAT, shape)
    found = detect_chat_format(written)
    assert found == shape and to_messages(written, found) == CHAT


def test_tool_calls_survive_sharegpt() -> None:
    chat = {"messages": [Q, CALLS, TOOL, A], "tools": [{"name": "f"}]}
    (written,) = convert_row(chat, "sharegpt")
    assert convert_row(to_messages(written, "sharegpt"), "openai") == [chat]


def test_openais_pairs_are_read_back_the_same() -> None:
    (written,) = convert_row({**PAIR, "tools": [{"name": "f"}]}, "openai-preference")
    assert written["input"] == {"messages": [Q], "tools": [{"name": "f"}]}
    assert detect_chat_format(written) == "openai-preference"
    assert to_messages(written, "openai-preference") == {**PAIR, "tools": [{"name": "f"}]}


@pytest.mark.parametrize(
    ("row", "shape", "field"),
    [
        (CHAT, "preference", "messages"),
        (CHAT, "openai-preference", "messages"),
        (CHAT, "kto", "label"),
        (PAIR, "openai", "rejected"),
        (PAIR, "alpaca", "rejected"),
        ({"messages": [Q, CALLS, TOOL, A]}, "alpaca", "messages[1]"),
        ({"messages": [Q, TOOL, A]}, "alpaca", "messages[1]"),
        ({"messages": [Q, {**CALLS, "content": "Well"}]}, "sharegpt", "messages[1].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}, A]},
            "sharegpt",
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "user", "content": [IMAGE]}, A]}, "alpaca", "messages[0].content"),
        ({"messages": [Q, Q, A]}, "alpaca", "messages"),
        ({"messages": [S]}, "alpaca", "messages"),
        ({"messages": [Q]}, "prompt-completion", "messages"),
        ({"messages": [Q], "label": True}, "kto", "messages"),
    ],
)
def test_what_has_no_place_is_refused(row: Any, shape: Any, field: str) -> None:
    found = convert_row(row, shape)
    assert isinstance(found, BadRow) and (found.rule, found.field) == ("no_place", field)


def test_chosen_only_makes_chats_of_pairs_and_leaves_out_bad_answers() -> None:
    assert convert_row(PAIR, "openai", chosen_only=True) == [{"messages": [Q, A], "id": "x"}]
    assert convert_row({**CHAT, "label": False}, "openai", chosen_only=True) == []
    assert convert_row({**CHAT, "label": True}, "openai", chosen_only=True) == [{**CHAT, "label": True}]
    assert convert_row(PAIR, "preference", chosen_only=True) == [PAIR]


def test_several_calls_of_one_answer_are_a_list() -> None:
    (written,) = convert_row({"messages": [Q, {**CALLS, "tool_calls": [CALL, CALL]}]}, "sharegpt")
    assert json.loads(written["conversations"][1]["value"]) == [{"name": "f", "arguments": {"a": 1}}] * 2


def test_all_shapes_are_known() -> None:
    names = ("openai", "sharegpt", "alpaca", "prompt-completion", "preference", "openai-preference", "kto")
    assert names == SHAPES
