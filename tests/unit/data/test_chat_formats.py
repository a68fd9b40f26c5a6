import json
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.data.chat_formats import detect_chat_format, to_messages
from steward.data.config import Sink
from steward.data.pipeline import Pipeline

Q, A = {"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Yes."}
S = {"role": "system", "content": "Be brief."}


def read(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    (folder / "a.jsonl").write_text(json.dumps(row) + "\n")
    Pipeline([]).run(str(folder / "a.jsonl"), Sink(path=str(folder / "out"), format="jsonl"))
    return dict(json.loads((folder / "out/rows/part-00000.jsonl").read_text()))


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Yes."}]}, [Q, A]),
        ({"conversations": [{"from": "human", "value": "Hi?"}], "system": "Be brief."}, [S, Q]),
        ({"conversations": [Q, A]}, [Q, A]),
        ({"instruction": "Hi?", "input": "", "output": "Yes."}, [Q, A]),
        ({"instruction": "Hi", "input": "you?", "output": "Yes."}, [{**Q, "content": "Hi\n\nyou?"}, A]),
        ({"prompt": "Hi?", "completion": "Yes."}, [Q, A]),
        ({"prompt": [S, Q], "completion": [A]}, [S, Q, A]),
        ({"instruction": "Hi?", "output": "Yes.", "history": [["Hi?", "Yes."]]}, [Q, A, Q, A]),
    ],
)
def test_every_shape_becomes_messages_and_the_rest_is_kept(
    tmp_path: Path, row: dict[str, Any], messages: list[dict[str, Any]]
) -> None:
    found = read(tmp_path, {**row, "id": "x", "score": 3})
    assert found == {"id": "x", "messages": messages, "score": 3}


def test_an_unknown_speaker_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jsonl:1: field 'messages\[0\]\.role': unknown role 'narrator'"):
        read(tmp_path, {"conversations": [{"from": "narrator", "value": "Once"}]})


def test_documents_pairs_and_chats_have_no_other_shape() -> None:
    for columns in (["text", "conversations"], ["prompt", "chosen", "rejected", "completion"], ["messages"], ["a"]):
        assert detect_chat_format(columns) is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["chosen", "rejected"], None),
        (["chosen", "prompt", "completion"], "prompt-completion"),
        (["prompt", "completion"], "prompt-completion"),
        (["prompt"], None),
        (["instruction", "output"], "alpaca"),
        (["instruction"], None),
        (["output"], None),
        (["conversations", "instruction", "output"], "sharegpt"),
        (["conversations", "chosen", "rejected"], "sharegpt-preference"),
        (["instruction", "chosen", "rejected"], "alpaca-preference"),
        (["prompt", "instruction", "chosen", "rejected"], None),
        (["input", "preferred_output", "non_preferred_output"], "openai-preference"),
        (["input", "preferred_output"], None),
    ],
)
def test_a_shape_is_told_by_its_columns(columns: list[str], expected: str | None) -> None:
    assert detect_chat_format(columns) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [Q], "chosen": [A], "rejected": [S]},
        {"prompt": [Q], "chosen": "Yes.", "rejected": [S]},
        {"conversations": [{"from": "human", "value": "Hi?"}], "chosen": {"from": "gpt", "value": "Yes."},
         "rejected": {"from": "system", "value": "Be brief."}},
        {"instruction": "Hi?", "input": "", "chosen": "Yes.", "rejected": [S]},
        {"input": {"messages": [Q]}, "preferred_output": [A], "non_preferred_output": [S]},
    ],
)  # fmt: skip
def test_pairs_of_messages_are_read_from_every_shape(tmp_path: Path, row: dict[str, Any]) -> None:
    found = read(tmp_path, {**row, "id": "x", "score": 3})
    assert found == {"id": "x", "prompt": [Q], "chosen": [A], "rejected": [S], "score": 3}


def test_an_implicit_prompt_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path, {"chosen": [Q, A], "rejected": [Q, S]})["prompt"] == []


def test_calls_of_sharegpt_get_ids_in_order() -> None:
    call = {"from": "function_call", "value": '[{"name": "f", "arguments": {}}, {"name": "g", "arguments": "{}"}]'}
    turns = [call, {"from": "observation", "value": "1"}, {"from": "tool_response", "value": "2"}]
    messages = to_messages({"conversations": turns}, "sharegpt")["messages"]
    assert [one["id"] for one in messages[0]["tool_calls"]] == ["call_0", "call_1"]
    assert [one["tool_call_id"] for one in messages[1:]] == ["call_0", "call_1"]
    words = to_messages({"conversations": [{"from": "function_call", "value": "no JSON"}]}, "sharegpt")["messages"]
    assert words == [{"role": "function_call", "content": "no JSON"}]


@pytest.mark.parametrize("value", ["[1]", '[{"arguments": {}}]', '[{"name": 3}]', '[{"name": "f"}, "g"]', "7"])
def test_what_names_no_function_stays_a_text(value: str) -> None:
    turns = [{"from": "function_call", "value": value}]
    assert to_messages({"conversations": turns}, "sharegpt")["messages"] == [
        {"role": "function_call", "content": value}
    ]
