import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
from steward.data.records import common_type, fits, value_type
from steward.data.stage import Entry


def everything(source: Source) -> tuple[list[dict[str, Any]], list[Entry]]:
    found = plan_reading(source)
    reads = [item for shard in found.shards for item in read_shard(shard, found.shape, source)]
    return [row for item in reads for row in item.batch.to_pylist()], [e for item in reads for e in item.failed]


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_chats_keep_tool_calls_and_refuse_unknown_roles(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    bot = {"role": "bot", "content": "hi"}
    file = jsonl(tmp_path / "a.jsonl", {"messages": [parts, call]}, {"messages": [parts, bot]}, {"messages": []})
    rows, failed = everything(Source(path=str(file), on_error="skip"))
    assert rows[0]["messages"][0] == {"role": "user", "content": "ab", "more": None}
    assert json.loads(rows[0]["messages"][1]["more"]) == {"tool_calls": [{"id": "1"}]}
    assert [(e.rule, e.where) for e in failed] == [
        ("unknown_role", "a.jsonl:2 messages[1].role"),
        ("no_messages", "a.jsonl:3 messages"),
    ]


def test_pairs_and_keys_that_appear_late(tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": "c", "rejected": "r"}] * 300 + [{"chosen": "c", "rejected": "r", "late": 1}]
    found, failed = everything(Source(path=str(jsonl(tmp_path / "a.jsonl", *rows))))
    assert (
        not failed and found[0]["prompt"] == "p" and found[300]["prompt"] == "" and found[300]["more"] == '{"late":1}'
    )


WIDER = [
    ([1] * 250, 0.87, "double"),
    ([1] * 250, True, "json"),
    ([1] * 250, 2**70, "json"),
    ([0.5] * 250, 2**53 + 1, "json"),
    ([True] * 250, 1, "json"),
    (["a"] * 250, 1, "json"),
]


@pytest.mark.parametrize(("first", "late", "kind"), WIDER)
def test_d04_a_value_that_does_not_fit_its_column_is_never_altered(
    tmp_path: Path, first: list[Any], late: Any, kind: Any
) -> None:
    file = jsonl(tmp_path / "a.jsonl", *[{"text": "t", "n": n} for n in [*first, late]])
    rows, [entry] = everything(Source(path=str(file), on_error="skip"))
    assert len(rows) == 250 and (entry.rule, entry.where) == ("mixed_schema", "a.jsonl:251 n")
    with pytest.raises(InputError, match=r"a\.jsonl:251: field 'n': .* set input\.types: \{n: "):
        everything(Source(path=str(file)))
    rows, failed = everything(Source(path=str(file), types={"n": kind}))
    value = rows[250]["n"]
    assert not failed and (json.loads(value) if kind == "json" else value) == late


def test_d04_whole_numbers_beyond_64_bits_are_kept(tmp_path: Path) -> None:
    rows, _ = everything(Source(path=str(jsonl(tmp_path / "a.jsonl", {"text": "t", "n": 10**30}))))
    assert rows[0]["n"] == str(10**30)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "null"), ("a", "string"), (True, "bool"), (1, "int64"), (0.5, "double"), ([1], "json"),
     (2**63 - 1, "int64"), (2**63, "json"), (-(2**63), "int64"), (-(2**63) - 1, "json")],
)  # fmt: skip
def test_the_type_of_a_value(value: object, kind: str) -> None:
    assert value_type(value) == kind


@pytest.mark.parametrize(
    ("types", "kind"),
    [({"int64"}, "int64"), ({"int64", "null"}, "int64"), ({"int64", "double"}, "double"), ({"null"}, "json"),
     ({"int64", "string"}, "json"), ({"double", "null"}, "double")],
)  # fmt: skip
def test_the_type_that_holds_all(types: set[str], kind: str) -> None:
    assert common_type(types) == kind


@pytest.mark.parametrize(
    ("values", "kind", "unaltered"),
    [
        ([1, None], pa.int64(), True),
        ([1, 0.5], pa.int64(), False),
        ([1, 0.5, None], pa.float64(), True),
        ([2**53], pa.float64(), True),
        ([-(2**53) - 1], pa.float64(), False),  # no double holds it
        ([2**53 + 2, 0.5], pa.float64(), False),
        ([1e300], pa.float64(), True),
        (["a"], pa.float64(), False),
        (["a"], pa.string(), True),
    ],
)
def test_a_column_takes_values_unaltered(values: list[Any], kind: pa.DataType, unaltered: bool) -> None:
    assert fits(values, kind) is unaltered


def test_ids_are_texts_and_a_missing_prompt_is_empty(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a.jsonl", {"id": 7, "text": "a"}, {"id": "x", "text": "b"}, {"text": "c"})
    assert [row["id"] for row in everything(Source(path=str(file)))[0]] == ["7", "x", "a.jsonl:3"]
    pair = jsonl(
        tmp_path / "b.jsonl", {"chosen": "a", "rejected": "b"}, {"prompt": "p", "chosen": "a", "rejected": "b"}
    )
    assert [row["prompt"] for row in everything(Source(path=str(pair)))[0]] == ["", "p"]
