import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data.config import Source
from steward.data.planner import plan_reading
from steward.data.reader import read_shard
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
        assert [row["n"] for row in rows] == list(range(50)) and rows[7]["meta"] == (
            {"deep": [7]} if name.endswith("parquet") else '{"deep":[7]}'
        )
        assert rows[7]["id"] == f"{name}:8"


BAD = [
    ('{"text": "cut', "malformed_json", ""),
    ('{"text": "\\ud800"}', "lone_surrogate", ""),
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
