from pathlib import Path

import pyarrow as pa
import pytest

from steward.core.errors import InputError
from steward.data import Pipeline, Sink, Source, read_rows, row_order
from steward.data.row_order import rank_rows
from steward.data.sinks import IpcSink


def write_rows(path: Path, *values: int | None) -> Path:
    sink = IpcSink(path)
    sink.write(pa.record_batch({"n": pa.array(values, pa.int64())}))
    sink.close()
    return path


def test_equal_rows_keep_their_order_and_nulls_come_last(tmp_path: Path) -> None:
    files = [write_rows(tmp_path / "a", 3, None, 1), write_rows(tmp_path / "b", 1, 2)]
    assert rank_rows(files, ["n"], False).tolist() == [3, 4, 0, 1, 2]
    assert rank_rows(files, ["n"], True).tolist() == [0, 4, 2, 3, 1]
    assert rank_rows([tmp_path / "none"], ["n"], False).tolist() == []


@pytest.mark.parametrize("shard_mb", [16.0, 0.0002])
@pytest.mark.parametrize("bucket_bytes", [64 << 20, 500])
def test_the_output_is_in_order_however_the_input_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_mb: float, bucket_bytes: int
) -> None:
    monkeypatch.setattr(row_order, "BUCKET_BYTES", bucket_bytes)
    numbers = [n * 37 % 101 for n in range(101)]
    (tmp_path / "a.jsonl").write_text("".join(f'{{"text": "row {n}", "n": {n}}}\n' for n in numbers))
    source = Source(path=str(tmp_path / "a.jsonl"), shard_mb=shard_mb)
    summary = Pipeline([{"use": "sort", "by": "n", "descending": True}]).run(source, tmp_path / "out")
    assert read_rows(tmp_path / "out")["n"].to_pylist() == sorted(numbers, reverse=True)
    assert summary.rows_out == 101 and [(stage.name, stage.rows_out) for stage in summary.stages][-1] == ("sort", 101)
    assert sum(part.rows for part in summary.parts) == 101
    assert (len(summary.parts) == 1) is (bucket_bytes > 500)  # a bucket, a part
    assert not list((tmp_path / "out" / ".run").glob("*/"))


def test_parts_and_folders_hold_rows_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        "".join(f'{{"text": "{n}", "n": {n}, "g": "{"ab"[n % 2]}"}}\n' for n in (3, 1, 2, 0))
    )
    sink = Sink(path=str(tmp_path / "out"), format="jsonl", folders="g")
    Pipeline([{"use": "sort", "by": "n"}]).run(str(tmp_path / "a.jsonl"), sink)
    assert [part.name for part in sorted((tmp_path / "out/rows").rglob("part*"))] == ["part-00000.jsonl"] * 2
    assert read_rows(tmp_path / "out")["n"].to_pylist() == [0, 2, 1, 3]


def test_no_stage_may_follow(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(InputError, match="move it behind 'normalise'"):
        Pipeline([{"use": "sort", "by": "text"}, {"use": "normalise"}]).run(str(tmp_path / "a.jsonl"), tmp_path / "out")
