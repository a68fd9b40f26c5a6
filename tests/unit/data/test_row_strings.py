import json
from typing import Any

import pyarrow as pa
import pytest

from data_batches import batch
from steward.core.errors import InputError
from steward.data.row_strings import (
    count_media,
    get_all_texts,
    get_content_texts,
    get_media_keys,
    list_strings,
    make_content_keys,
    rewrite_all_texts,
)
from steward.data.stages.dedupe_exact import DedupeExact
from steward.data.stages.pii import Pii
from steward.data.stages.secrets import Secrets

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
MESSAGE = pa.struct([(name, pa.large_string()) for name in ("role", "content", "more")])


def chats(*rows: list[tuple[str, str | None, dict[str, Any]]], **columns: Any) -> pa.RecordBatch:
    messages = [
        [{"role": role, "content": content, "more": json.dumps(more) if more else None} for role, content, more in row]
        for row in rows
    ]
    content = {"row": list(range(len(rows))), "id": [f"c{n}" for n in range(len(rows))]}
    return pa.record_batch({**content, "messages": pa.array(messages, pa.list_(MESSAGE)), **columns})


def call(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": "send", "arguments": json.dumps(arguments)}}]}


CHAT: Any = [
    ("user", "Write to Bo", {}),
    ("assistant", None, {**call({"to": "Bo", "n": 5}), "reasoning_content": "Bo?"}),
]


def find(text: str) -> list[tuple[int, int, str]]:
    return [(at, at + 2, "person") for at in range(len(text)) if text.startswith("Bo", at)]


def test_d05_tool_calls_and_reasoning_are_masked() -> None:
    result = Pii(detector=find).apply(chats(CHAT))
    message = json.loads(result.batch["messages"][0].as_py()[1]["more"])
    assert message["tool_calls"][0]["function"]["arguments"] == '{"to":"[PERSON]","n":5}'
    assert message["reasoning_content"] == "[PERSON]?"
    assert [(e.rule, e.value) for e in result.entries] == [("person", 3.0)]


def test_d05_other_columns_are_read_and_may_be_skipped() -> None:
    nested = pa.array([[{"k": KEY, "n": 1}]])
    rows = batch("plain", note=[f"key {KEY}"], nested=nested)
    masked = Secrets().apply(rows).batch
    assert masked["note"].to_pylist() == ["key [AWS_ACCESS_KEY]"]
    assert masked["nested"].to_pylist() == [[{"k": "[AWS_ACCESS_KEY]", "n": 1}]]
    assert Secrets(skip=("note", "nested")).apply(rows).batch.equals(rows)
    assert Secrets(mode="drop").apply(rows).batch.num_rows == 0


def test_d05_json_columns_are_read_as_what_they_say() -> None:
    field = pa.field("meta", pa.large_string(), metadata={"json": "1"})
    rows = batch("plain").append_column(field, pa.array([json.dumps({"a": ["Bo"], "b": 1.50})], pa.large_string()))
    assert get_all_texts(rows) == ["plain\n\nBo"]
    assert Pii(detector=find).apply(rows).batch["meta"].to_pylist() == ['{"a":["[PERSON]"],"b":1.5}']
    assert rewrite_all_texts(rows, lambda texts: list(texts)).equals(rows)  # nothing found: as it was written


@pytest.mark.parametrize(
    "other",
    [
        [("user", "q", {}), ("assistant", None, call({"city": "Bonn"}))],
        [("user", "q", {}), ("user", None, call({"city": "Rome"}))],
        [("user", "q", {}), ("assistant", "", {})],
        [("user", "q\n", {}), ("assistant", "", call({"city": "Rome"})), ("assistant", "", {})],
    ],
)
def test_d06_roles_boundaries_and_calls_count(other: Any) -> None:
    first: Any = [("user", "q", {}), ("assistant", None, call({"city": "Rome"}))]
    rows = chats(first, other, first)
    assert DedupeExact().decide([DedupeExact().survey(rows)])["row"].to_pylist() == [2]


def test_d06_fields_of_a_pair_and_declared_tools_count() -> None:
    rows = {"row": [0, 1], "id": ["a", "b"], "prompt": ["x y", "x"], "chosen": ["z", "y z"], "rejected": ["w", "w"]}
    assert len(set(make_content_keys(pa.record_batch(rows)))) == 2
    chat: Any = [("user", "q", {}), ("assistant", "a", {})]
    assert len(set(make_content_keys(chats(chat, chat, tools=["[]", '[{"name": "f"}]'])))) == 2


@pytest.mark.parametrize(("labels", "different"), [([True, False], 2), ([True, True], 1), (["a", "b"], 1)])
def test_d06_the_same_answer_wanted_and_unwanted_is_two_rows(labels: list[Any], different: int) -> None:
    """TRL's KTO: a label of true or false belongs to the example; another is a note about the row."""
    chat: Any = [("user", "q", {}), ("assistant", "a", {})]
    assert len(set(make_content_keys(chats(chat, chat, label=labels)))) == different


def test_d06_near_duplicates_are_measured_with_their_calls() -> None:
    assert get_content_texts(chats(CHAT)) == ["Write to Bo\n\n\n\nsend\n\nBo\n\nBo?"]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "Bo" * 200}}
