"""Batches, registered files and studies of a home: searched, emptied, and what cannot be read is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.study import StudyStore
from steward.core.errors import Unavailable
from steward.core.files import hold_lock
from steward.core.study import Rater, StudyDesign
from steward.gateway.batch import Batch
from steward.privacy.rights_config import PersonalFiles, RightsPlan
from steward.workflows.batch_store import BatchStore, make_file_record
from steward.workflows.experiment import forget_items
from steward.workflows.rights.home import RightsHome, open_rights_home
from steward.workflows.rights.places import erase_in_places, find_in_places
from steward.workflows.rights.subjects import DataSubject

ANNA = DataSubject(tenant="default", name="anna", by_project={"p": "a" * 32})
DESIGN = StudyDesign(
    title="t", mode="pairs", question="?", guide="", runs=(), data_sha256="", items=1, overlap=1.0, seed=1, detect=0.6
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RightsHome]:
    with open_rights_home(tmp_path / "home", 1.0) as opened:
        yield opened


def register(home: RightsHome, *files: PersonalFiles) -> None:
    home.deployment = msgspec.structs.replace(home.deployment, rights=RightsPlan(files=files))


def put_batch(home: RightsHome, over: bool, tenant: str = "default") -> tuple[BatchStore, str, str]:
    store = BatchStore(home.path, home.roots)
    asked = b"".join(
        json.dumps({"custom_id": name, "body": {"user": user}}).encode() + b"\n"
        for name, user in (("1", "anna"), ("2", "b"))
    )
    answered = b'{"custom_id": "1", "response": "hi"}\n{"custom_id": "2", "response": "ho"}\n'
    names = []
    for data in (asked, answered):
        record = make_file_record(tenant, "p", "x.jsonl", data, 1.0, 1e9)
        purpose = "batch" if data is asked else "batch_output"
        store.keep(msgspec.structs.replace(record, purpose=purpose), data)
        names.append(record.id)
    batch = Batch(
        id=f"batch-{names[0][5:]}", tenant=tenant, project="p", key_id="k", endpoint="/v1/chat/completions",
        input_file_id=names[0], output_file_id=names[1], created_at=1.0, expires_at=1e9,
        status="completed" if over else "in_progress",
    )  # fmt: skip
    store.put_batch(batch)
    return store, names[0], names[1]


def read(store: BatchStore, name: str) -> str:
    record = store.find_file(name)
    assert record is not None
    return b"".join(store.read(record)).decode()


def test_a_batchs_lines_and_their_answers_are_found_and_go(home: RightsHome) -> None:
    store, asked, answered = put_batch(home, over=True)
    others = put_batch(home, over=True, tenant="other")
    assert find_in_places(home, ANNA, []).counts() == {"batches": 2}
    assert erase_in_places(home, ANNA, []) == {"batches": 2}
    assert find_in_places(home, ANNA, []).counts() == {}
    assert '"2"' in read(store, asked) and "anna" not in read(store, asked)
    assert read(store, answered) == '{"custom_id": "2", "response": "ho"}\n'
    assert "anna" in read(store, others[1])


def test_a_batch_that_runs_keeps_its_input_and_is_found_still(home: RightsHome) -> None:
    store, asked, _ = put_batch(home, over=False)
    erase_in_places(home, ANNA, [])
    assert "anna" in read(store, asked) and find_in_places(home, ANNA, []).counts() == {"batches": 1}


def test_registered_files_are_searched_by_their_kind(home: RightsHome, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"u": "anna"}\n{"u": "b"}\n')
    (folder / "b.json").write_text('["anna", "b"]')
    (folder / "c.bin").write_bytes(b"anna")
    (folder / "d.txt").write_bytes(b"\xff\xfe")
    study = StudyStore.create(folder / "e.db", DESIGN, [])
    study.invite(Rater("anna"), "h", 1.0)
    study.close()
    register(
        home,
        PersonalFiles(name="files", path=str(folder), kind="files"),
        PersonalFiles(name="gone", path=str(tmp_path / "gone"), kind="cache"),
    )
    found = find_in_places(home, ANNA, [])
    assert found.counts() == {"files": 3}
    assert [text.rpartition("/")[2] for text in found.unread] == [
        "c.bin is of a kind that is not searched", "d.txt cannot be read (UnicodeDecodeError)", "gone is not there",
    ]  # fmt: skip
    assert erase_in_places(home, ANNA, []) == {"files": 3}
    assert find_in_places(home, ANNA, []).counts() == {}
    assert (folder / "a.jsonl").read_text() == '{"u": "b"}\n' and json.loads((folder / "b.json").read_text()) == ["b"]
    assert (folder / "c.bin").read_bytes() == b"anna"


def test_documents_of_a_run_that_goes_on_stay_and_are_named(home: RightsHome) -> None:
    folder = home.path / "training" / "tr_1"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("anna\nben\n")
    with hold_lock(folder / "lock"):
        assert erase_in_places(home, ANNA, []) == {}
        [why] = find_in_places(home, ANNA, []).unread
    assert "log.txt belongs to a run that goes on; erase again when it has ended" in why
    assert erase_in_places(home, ANNA, []) == {"training": 1} and (folder / "log.txt").read_text() == "ben\n"


def test_a_process_that_appends_to_a_log_keeps_its_file(home: RightsHome) -> None:
    log = home.path / "improve" / "imp_1" / "worker.log"
    log.parent.mkdir(parents=True)
    with log.open("a") as writer:
        writer.write("one\nanna called\n")
        writer.flush()
        assert erase_in_places(home, ANNA, []) == {"improve": 1}
        writer.write("three\n")
    assert log.read_text() == "one\nthree\n"


def test_a_document_that_cannot_be_read_is_named(home: RightsHome) -> None:
    (home.path / "incidents").mkdir()
    (home.path / "incidents" / "inc_1.json").write_text("{")
    assert erase_in_places(home, ANNA, []) == {}
    [why] = find_in_places(home, ANNA, []).unread
    assert why.startswith("incidents: ") and why.endswith("inc_1.json cannot be read (DecodeError)")


def test_experiments_on_a_set_lose_its_items_and_cannot_go_on(tmp_path: Path) -> None:
    for name, dataset in (("ex_1", "set"), ("ex_2", "other")):
        folder = tmp_path / "home" / "experiments" / name
        (folder / "items").mkdir(parents=True)
        (folder / "items" / "select.jsonl").write_text("{}\n")
        saved = {"settings": {"dataset": dataset, "space": {"x": [1, 2]}}, "base": str(tmp_path)}
        (folder / "config.json").write_text(json.dumps(saved))
    with hold_lock(tmp_path / "home" / "experiments" / "ex_1" / "lock"), pytest.raises(Unavailable, match="ex_1 runs"):
        forget_items(tmp_path / "home", tmp_path / "set")
    assert forget_items(tmp_path / "home", tmp_path / "set") == ["ex_1"]
    kept = [path.parts[-3] for path in (tmp_path / "home").rglob("select.jsonl")]
    assert kept == ["ex_2"]
