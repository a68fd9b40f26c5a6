import sys
from pathlib import Path

import msgspec
import pytest

import trainer_program
from steward.core.errors import InputError, Unavailable
from steward.workflows.dataset.folder import erase_subjects, read_manifest, verify_dataset
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.train.detached import start_detached
from steward.workflows.train.erasure import _stop, forget_rows
from steward.workflows.train.folder import read_state
from steward.workflows.train.run import resume_run, start_run
from training_sets import build_set, question


def test_rows_events_and_log_of_runs_on_the_set_go_and_what_was_made_stays(tmp_path):
    build_set(tmp_path, DatasetHome(tmp_path / "home"), [question(n) for n in range(40)])
    words = f"[{sys.executable}, {trainer_program.__file__}]"
    head = f"trainer: command\ndataset: set\nmin_free_gb: 0\ncommand: {words}\n"
    (tmp_path / "t.yaml").write_text(head)
    good = start_run(tmp_path / "t.yaml", tmp_path / "home")
    (tmp_path / "t.yaml").write_text(head + "parameters: {mode: killed}\n")
    killed = start_run(tmp_path / "t.yaml", tmp_path / "home")
    assert forget_rows(tmp_path / "home", "sha256:other") == []
    runs = forget_rows(tmp_path / "home", good.dataset)
    assert {run.id for run in runs} == {good.id, killed.id}
    for run in runs:
        folder = Path(run.folder)
        assert not any((folder / name).exists() for name in ("rows", "events.jsonl", "log.txt"))
        assert not [path for path in folder.rglob("*") if path.is_file() and b"Please tell me" in path.read_bytes()]
    assert (Path(good.folder) / "artefacts" / "model.gguf").exists() and read_state(Path(good.folder)).rendered == ()
    assert all(
        read_state(Path(run.folder)).tainted.startswith("somebody was erased from its training set") for run in runs
    )
    assert all(good.dataset.removeprefix("sha256:")[:12] in run.tainted for run in runs)  # as it is listed
    reasons = {run.id: run.reason for run in runs}
    assert reasons[good.id] == "its training set was erased from" and reasons[killed.id] == killed.reason != ""
    with pytest.raises(InputError, match="its rows are gone"):
        resume_run(killed.id, tmp_path / "home")


def test_a_run_that_trains_meanwhile_is_stopped_and_one_that_just_ended_is_tainted_all_the_same(tmp_path):
    build_set(tmp_path, DatasetHome(tmp_path / "home"), [question(n) for n in range(40)])
    words = f"[{sys.executable}, {trainer_program.__file__}]"
    (tmp_path / "t.yaml").write_text(
        f"trainer: command\ndataset: set\nmin_free_gb: 0\ncommand: {words}\nparameters: {{mode: hang}}\n"
    )
    running = start_detached(tmp_path / "t.yaml", tmp_path / "home")
    (stopped,) = forget_rows(tmp_path / "home", running.dataset)
    assert (stopped.state, bool(stopped.tainted)) == ("cancelled", True)
    ended = _stop(msgspec.structs.replace(stopped, state="running"), tmp_path / "home")
    assert ended.state == "cancelled"


def test_a_run_that_does_not_end_leaves_the_set_to_be_erased_from_again(tmp_path):
    home = DatasetHome(tmp_path / "home")
    folder = build_set(tmp_path, home, [question(n) for n in range(40)])
    (person, *_) = read_manifest(folder).subjects
    told = []

    def refuse(digest):
        told.append(digest)
        raise Unavailable("tr_1 has not ended")

    with pytest.raises(Unavailable):
        erase_subjects(folder, {person}, home, lambda: 1.9e9, forget=refuse)
    assert verify_dataset(folder, home).intact and person in read_manifest(folder).subjects
    made = erase_subjects(folder, {person}, home, lambda: 1.9e9, forget=told.append)
    assert told == [made.parent] * 3 and made.removed == 1 and not folder.exists()
    assert erase_subjects(Path(made.folder), {person}, home, lambda: 1.9e9, forget=told.append).folder is None
    assert len(told) == 3, "who is not in it changes nothing"
