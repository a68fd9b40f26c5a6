"""One run of two files: `a` is too short in its second row, both files' other texts are the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import data_stages
from steward.adapters.executors.local import LocalExecutor
from steward.core.errors import InputError
from steward.data.config import Sink, Source
from steward.data.explain import explain_row
from steward.data.pipeline import Pipeline

ROWS = {
    "a": [{"id": "x", "text": "a longer text"}, {"id": "y", "text": "short"}, {"id": "z", "text": "a longer text"}],
    "b": [{"id": "first", "text": "another longer text"}, {"id": "second", "text": "another longer text"}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    for name, rows in ROWS.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with LocalExecutor(1) as executor:
        pipeline = Pipeline((data_stages.Short(), data_stages.Same()))
        pipeline.run(Source(path=str(folder / "*.jsonl")), Sink(path=str(folder / "out")), executor=executor)
    return folder


def test_the_rule_its_value_and_its_threshold_are_told(folder: Path) -> None:
    (short,) = explain_row(folder / "out", "y")
    assert (short["stage"], short["rule"], short["value"], short["threshold"]) == ("t.short", "too_short", 5, 10)
    assert "value_text" not in short and "threshold_text" not in short


@pytest.mark.parametrize("name", ["a.jsonl:2", "./a.jsonl:2", "FOLDER/a.jsonl:2"])
def test_a_row_with_an_id_is_found_by_its_file_and_line_too(folder: Path, name: str) -> None:
    assert explain_row(folder / "out", name.replace("FOLDER", str(folder))) == explain_row(folder / "out", "y") != []


@pytest.mark.parametrize(("name", "line", "copy"), [("x", "a.jsonl:1", "z"), ("first", "b.jsonl:1", "second")])
def test_the_row_that_stays_knows_its_duplicates(folder: Path, name: str, line: str, copy: str) -> None:
    """The ledger has nothing of the row itself: its id is read from the input again."""
    found = explain_row(folder / "out", line)
    assert [(entry["id"], entry["duplicate_of"]) for entry in found] == [(copy, name)]
    assert found == explain_row(folder / "out", name) == explain_row(folder / "out", copy)


@pytest.mark.parametrize("name", ["a.jsonl:99", "c.jsonl:1", "a.jsonl:x", "a.jsonl:", ":1", "nobody"])
def test_of_what_is_no_row_there_is_nothing_to_tell(folder: Path, name: str) -> None:
    assert explain_row(folder / "out", name) == []


def test_a_run_whose_input_is_gone_still_tells_what_its_ledger_knows(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "out", tmp_path / "out")
    plan = tmp_path / "out/.run/plan.json"
    plan.write_text(plan.read_text().replace(str(folder), str(tmp_path)))
    assert explain_row(tmp_path / "out", "a.jsonl:1") == []
    assert explain_row(tmp_path / "out", "a.jsonl:2") == explain_row(folder / "out", "y")
    plan.unlink()  # a folder from elsewhere: only ids are known
    assert explain_row(tmp_path / "out", "a.jsonl:2") == []
    assert explain_row(tmp_path / "out", "y") == explain_row(folder / "out", "y")


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        explain_row(tmp_path, "a.jsonl:1")
