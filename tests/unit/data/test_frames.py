from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data import Pipeline, Sink, Source, read_rows
from steward.data.frames import is_frame, save_frame

ROWS = [{"text": "Hello.", "n": 1}, {"text": "Hello.", "n": 2}, {"text": "Bye.", "n": 3}]
TABLE = pa.Table.from_pylist(ROWS)
FRAMES: dict[str, Any] = {
    "list": ROWS,
    "tuple": tuple(ROWS),
    "table": TABLE,
    "batch": TABLE.to_batches()[0],
    "pandas": pd.DataFrame(ROWS),
    "polars": pl.DataFrame(ROWS),
    "datasets": datasets.Dataset.from_list(ROWS),
}


@pytest.mark.parametrize("name", FRAMES)
def test_rows_in_memory_are_cleaned_like_a_file(tmp_path: Path, name: str) -> None:
    assert is_frame(FRAMES[name])
    pipeline = Pipeline([{"use": "dedupe.exact"}])
    summary = pipeline.run(FRAMES[name], tmp_path / "out")
    assert (summary.rows_in, summary.rows_out, summary.merged) == (3, 2, 1)
    assert read_rows(tmp_path / "out").to_pylist() == [
        {"id": "rows.parquet:1", "text": "Hello.", "n": 1}, {"id": "rows.parquet:3", "text": "Bye.", "n": 3}
    ]  # fmt: skip
    assert pipeline.run(FRAMES[name], tmp_path / "out").shards_redone == 0


def test_a_selection_of_a_data_set_is_that_selection(tmp_path: Path) -> None:
    chosen = datasets.Dataset.from_list(ROWS).select([2, 0])
    assert pq.read_table(save_frame(chosen, tmp_path))["n"].to_pylist() == [3, 1]


@pytest.mark.parametrize("value", ["a.jsonl", ["a.jsonl"], [], Path("a"), Source(path="a"), 5])
def test_paths_are_no_rows(value: Any) -> None:
    assert not is_frame(value)


def test_the_output_goes_into_frames(tmp_path: Path) -> None:
    Pipeline([]).run(ROWS, Sink(path=str(tmp_path / "out"), format="jsonl"))
    rows = read_rows(str(tmp_path / "out"))
    assert (
        list(rows.to_pandas()["n"]) == pl.DataFrame(rows)["n"].to_list() == datasets.Dataset(rows)["n"][:] == [1, 2, 3]
    )
    with pytest.raises(InputError, match="no finished run"):
        read_rows(tmp_path)


def test_the_folder_of_rows_is_a_data_set_for_readers(tmp_path: Path) -> None:
    Pipeline([]).run(ROWS, tmp_path / "out")
    folder = str(tmp_path / "out/rows")
    assert pd.read_parquet(folder)["n"].tolist() == pq.read_table(folder)["n"].to_pylist() == [1, 2, 3]
    loaded = datasets.load_dataset(folder, cache_dir=str(tmp_path / "cache"), split="train")
    assert loaded["n"][:] == [1, 2, 3]


def test_what_cannot_be_a_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mixed types"):
        save_frame([{"text": "a"}, {"text": 5}], tmp_path)
    with pytest.raises(InputError, match="no rows"):
        save_frame(pl.DataFrame({"text": []}).clear(), tmp_path)
