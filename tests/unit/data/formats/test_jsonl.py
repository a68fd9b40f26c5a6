import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from steward.data.config import Source
from steward.data.formats.jsonl import explain_bad_json
from steward.data.planner import plan_reading
from steward.data.read_plan import row_location
from steward.data.reader import read_shard
from steward.data.stage import Entry


def everything(source: Source) -> tuple[list[dict[str, Any]], list[Entry]]:
    found = plan_reading(source)
    reads = [item for shard in found.shards for item in read_shard(shard, found.shape, source)]
    return [row for item in reads for row in item.batch.to_pylist()], [e for item in reads for e in item.failed]


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


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


def test_of_a_small_gzip_cut_short_every_whole_line_is_read(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps({"text": f"line {n} {n**9}"}) + "\n" for n in range(2000)).encode())
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    rows, [cut] = everything(Source(path=str(tmp_path / "a.jsonl.gz"), on_error="skip"))
    assert len(rows) > 800 and rows[-1]["text"].startswith(f"line {len(rows) - 1} ")
    assert (cut.rule, cut.where) == ("corrupt_file", f"a.jsonl.gz:{len(rows) + 1}")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"text": "a", "n": NaN}', "not_a_number"),
        ('{"text": "a", "n": -Infinity}', "not_a_number"),
        ('{"text": "\\ud800"}', "lone_surrogate"),
        ('{"text": "a', "malformed_json"),
    ],
)
def test_d11_a_line_that_is_not_json_fails_for_its_true_reason(tmp_path: Path, line: str, rule: str) -> None:
    file = jsonl(tmp_path / "a.jsonl", {"text": "fine"}, line + "\n", {"text": "fine"})
    rows, [entry] = everything(Source(path=str(file), on_error="skip"))
    assert len(rows) == 2 and (entry.rule, entry.where) == (rule, "a.jsonl:2")


def test_the_first_byte_that_is_not_utf_8_is_counted_from_1() -> None:
    assert explain_bad_json(b'{"a": "\xff"}', ValueError()).seen == "bytes that are not UTF-8 (byte 8)"


def test_d11_a_number_that_is_too_large_is_named() -> None:
    bad = explain_bad_json(b'{"text": "a", "n": 1e400}', ValueError("Number out of range"))
    assert (bad.rule, bad.seen) == ("malformed_json", "not JSON (Number out of range)")
