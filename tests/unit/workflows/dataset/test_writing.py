import hashlib
import json

import pytest

from improvement_manifests import make_manifest
from steward.core.errors import InputError
from steward.improvement.dataset.manifest import seal_manifest
from steward.improvement.dataset.rows import TrainingRow
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.dataset.writing import finish_set, list_subjects, publish_folder, work_folder, write_slices


def test_what_is_not_finished_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), work_folder(tmp_path / "sets") as work:
        (work / "half").write_text("x")
        raise RuntimeError
    assert list((tmp_path / "sets").iterdir()) == []


def test_a_folder_gets_its_name_when_it_is_complete_and_never_another_ones(tmp_path):
    with work_folder(tmp_path) as work:
        (work / "set").mkdir()
        publish_folder(work / "set", tmp_path / "named")
        (work / "set").mkdir()
        with pytest.raises(InputError, match="exists"):
            publish_folder(work / "set", tmp_path / "named")
    assert [path.name for path in tmp_path.iterdir()] == ["named"]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="name a folder that can be written"), work_folder(tmp_path / "file" / "x"):
        pass


def row(number: int, subject: str = "") -> TrainingRow:
    """A row of a file, whose answer is its number."""
    said = ({"role": "user", "content": "q"},), ({"role": "assistant", "content": str(number)},)
    return TrainingRow(id=f"f:{number}", origin="file", source="f", prompt=said[0], completion=said[1], subject=subject)


def test_each_slice_is_a_file_that_of_the_judge_is_sealed_and_all_rows_are_listed(tmp_path):
    home = DatasetHome(tmp_path / "home")
    slices = {"train": [row(1, "b"), row(2, "a")], "select": [row(3)], "judge": [row(4, "a")], "newest": []}
    files = {file.name: file for file in write_slices(tmp_path, slices, home)}
    assert {name: file.rows for name, file in files.items()} == {
        "train.jsonl": 2, "select.jsonl": 1, "judge.jsonl.sealed": 1, "members.jsonl": 4,
    }  # fmt: skip
    for name, file in files.items():
        content = (tmp_path / name).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    lines = (tmp_path / "train.jsonl").read_bytes()
    assert lines.endswith(b"\n") and [json.loads(line)["id"] for line in lines.splitlines()] == ["f:1", "f:2"]
    assert b"assistant" not in (tmp_path / "judge.jsonl.sealed").read_bytes()
    members = [json.loads(line) for line in (tmp_path / "members.jsonl").read_bytes().splitlines()]
    assert [member["split"] for member in members] == ["train", "train", "select", "judge"]
    assert list_subjects(slices) == ("a", "b")


def test_the_manifest_lists_the_description_and_is_sealed_by_the_home(tmp_path):
    home = DatasetHome(tmp_path / "home")
    sealed = finish_set(tmp_path, make_manifest(), home)
    assert [file.name for file in sealed.files] == ["train.jsonl", "judge.jsonl.sealed", "croissant.json"]
    assert sealed.files[-1].rows == 1 and sealed.digest.startswith("sha256:")
    assert sealed == seal_manifest(sealed, home.key)
    written = (tmp_path / "manifest.json").read_text()
    assert json.loads(written)["seal"] == sealed.seal and written.startswith('{\n  "format"')
    described = (tmp_path / "croissant.json").read_text()
    assert described.endswith("}\n") and described.startswith("{\n ") and json.loads(described)["name"] == "support"


def test_the_folder_in_which_a_set_is_made_is_its_owners_alone(tmp_path):
    with work_folder(tmp_path / "sets") as work:
        assert (tmp_path / "sets").stat().st_mode & 0o777 == work.stat().st_mode & 0o777 == 0o700