PICTURE: Any = [
    ("user", "Bo?", {"content_parts": [{"type": "text", "length": 3}, IMAGE, {"type": "file", "name": "Bo"}]})
]


def test_images_are_kept_counted_and_not_read() -> None:
    rows = chats(PICTURE)
    assert get_all_texts(rows) == ["Bo?\n\nBo"]
    changed = rewrite_all_texts(rows, lambda texts: [text.replace("Bo", "X") for text in texts])
    (message,) = changed["messages"][0].as_py()
    assert message["content"] == "X?"
    assert json.loads(message["more"])["content_parts"][1:] == [IMAGE, {"type": "file", "name": "X"}]
    assert count_media(rows) == {"image_url": 1, "file": 1}


def test_rows_that_differ_by_an_image_are_different() -> None:
    other = [
        ("user", "Bo?", {"content_parts": [{"type": "text", "length": 3}, {"type": "image_url", "image_url": "u"}]})
    ]
    rows = chats(PICTURE, other, PICTURE, CHAT)
    one, two, again, none = get_media_keys(rows)
    assert one == again != two and none == "" and two
    keys = make_content_keys(rows)
    assert keys[0] == keys[2] != keys[1]


def test_pairs_of_messages_are_read_and_changed_as_chats_are() -> None:
    message = {"role": "user", "content": "Bo", "more": json.dumps(call({"to": "Bo"}))}
    sides = {name: pa.array([[message]], pa.list_(MESSAGE)) for name in ("prompt", "chosen", "rejected")}
    rows = pa.record_batch({"row": [0], "id": ["p"], **sides})
    assert get_all_texts(rows)[0].count("Bo") == 6
    changed = rewrite_all_texts(rows, lambda texts: [text.replace("Bo", "X") for text in texts])
    assert "Bo" not in str(changed.to_pylist())
    assert list_strings(rows) == ([0, 0, 0], ["Bo", "Bo", "Bo"])


def test_d05_maps_fixed_lists_and_keys_are_read() -> None:
    rows = batch(
        "plain",
        links=pa.array([[("Bo", KEY)]], pa.map_(pa.string(), pa.string())),
        pair=pa.array([[f"a {KEY}", "b"]], pa.list_(pa.string(), 2)),
        kind=pa.array([f"k {KEY}"]).dictionary_encode(),
    )
    masked = Secrets().apply(rows).batch
    assert masked["links"].to_pylist() == [[("Bo", "[AWS_ACCESS_KEY]")]]
    assert masked["pair"].to_pylist() == [["a [AWS_ACCESS_KEY]", "b"]]
    assert masked["kind"].to_pylist() == ["k [AWS_ACCESS_KEY]"]
    assert masked.schema == rows.schema
    assert Secrets(mode="drop").apply(rows.select(["row", "id", "text", "links"])).batch.num_rows == 0


def test_d05_keys_that_are_no_names_are_values_and_none_is_lost() -> None:
    field = pa.field("meta", pa.large_string(), metadata={"json": "1"})
    values = [json.dumps({"from Bo": 1, "to Bo": 2, "x": {"from Bo": "Bo", "from [PERSON]": 3}})]
    rows = batch("plain").append_column(field, pa.array(values, pa.large_string()))
    masked = json.loads(Pii(detector=find).apply(rows).batch["meta"].to_pylist()[0])
    assert masked == {"from [PERSON]": 1, "to [PERSON]": 2, "x": {"from [PERSON]": "[PERSON]", "from [PERSON] 2": 3}}


def test_d09_a_column_to_skip_must_be_there() -> None:
    with pytest.raises(InputError, match="unknown column 'noet'; did you mean 'note'"):
        Secrets(skip=("noet",)).apply(batch("plain", note=["x"]))
