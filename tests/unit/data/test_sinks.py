import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.sinks import PartsSink


def batch(first: int, rows: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(range(first, first + rows), pa.int64())})  # 8 bytes a row


@pytest.mark.parametrize(
    ("limit", "parts"),
    [
        (None, [("part-00007.parquet", 12)]),
        (1000, [("part-00007-000.parquet", 12)]),
        (64, [("part-00007-000.parquet", 6), ("part-00007-001.parquet", 6)]),
        (48, [("part-00007-000.parquet", 6), ("part-00007-001.parquet", 6)]),
        (40, [("part-00007-000.parquet", 5), ("part-00007-001.parquet", 1), ("part-00007-002.parquet", 5),
              ("part-00007-003.parquet", 1)]),
        (8, [(f"part-00007-{number:03d}.parquet", 1) for number in range(12)]),
        (1, [(f"part-00007-{number:03d}.parquet", 1) for number in range(12)]),
    ],
)  # fmt: skip
def test_parts_hold_at_most_so_many_bytes(tmp_path: Path, limit: int | None, parts: list[tuple[str, int]]) -> None:
    sink = PartsSink(tmp_path, 7, "parquet", limit)
    sink.write(batch(0, 6))
    sink.write(batch(6, 6))
    written = sink.close()
    assert [(part.name, part.rows) for part in written] == parts
    assert [part.sha256 for part in written] == [
        hashlib.sha256((tmp_path / part.name).read_bytes()).hexdigest() for part in written
    ]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [n for name in names for n in pq.read_table(tmp_path / name)["n"].to_pylist()] == [*range(12)]


def test_no_row_is_no_part(tmp_path: Path) -> None:
    assert PartsSink(tmp_path, 0, "jsonl").close() == () and not list(tmp_path.iterdir())


def test_values_of_a_column_are_folders(tmp_path: Path) -> None:
    rows = pa.record_batch({"n": [1, 2, 3], "split": ["train", "test", "train"]})
    sink = PartsSink(tmp_path, 0, "parquet", None, "split")
    sink.write(rows)
    sink.write(rows.slice(0, 1))
    assert [(part.name, part.rows) for part in sink.close()] == [
        ("test/part-00000.parquet", 1),
        ("train/part-00000.parquet", 3),
    ]
    assert pq.read_table(tmp_path / "train/part-00000.parquet")["n"].to_pylist() == [1, 3, 1]


@pytest.mark.parametrize("value", ["../x", "a/b", "", None, ".hidden", "x" * 101])
def test_a_value_that_is_no_name_of_a_folder_is_refused(tmp_path: Path, value: str | None) -> None:
    with pytest.raises(InputError, match=r"output\.folders: split has the value"):
        PartsSink(tmp_path, 0, "jsonl", None, "split").write(pa.record_batch({"split": pa.array([value], pa.string())}))


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'split'"):
        PartsSink(tmp_path, 0, "jsonl", None, "splits").write(pa.record_batch({"split": ["a"]}))
