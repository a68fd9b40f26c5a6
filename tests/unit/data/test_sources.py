import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.sources import plan_reading, read_shard, row_location
from steward.data.stage import Entry


def everything(source: Source) -> tuple[list[dict[str, Any]], list[Entry]]:
    found = plan_reading(source)
    reads = [item for shard in found.shards for item in read_shard(shard, found.shape, source)]
    return [row for item in reads for row in item.batch.to_pylist()], [e for item in reads for e in item.failed]


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


DOCUMENTS = [{"text": f"text {n} ü", "n": n, "meta": {"deep": [n]}} for n in range(50)]


def test_the_same_rows_from_every_format(tmp_path: Path) -> None:
    text = "".join(json.dumps(row) + "\n" for row in DOCUMENTS)
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    with pa.CompressedOutputStream(str(tmp_path / "a.jsonl.zst"), "zstd") as out:
        out.write(text.encode())
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.parquet"):
        rows, failed = everything(Source(path=str(tmp_path / name)))
        assert not failed and [row["text"] for row in rows] == [row["text"] for row in DOCUMENTS], name
        assert [row["n"] for row in rows] == list(range(50)) and rows[7]["meta"] == '{"deep":[7]}'
        assert rows[7]["id"] == f"{name}:8"


def test_csv_with_quoted_line_ends_counts_lines_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('text,label\n"two\nlines",x\nbad\n"caf\xe9",y\nend,z\n'.encode("latin-1"))
    rows, failed = everything(Source(path=str(tmp_path / "a.csv"), on_error="skip"))
    assert [(row["text"], row["label"]) for row in rows] == [("two\nlines", "x"), ("end", "z")]
    assert [(entry.rule, entry.id) for entry in failed] == [("wrong_columns", "a.csv:4"), ("invalid_utf8", "a.csv:5")]


@pytest.mark.parametrize("shard_mb", [0.0001, 0.001, 0.01, 16])
def test_a_file_split_inside_gives_every_line_once_with_its_number(tmp_path: Path, shard_mb: float) -> None:
    file = jsonl(tmp_path / "a.jsonl", *[{"text": "x" * (n % 97)} for n in range(300)])
    source = Source(path=str(file), shard_mb=shard_mb)
    rows, _ = everything(source)
    assert [len(row["text"]) for row in rows] == [n % 97 for n in range(300)]
    assert [row["id"] for row in rows] == [f"a.jsonl:{n}" for n in range(1, 301)]
    numbers = [row["row"] for row in rows]
    assert numbers == sorted(set(numbers))
    assert [row_location(number, plan_reading(source).shards) for number in numbers] == [row["id"] for row in rows]


BAD = [
    ('{"text": "cut', "malformed_json", ""),
    ('{"text": "\\ud800"}', "malformed_json", ""),
    ("[1]", "not_an_object", ""),
    ('{"text": null}', "missing_text", "text"),
    ('{"n": 1}', "missing_text", "text"),
    ('{"text": 5}', "not_text", "text"),
    ('{"text": "fine", "n": "many"}', "mixed_schema", "n"),
    (json.dumps({"text": "x" * 20_000}), "line_too_long", ""),
]


@pytest.mark.parametrize(("line", "rule", "field"), BAD)
def test_a_bad_row_is_named_by_file_line_and_field(tmp_path: Path, line: str, rule: str, field: str) -> None:
    good = [{"text": "fine", "n": 1}] * 200  # as many as decide the columns
    file = jsonl(tmp_path / "a.jsonl", *good, line + "\n", *good)
    rows, failed = everything(Source(path=str(file), on_error="skip", max_line_mb=0.01))
    assert len(rows) == 400 and [(entry.rule, entry.where) for entry in failed] == [
        (rule, f"a.jsonl:201 {field}".strip())
    ]
    with pytest.raises(InputError, match=rf"a\.jsonl:201: {f'field .{field}.: ' if field else ''}"):
        everything(Source(path=str(file), max_line_mb=0.01))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "a"}\n{"text": "caf\xe9"}\n')
    _, failed = everything(Source(path=str(tmp_path / "a.jsonl"), on_error="skip"))
    assert [(entry.rule, entry.id) for entry in failed] == [("invalid_utf8", "a.jsonl:2")]
    array = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xe9")]
    )
    pq.write_table(pa.table({"text": array}), tmp_path / "b.parquet")
    rows, failed = everything(Source(path=str(tmp_path / "b.parquet"), on_error="skip"))
    assert len(rows) == 1 and [(entry.rule, entry.where) for entry in failed] == [("invalid_utf8", "b.parquet:2 text")]


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


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet", "short.parquet"])
def test_a_file_cut_short_is_a_failed_row_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    text = "".join(json.dumps({"text": str(n) * 20}) + "\n" for n in range(20_000)).encode()
    jsonl(tmp_path / "good.jsonl", {"text": "good"})
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": ["a" * 50] * 1000}), tmp_path / name)
        whole = (tmp_path / name).read_bytes()
    else:
        with pa.CompressedOutputStream(str(tmp_path / name), "gzip" if name.endswith("gz") else "zstd") as out:
            out.write(text)
        whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(
        whole[:100] + b"\xff" * 40 + whole[140:] if name == "a.parquet" else whole[: len(whole) // 2]
    )
    rows, failed = everything(Source(path=str(tmp_path / "*"), on_error="skip"))
    assert rows[-1]["text"] == "good" or rows[0]["text"] == "good"
    assert [entry.rule for entry in failed] == ["corrupt_file"] and name in str(failed[0].where)
    with pytest.raises(InputError, match=name):
        everything(Source(path=str(tmp_path / "*")))


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        ("", {}, "without a row"),
        ('{"body": "x"}\n', {}, "no column text, messages, or chosen and rejected; its columns are body"),
        ('{"body": "x"}\n', {"text": "boddy"}, "did you mean 'body'"),
        ('{"text": "x"}\n', {"id": "key"}, "unknown column"),
        ("nonsense\n", {}, "a.jsonl:1: none of the first 200 rows can be read: not JSON"),
    ],
)
def test_what_cannot_be_planned_is_said(tmp_path: Path, content: str, options: Any, expected: str) -> None:
    file = jsonl(tmp_path / "a.jsonl", content)
    with pytest.raises(InputError, match=expected):
        plan_reading(Source(path=str(file), **options))
    with pytest.raises(InputError, match="no file matches"):
        plan_reading(Source(path=str(tmp_path / "*.none")))


def test_an_empty_file_among_others_is_counted(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", {"text": "x"}, "\n", {"text": "y"})
    (tmp_path / "b.jsonl").touch()
    found = plan_reading(Source(path=str(tmp_path / "*.jsonl")))
    assert found.empty_files == 1 and len(found.shards) == 1
    assert sum(item.blank for item in read_shard(found.shards[0], found.shape, Source(path="x"))) == 1


def test_of_a_small_gzip_cut_short_every_whole_line_is_read(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps({"text": f"line {n} {n**9}"}) + "\n" for n in range(2000)).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    rows, [cut] = everything(Source(path=str(tmp_path / "a.jsonl.gz"), on_error="skip"))
    assert len(rows) > 800 and rows[-1]["text"].startswith(f"line {len(rows) - 1} ")
    assert (cut.rule, cut.where) == ("corrupt_file", f"a.jsonl.gz:{len(rows) + 1}")
