import datetime
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError, UnknownName
from steward.data.sinks import IpcSink, LedgerSink, OutputSink, PartsSink, link_file, make_ledger_table, read_ipc
from steward.data.stage import Entry


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


def test_lines_are_rows_as_they_came_in(tmp_path: Path) -> None:
    json_field = pa.field("tags", pa.string(), metadata={"json": "1"})
    schema = pa.schema([pa.field("id", pa.string()), json_field, pa.field("at", pa.timestamp("ns"))])
    rows = pa.record_batch([["a", "b"], ['["x"]', None], pa.array([1, None], pa.timestamp("ns"))], schema=schema)
    sink = OutputSink(tmp_path / "out.jsonl", "jsonl")
    sink.write(rows)
    sink.write(rows.slice(1, 1))
    assert not (tmp_path / "out.jsonl").exists()  # only a whole file has its name
    digest = sink.close()
    content = (tmp_path / "out.jsonl").read_bytes()
    assert digest == hashlib.sha256(content).hexdigest() and content.endswith(b"}\n")
    first, second, third = map(json.loads, content.splitlines())
    assert first == {"id": "a", "tags": ["x"], "at": "1970-01-01 00:00:00.000000001"}
    assert second == third == {"id": "b", "tags": None, "at": None}
    assert OutputSink(tmp_path / "none.jsonl", "jsonl").close() is None


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_batches_between_phases_come_back_in_their_order(tmp_path: Path, compression: Literal["lz4"] | None) -> None:
    sink = IpcSink(tmp_path / "x.arrow", compression)
    sink.write(batch(0, 2))
    sink.write(pa.record_batch({"n": pa.array([7], pa.int32())}))  # cast to the first one's columns
    sink.close()
    assert [one["n"].to_pylist() for one in read_ipc(tmp_path / "x.arrow")] == [[0, 1], [7]]
    IpcSink(tmp_path / "none.arrow").close()
    assert list(read_ipc(tmp_path / "none.arrow")) == [] and not (tmp_path / "none.arrow").exists()


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_goes_on_as_it_is_gets_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not has_links:
        monkeypatch.setattr("os.link", refuse)
    (tmp_path / "a").write_text("rows")
    (tmp_path / "b").write_text("of a run that was killed")
    link_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "rows" and (tmp_path / "a").stat().st_nlink == 1 + has_links
    link_file(tmp_path / "none", tmp_path / "c")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_only_columns_that_may_repeat_get_a_dictionary(tmp_path: Path) -> None:
    kinds = {
        "id": pa.large_string(),
        "text": pa.large_string(),
        "source": pa.string(),
        "tags": pa.list_(pa.string()),
        "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
        "counts": pa.map_(pa.string(), pa.int64()),
    }
    row = {"id": "a", "text": "b", "source": "web", "tags": ["x"], "messages": [{"role": "user"}], "counts": [("n", 1)]}
    sink = OutputSink(tmp_path / "out.parquet", "parquet")
    sink.write(pa.RecordBatch.from_pylist([row], pa.schema(list(kinds.items()))))
    sink.close()
    group = pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    without = {column.path_in_schema for column in columns if "RLE_DICTIONARY" not in column.encodings}
    assert without == {"id", "text"} and len(columns) == 8


def make_entry(value: float | str | None, threshold: float | str | None) -> Entry:
    return Entry(row=1, id="a", stage="s", action="drop", rule="r", value=value, threshold=threshold)


def test_a_ledger_has_numbers_and_words_in_columns_of_their_own(tmp_path: Path) -> None:
    entries = [make_entry(3, 0.5), make_entry("x", None), make_entry(True, "y")]
    table = make_ledger_table(entries).to_pydict()
    assert (table["value"], table["value_text"]) == ([3.0, None, None], [None, "x", "True"])
    assert (table["threshold"], table["threshold_text"]) == ([0.5, None, None], [None, None, "y"])
    sink = LedgerSink(tmp_path / "l.parquet")
    sink.write(entries)
    sink.write(entries[:1])
    sink.close()
    assert pq.read_table(tmp_path / "l.parquet")["value"].to_pylist() == [3.0, None, None, 3.0]
    LedgerSink(tmp_path / "none.parquet").close()
    assert not (tmp_path / "none.parquet").exists()


D04_COLUMNS = {
    "span": pa.array([datetime.timedelta(seconds=5), None], pa.duration("us")),
    "spans": pa.array([[datetime.timedelta(days=1)], None], pa.list_(pa.duration("ms"))),
    "zone": pa.array([1, None], pa.timestamp("ns", tz="Europe/Berlin")),
    "hour": pa.array([datetime.time(1), None], pa.time32("ms")),
    "money": pa.array([Decimal("1.10"), None], pa.decimal128(20, 2)),
    "wide": pa.array([Decimal("1.10"), None], pa.decimal256(60, 2)),
    "large": pa.array([2**64 - 1, None], pa.uint64()),
    "inner": pa.array([{"at": datetime.timedelta(hours=1)}, None]),
    "day": pa.array([datetime.date(2026, 1, 2), None]),
    "bytes": pa.array([b"\xff", None], pa.binary()),
}


@pytest.mark.parametrize("name", sorted(D04_COLUMNS))
def test_d04_types_of_columns_are_kept_through_parquet(tmp_path: Path, name: str) -> None:
    sink = OutputSink(tmp_path / "a.parquet", "parquet")
    sink.write(pa.record_batch({"text": pa.array(["a", "b"], pa.large_string()), name: D04_COLUMNS[name]}))
    sink.close()
    column = pq.read_table(tmp_path / "a.parquet")[name].combine_chunks()
    assert column.type == D04_COLUMNS[name].type and column.equals(D04_COLUMNS[name])


def test_lists_of_one_length_are_read_back_beside_any_type(tmp_path: Path) -> None:
    lists = pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
    sink = OutputSink(tmp_path / "a.parquet", "parquet")
    sink.write(pa.record_batch({"lists": lists, "span": D04_COLUMNS["span"]}))
    sink.close()
    assert pq.read_table(tmp_path / "a.parquet")["lists"].to_pylist() == [[1.0, 2.0], None]


def test_a_name_of_a_folder_has_at_most_100_letters(tmp_path: Path) -> None:
    rows = pa.record_batch({"split": ["x" * 100]})
    sink = PartsSink(tmp_path, 0, "parquet", None, "split")
    sink.write(rows)
    with pytest.raises(InputError, match=r"has the value 'x{99}…'; expected"):
        sink.write(pa.record_batch({"split": ["x" * 101]}))
