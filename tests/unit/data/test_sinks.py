import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
