"""Shapes as TRL, OpenAI, Axolotl and LLaMA-Factory document them (addresses in `shapes.py`)."""

import pytest

from steward.core.errors import InputError, UnknownName
from steward.improvement.dataset.rows import TrainingRow
from steward.improvement.dataset.shapes import SHAPES, describe_llamafactory, shape_rows

SYSTEM, ASK = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Where?"}
GOOD, BAD = {"role": "assistant", "content": "Here."}, {"role": "assistant", "content": "No."}
PAIR = TrainingRow(id="p", origin="correction", source="f", prompt=(SYSTEM, ASK), completion=(GOOD,), rejected=(BAD,))
LIKED = TrainingRow(id="l", origin="rating", source="f", prompt=(ASK,), completion=(GOOD,))
DISLIKED = TrainingRow(id="d", origin="rating", source="f", prompt=(ASK,), completion=(BAD,), label=False)
TOOLS = ({"type": "function", "function": {"name": "find"}},)
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "1", "function": {"name": "find", "arguments": '{"a":1}'}}],
}
CALLING = TrainingRow(id="c", origin="file", source="f", prompt=(ASK,), completion=(CALL,), tools=TOOLS)
HUMAN, GPT, WRONG = (
    {"from": who, "value": text} for who, text in (("human", "Where?"), ("gpt", "Here."), ("gpt", "No."))
)


@pytest.mark.parametrize(
    ("shape", "row", "expected"),
    [
        ("trl-sft", PAIR, [{"prompt": [SYSTEM, ASK], "completion": [GOOD]}]),
        ("trl-sft", CALLING, [{"prompt": [ASK], "completion": [CALL], "tools": list(TOOLS)}]),
        ("trl-sft", DISLIKED, []),
        ("trl-dpo", PAIR, [{"prompt": [SYSTEM, ASK], "chosen": [GOOD], "rejected": [BAD]}]),
        ("trl-dpo", LIKED, []),
        ("trl-kto", LIKED, [{"prompt": [ASK], "completion": [GOOD], "label": True}]),
        ("trl-kto", DISLIKED, [{"prompt": [ASK], "completion": [BAD], "label": False}]),
        (
            "trl-kto",
            PAIR,
            [
                {"prompt": [SYSTEM, ASK], "completion": [GOOD], "label": True},
                {"prompt": [SYSTEM, ASK], "completion": [BAD], "label": False},
            ],
        ),
        ("openai", PAIR, [{"messages": [SYSTEM, ASK, GOOD]}]),
        ("axolotl", LIKED, [{"messages": [ASK, GOOD]}]),
        (
            "openai-dpo",
            PAIR,
            [{"input": {"messages": [SYSTEM, ASK]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}],
        ),
        ("axolotl-dpo", PAIR, [{"messages": [SYSTEM, ASK], "chosen": GOOD, "rejected": BAD}]),
        ("llamafactory", PAIR, [{"conversations": [HUMAN, GPT], "system": "Be kind."}]),
        (
            "llamafactory",
            CALLING,
            [
                {
                    "conversations": [HUMAN, {"from": "function_call", "value": '{"name":"find","arguments":{"a":1}}'}],
                    "tools": '[{"type":"function","function":{"name":"find"}}]',
                }
            ],
        ),
        (
            "llamafactory-dpo",
            PAIR,
            [{"conversations": [HUMAN], "system": "Be kind.", "chosen": GPT, "rejected": WRONG}],
        ),
        ("llamafactory-kto", DISLIKED, [{"conversations": [HUMAN, WRONG], "kto_tag": False}]),
    ],
)
def test_a_row_in_each_shape(shape, row, expected):
    shaped = shape_rows([row], shape)
    assert (shaped.rows, shaped.left_out) == (expected, 0 if expected else 1)


def test_openai_pairs_with_tools_say_whether_calls_are_parallel():
    row = TrainingRow(
        id="c", origin="file", source="f", prompt=(ASK,), completion=(GOOD,), rejected=(BAD,), tools=TOOLS
    )
    assert shape_rows([row], "openai-dpo").rows[0]["input"] == {
        "messages": [ASK],
        "tools": list(TOOLS),
        "parallel_tool_calls": True,
    }


def test_what_has_no_place_is_an_error_that_names_the_row():
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
    row = TrainingRow(id="i", origin="file", source="f", prompt=(image,), completion=(GOOD,))
    with pytest.raises(InputError, match="row i: a message with parts that are no text"):
        shape_rows([row], "llamafactory")
    two = TrainingRow(id="t", origin="file", source="f", prompt=(ASK,), completion=(GOOD, GOOD), rejected=(BAD,))
    with pytest.raises(InputError, match="row t: an answer of 2 messages"):
        shape_rows([two], "axolotl-dpo")
    with pytest.raises(UnknownName, match="did you mean 'trl-sft'"):
        shape_rows([], "trl-stf")


def test_parts_that_are_texts_are_one_text():
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    row = TrainingRow(id="i", origin="file", source="f", prompt=(parts,), completion=(GOOD,))
    assert shape_rows([row], "llamafactory").rows[0]["conversations"][0] == {"from": "human", "value": "ab"}


def test_llamafactory_finds_a_file_by_its_entry():
    columns = {"messages": "conversations", "system": "system", "tools": "tools"}
    plain = {"file_name": "train.jsonl", "formatting": "sharegpt", "columns": columns}
    assert describe_llamafactory("s", "train.jsonl", "llamafactory") == {"s": plain}
    pairs = describe_llamafactory("s", "train.jsonl", "llamafactory-dpo")["s"]
    assert pairs["ranking"] is True and pairs["columns"] == columns | {"chosen": "chosen", "rejected": "rejected"}
    assert describe_llamafactory("s", "t", "llamafactory-kto")["s"]["columns"] == columns | {"kto_tag": "kto_tag"}


def test_every_shape_takes_every_kind_of_row():
    for shape in SHAPES:
        assert (
            len(shape_rows([PAIR, LIKED, DISLIKED], shape).rows) + shape_rows([PAIR, LIKED, DISLIKED], shape).left_out
            >= 3
        )
