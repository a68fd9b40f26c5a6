import pytest

from steward.core.errors import InputError
from steward.workflows.dataset.writing import publish_folder, work_folder


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
