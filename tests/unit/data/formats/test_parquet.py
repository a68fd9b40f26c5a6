import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data.config import Sink, Source
from steward.data.pipeline import Pipeline
from steward.data.stages.outliers import Outliers

COLUMNS: dict[str, pa.Array] = {
    "list": pa.array([[1, 2], None], pa.list_(pa.int32())),
    "struct": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": "y"}]),
    "time": pa.array([1_700_000_000_123_456_789, None], pa.timestamp("ns", tz="UTC")),
    "day": pa.array([datetime.date(2026, 1, 2), None]),
    "large": pa.array([2**64 - 1, 2**63], pa.uint64()),
    "small": pa.array([1, 2], pa.int8()),
    "bytes": pa.array([b"\xff", b""]),
    "float": pa.array([float("nan"), 0.5]),
}


def run(folder: Path, table: pa.Table, format_: Any = "parquet", stages: Any = ()) -> Path:
    pq.write_table(table, folder / "in.parquet")
    Pipeline(list(stages)).run(str(folder / "in.parquet"), Sink(path=str(folder / "out"), format=format_))
    return folder / f"out/part-00000.{format_}"


def test_d04_types_are_kept_through_parquet(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"], **COLUMNS})
    out = pq.read_table(run(tmp_path, table))
    for name, column in COLUMNS.items():
        assert out[name].type == column.type, name
        assert (
            str(out[name].to_pylist()) == str(column.to_pylist())
            if name == "float"
            else out[name].equals(pa.chunked_array([column]))
        ), name


def test_d11_odd_nanoseconds_are_read_and_written_as_json(tmp_path: Path) -> None:
    part = run(tmp_path, pa.table({"text": ["a", "b"], **COLUMNS}), "jsonl")
    first = json.loads(part.read_text().splitlines()[0])
    assert first["time"] == "2023-11-14 22:13:20.123456789Z" and first["list"] == [1, 2]
    assert (first["large"], first["day"], first["struct"]) == (2**64 - 1, "2026-01-02", {"a": 1, "b": "x"})


def test_d11_embeddings_are_lists(tmp_path: Path) -> None:
    rows = [{"text": f"text {n}", "vector": [float(n % 3), 1.5 + n / 7]} for n in range(40)]
    rows.append({"text": "text", "vector": [900.0, 900.0]})
    stage = Outliers(embedding="vector", measures=("embedding",))
    assert pq.read_table(run(tmp_path, pa.Table.from_pylist(rows), stages=[stage])).num_rows == 40
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(path=str(tmp_path / "in.jsonl"))
    assert Pipeline([stage]).run(source, str(tmp_path / "json")).rows_out == 40


def test_d04_files_of_different_types_fall_back_to_json(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "x": [[1]]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": ["b"], "x": [{"k": 1}]}), tmp_path / "b.parquet")
    Pipeline([]).run(str(tmp_path / "*.parquet"), Sink(path=str(tmp_path / "out"), format="jsonl"))
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert [json.loads(part.read_text())["x"] for part in parts] == [[1], {"k": 1}]


def test_a_column_that_steward_uses_is_refused_or_renamed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "row": [1], "z": [[1]]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"input\.rename: \{row: row_before\}"):
        Pipeline([]).run(str(tmp_path / "a.parquet"), str(tmp_path / "out"))
    source = Source(path=str(tmp_path / "a.parquet"), rename={"row": "r", "z": "list"})
    Pipeline([]).run(source, str(tmp_path / "renamed"))
    assert pq.read_table(tmp_path / "renamed/part-00000.parquet").select(["r", "list"]).to_pylist() == [
        {"r": 1, "list": [1]}
    ]
