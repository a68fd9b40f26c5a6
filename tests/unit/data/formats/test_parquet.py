import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data.config import Sink, Source
from steward.data.formats.parquet import read_native_types, read_parquet, split_parquet
from steward.data.pipeline import Pipeline
from steward.data.planner import plan_reading
from steward.data.read_plan import Shard
from steward.data.reader import read_shard
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
    return folder / f"out/rows/part-00000.{format_}"


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
    parts = sorted((tmp_path / "out/rows").glob("part-*"))
    assert [json.loads(part.read_text())["x"] for part in parts] == [[1], {"k": 1}]


def test_a_column_that_steward_uses_is_refused_or_renamed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "row": [1], "z": [[1]]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"input\.rename: \{row: row_before\}"):
        Pipeline([]).run(str(tmp_path / "a.parquet"), str(tmp_path / "out"))
    source = Source(path=str(tmp_path / "a.parquet"), rename={"row": "r", "z": "list"})
    Pipeline([]).run(source, str(tmp_path / "renamed"))
    assert pq.read_table(tmp_path / "renamed/rows/part-00000.parquet").select(["r", "list"]).to_pylist() == [
        {"r": 1, "list": [1]}
    ]


@pytest.fixture
def groups(tmp_path: Path) -> str:
    """Ten rows in row groups of 3, 3, 3 and 1."""
    rows = {"text": [f"{n}" * 40 for n in range(10)], "list": [[n] for n in range(10)]}
    pq.write_table(pa.table(rows), tmp_path / "a.parquet", row_group_size=3)
    return str(tmp_path / "a.parquet")


def split(path: str, shard_mb: float) -> list[tuple[int, int, int, int]]:
    shards = split_parquet(Shard(5, path, "a.parquet", "parquet"), Source(path=path, shard_mb=shard_mb))
    return [(shard.index, shard.start, shard.end, shard.first_line) for shard in shards]


def test_shards_are_of_whole_row_groups(groups: str) -> None:
    sizes = [pq.ParquetFile(groups).metadata.row_group(index).total_byte_size for index in range(4)]
    assert split(groups, 1e-6) == [(5, 0, 1, 1), (6, 1, 2, 4), (7, 2, 3, 7), (8, 3, 4, 10)]
    assert split(groups, (sizes[0] + sizes[1]) / 2**20) == [(5, 0, 2, 1), (6, 2, 4, 7)]
    assert split(groups, 16) == [(5, 0, 4, 1)]


def test_a_file_that_cannot_be_opened_is_one_shard_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    shard = Shard(0, str(tmp_path / "a.parquet"), "a.parquet", "parquet")
    assert split_parquet(shard, Source(path=shard.path, on_error="skip")) == [shard]
    with pytest.raises(InputError, match=r"a\.parquet: not a readable parquet file"):
        split_parquet(shard, Source(path=shard.path, on_error="fail"))


def test_rows_carry_their_numbers_and_sizes(groups: str) -> None:
    shard = Shard(0, groups, "a.parquet", "parquet", start=1, end=3, first_line=4)
    rows = list(read_parquet(shard, Source(path=groups)))
    assert [(row.number, row.value) for row in rows] == [
        (n + 1, {"text": f"{n}" * 40, "list": [n]}) for n in range(3, 9)
    ]
    assert all(40 < row.size < 100 for row in rows)  # 40 letters, their offsets and a number
    [last] = read_parquet(Shard(0, groups, "a.parquet", "parquet", start=3, end=4, first_line=10), Source(path=groups))
    assert last.number == 10 and 40 < last.size < 100


def test_rows_of_native_columns_alone_are_empty_besides(groups: str) -> None:
    shard = Shard(0, groups, "a.parquet", "parquet")
    rows = list(read_parquet(shard, Source(path=groups), frozenset({"text", "list"})))
    assert [row.value for row in rows] == [{}] * 10


def test_only_types_that_json_lacks_are_native(tmp_path: Path) -> None:
    kinds = [pa.string(), pa.large_string(), pa.string_view(), pa.int64(), pa.float64(), pa.bool_(), pa.null()]
    table = pa.table({str(kind): pa.array([None], kind) for kind in [*kinds, pa.int32(), pa.list_(pa.int64())]})
    words = table.append_column("words", pa.array(["a"]).dictionary_encode())
    pq.write_table(words.rename_columns({"int32": "small"}), tmp_path / "a.parquet")
    native = read_native_types(str(tmp_path / "a.parquet"), Source(path="a", rename={"small": "renamed"}))
    assert native == {"renamed": pa.int32(), "list<item: int64>": pa.list_(pa.field("element", pa.int64()))}


def test_one_value_that_cannot_be_read_costs_one_row(tmp_path: Path) -> None:
    text = pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b"c"], pa.binary()).buffers())
    pq.write_table(pa.table({"text": text, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    rows = list(read_parquet(Shard(0, str(tmp_path / "a.parquet"), "a", "parquet"), Source(path="a")))
    assert [rows[0].value, rows[2].value] == [{"text": "a", "n": 1}, {"text": "c", "n": 3}]
    assert getattr(rows[1].value, "rule", "") == "invalid_utf8"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([0.5]), pa.float64()),
        (pa.array([7]), pa.int64()),
        (pa.array([True]), pa.bool_()),
        (pa.array(["a"]), pa.large_string()),
        (pa.array(["a"]).dictionary_encode(), pa.large_string()),
    ],
)
def test_d04_a_column_that_begins_with_nulls_has_its_declared_type(tmp_path: Path, values: pa.Array, kind: Any) -> None:
    column = pa.concat_arrays([pa.nulls(300, values.type), values])
    pq.write_table(pa.table({"text": [f"t{n}" for n in range(301)], "n": column}), tmp_path / "a.parquet")
    source = Source(path=str(tmp_path / "a.parquet"))
    plan = plan_reading(source)
    batches = [item.batch for shard in plan.shards for item in read_shard(shard, plan.shape, source)]
    assert {batch.schema.field("n").type for batch in batches} == {kind}
    assert batches[-1]["n"].to_pylist()[-2:] == [None, values[0].as_py()]
