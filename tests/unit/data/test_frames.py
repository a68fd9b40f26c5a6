from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from steward.core.errors import InputError
from steward.data import Pipeline, Sink, Source, read_rows
from steward.data.frames import is_frame, save_frame

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl

ROWS = [{"text": "Hello.", "n": 1}, {"text": "Hello.", "n": 2}, {"text": "Bye.", "n": 3}]
TABLE = pa.Table.from_pylist(ROWS)
FRAMES: dict[str, Callable[[], Any]] = {
    "list": lambda: ROWS,
    "tuple": lambda: tuple(ROWS),
    "table": lambda: TABLE,
    "batch": lambda: TABLE.to_batches()[0],
    "pandas": lambda: pd.DataFrame(ROWS),
    "polars": lambda: pl.DataFrame(ROWS),
    "datasets": lambda: datasets.Dataset.from_list(ROWS),
    "streamed datasets": lambda: datasets.Dataset.from_list(ROWS).to_iterable_dataset(),
    "reader": lambda: pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
    "iterator": lambda: iter(ROWS),
}


@pytest.fixture(autouse=True, scope="module")
def libraries() -> None:
    """Import what takes a second where these tests run, not where all tests are collected."""
    global datasets, pd, pl
    import datasets
    import pandas as pd
    import polars as pl


@pytest.mark.parametrize("name", FRAMES)
def test_rows_in_memory_are_cleaned_like_a_file(tmp_path: Path, name: str) -> None:
    make = FRAMES[name]
    assert is_frame(make())
    pipeline = Pipeline([{"use": "dedupe.exact"}])
    summary = pipeline.run(make(), tmp_path / "out")
    assert (summary.rows_in, summary.rows_out, summary.merged) == (3, 2, 1)
    assert read_rows(tmp_path / "out").to_pylist() == [
        {"id": "rows.parquet:1", "text": "Hello.", "n": 1}, {"id": "rows.parquet:3", "text": "Bye.", "n": 3}
    ]  # fmt: skip
    assert pipeline.run(make(), tmp_path / "out").shards_redone == 0


def test_a_selection_of_a_data_set_is_that_selection(tmp_path: Path) -> None:
    chosen = datasets.Dataset.from_list(ROWS).select([2, 0])
    assert pq.read_table(save_frame(chosen, tmp_path))["n"].to_pylist() == [3, 1]


@pytest.mark.parametrize("value", ["a.jsonl", ["a.jsonl"], Path("a"), Source(path="a"), 5])
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


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: [], "no rows"),
        (lambda: iter([]), "no rows"),
        (lambda: pd.DataFrame(ROWS)["text"], "a Series is no table"),
        (lambda: pd.DataFrame(ROWS).to_numpy(), "a source of type ndarray"),
        (lambda: 5, "a source of type int"),
        (lambda: iter(["a text"]), "a row is a str"),
        (lambda: datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)), "of the splits train"),
        (lambda: [{"text": "a", "n": 1}, {"text": "b", "n": "x"}], "mixed types"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, make: Callable[[], Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Pipeline([]).run(make(), tmp_path / "out")


def test_types_that_parquet_lacks_come_through(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS).with_columns(
        kind=pl.lit("x").cast(pl.Categorical), level=pl.lit("a").cast(pl.Enum(["a", "b"])), span=pl.duration(days=1)
    )
    Pipeline([]).run(frame, tmp_path / "polars")
    table = read_rows(tmp_path / "polars")
    assert pl.DataFrame(table)["span"].to_list() == frame["span"].to_list()
    assert set(table["kind"].to_pylist() + table["level"].to_pylist()) == {"x", "a"}
    times = pd.DataFrame(ROWS).assign(
        kind=pd.Categorical(["a", "b", None]), at=pd.Timestamp("2026-01-02", tz="Asia/Tokyo")
    )
    Pipeline([]).run(times, tmp_path / "pandas")
    back = read_rows(tmp_path / "pandas").to_pandas()
    assert (back["at"] == times["at"]).all() and str(back["at"].dt.tz) == "Asia/Tokyo"
    assert back["kind"].tolist()[:2] == ["a", "b"] and back["kind"].isna()[2]


def test_an_iterator_of_many_rows_keeps_the_types_of_the_first(tmp_path: Path) -> None:
    rows = ({"text": f"row {number}", "n": number} for number in range(10_002))
    assert Pipeline([]).run(rows, tmp_path / "out").rows_out == 10_002
    for last in ({"n": "x"}, {"n": 0.5}, {"other": 1}):
        changed = ({"text": "a", "n": 1} if number < 10_000 else {"text": "a", **last} for number in range(10_001))
        with pytest.raises(InputError, match="later rows have other columns or types"):
            Pipeline([]).run(changed, tmp_path / "other")
    fewer = ({"text": "a", "n": 1} if number < 10_000 else {"text": "a"} for number in range(10_001))
    assert Pipeline([]).run(fewer, tmp_path / "fewer").rows_out == 10_001


def test_a_list_takes_its_types_from_all_its_rows(tmp_path: Path) -> None:
    Pipeline([]).run([{"text": "a", "n": None if n < 10_000 else 0.5} for n in range(10_001)], tmp_path / "out")
    assert read_rows(tmp_path / "out")["n"].to_pylist()[-2:] == [None, 0.5]


@pytest.mark.parametrize(
    "count",
    [
        lambda folder: len(datasets.load_dataset(folder, split="train")),
        lambda folder: len(datasets.load_dataset("parquet", data_files=f"{folder}/*.parquet", split="train")),
        lambda folder: len(pd.read_parquet(folder)),
        lambda folder: len(pl.read_parquet(f"{folder}/*.parquet")),
        lambda folder: pyarrow.dataset.dataset(folder).count_rows(),
    ],
)
def test_the_output_is_read_as_the_reference_says(
    tmp_path: Path, count: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of docs/reference/data-formats.md, beside the empty mark _SUCCESS."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    Pipeline([]).run(ROWS, tmp_path / "out")
    assert (tmp_path / "out/rows/_SUCCESS").exists()
    assert count(str(tmp_path / "out/rows")) == 3
