"""Files go when their time is over, but for those that a legal hold covers, and that is proved."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from planted_person import ACTOR, NAME, NOW, REQUEST, Planted, plant_answer, plant_batch, plant_exchange
from steward.core.errors import Refused
from steward.core.identity import KEY_RIGHTS, Caller, Principal
from steward.core.rights import SweptRows
from steward.gateway.batch import BatchPlan
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.privacy.rights_config import PersonalFiles
from steward.workflows.audit import list_acts
from steward.workflows.batch_store import BatchStore
from steward.workflows.held_files import HeldFiles, read_held_files
from steward.workflows.response_store import FOLDER, FileResponseStore
from steward.workflows.rights.export import export_person
from steward.workflows.rights.file_retention import FileRetention, list_users, make_finders, sweep_files
from steward.workflows.rights.holds import add_hold, list_holds, release_hold
from steward.workflows.rights.home import open_rights_home
from steward.workflows.serve.batch_service import BatchService
from steward.workflows.serve.plan import read_plan
from steward.workflows.serve.response_service import ResponseService

LATER = NOW + 1e10
CLIENT = Caller(principal=Principal(kind="key", id="k", tenant="default", project="p", rights=KEY_RIGHTS))


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[Planted]:
    made = Planted(tmp_path)
    with open_rights_home(made.home, NOW) as made.opened:
        plan = read_plan(made.home / "run" / "plan.json")
        kept = msgspec.structs.replace(plan, responses_store=ResponseStorePlan(keep_s=60.0))
        (made.home / "run" / "plan.json").write_bytes(msgspec.json.encode(kept))
        plant_exchange(made)
        plant_answer(made)
        plant_batch(made)
        for file in (made.home / FOLDER).glob("*/*"):
            os.utime(file, (NOW, NOW))
        yield made


def sweep(planted: Planted, at: float = 1e13) -> None:
    FileRetention(planted.opened.deployment, planted.opened.store, planted.opened.roots, lambda: at).run()


def count_kept(planted: Planted) -> tuple[int, int]:
    """Stored responses, and files of batches."""
    batches = BatchStore(planted.home, planted.opened.roots)
    return len(list((planted.home / FOLDER).glob("*/*"))), len(batches.list_files())


@pytest.mark.parametrize("name", [NAME, None])
def test_a_hold_keeps_answers_and_batches_of_whom_it_covers_until_it_is_released(
    planted: Planted, name: str | None
) -> None:
    [hold] = add_hold(planted.home, name, "case 12", NOW, actor=ACTOR, project="p")
    sweep(planted)
    assert count_kept(planted) == (1, 2)
    found = export_person(planted.home, NAME, NOW, actor=ACTOR, project="p")
    assert found.counts["stored_responses"] == 1 and found.counts["batches"] == 2
    release_hold(planted.home, hold.id, NOW, actor=ACTOR)
    assert read_held_files(planted.home) == HeldFiles()
    sweep(planted)
    assert count_kept(planted) == (0, 0)
    acts = [(act.subject, act.after) for act in list_acts(planted.home, 9) if act.action == "privacy.sweep"]
    assert acts == [("class:batches", "2 deleted"), ("class:stored responses", "1 deleted")]
    proofs = planted.opened.store.evidence.list_evidence(9, "privacy.retention", tenant=None)
    assert {(one.subject, one.verdict, one.value) for one in proofs} == {
        ("batches", "pass", "2 deleted, 0 left"), ("stored responses", "pass", "1 deleted, 0 left"),
    }  # fmt: skip


def delete_as_client(planted: Planted) -> list[str]:
    """Delete the answer and the batch's files through the API's services; -> the files, of which none is seen now."""
    batches = BatchService(BatchStore(planted.home, planted.opened.roots), BatchPlan)
    shown = [one["id"] for one in json.loads(batches.list_files(CLIENT, {}))["data"]]
    for name in shown:
        assert json.loads(batches.delete_file(CLIENT, name)) == {"id": name, "object": "file", "deleted": True}
        with pytest.raises(Refused):
            batches.show_file(CLIENT, name)
    assert json.loads(batches.list_files(CLIENT, {}))["data"] == []
    answers = ResponseService(planted.home, planted.opened.roots, lambda: ResponseStorePlan(keep_s=1e12))
    answer = REQUEST.replace("req_", "resp_")
    answers.delete(CLIENT, answer)
    with pytest.raises(Refused):
        answers.find(CLIENT, answer)
    return shown


@pytest.mark.parametrize("name", [NAME, None])
def test_what_a_client_deletes_under_a_hold_is_kept_unseen_until_its_end(planted: Planted, name: str | None) -> None:
    give_answer_a_rest(planted)
    [hold] = add_hold(planted.home, name, "case 12", NOW, actor=ACTOR, project="p")
    assert len(delete_as_client(planted)) == 2
    sweep(planted, NOW + 1)
    assert count_kept(planted) == (1, 2)
    found = export_person(planted.home, NAME, NOW, actor=ACTOR, project="p")
    assert found.counts["stored_responses"] == 1 and found.counts["batches"] == 2
    release_hold(planted.home, hold.id, NOW, actor=ACTOR)
    sweep(planted, NOW + 2)
    assert count_kept(planted) == (0, 0)


def test_what_a_client_deletes_goes_at_once_where_nobody_is_held_and_soon_where_others_are(planted: Planted) -> None:
    give_answer_a_rest(planted)
    add_hold(planted.home, "somebody-else", "case 13", NOW, actor=ACTOR, project="p")
    delete_as_client(planted)
    assert count_kept(planted) == (1, 2)  # until the keeper has looked
    sweep(planted, NOW + 1)
    assert count_kept(planted) == (0, 0)
    plant_batch(planted)
    give_answer_a_rest(planted)
    for hold in list_holds(planted.home, NOW, actor=ACTOR):
        release_hold(planted.home, hold.id, NOW, actor=ACTOR)
    delete_as_client(planted)
    assert count_kept(planted) == (0, 0)


def give_answer_a_rest(planted: Planted) -> None:
    """As an answer that the API shows has it."""
    store = FileResponseStore(planted.home, planted.opened.roots, ResponseStorePlan(keep_s=1e12))
    answer = StoredResponse(at=NOW, output=b"[]", input=b"[]", rest=b"{}")
    store.put("default", "p", REQUEST.removeprefix("req_"), answer, planted.pseudonym)


def test_a_hold_of_somebody_else_keeps_nothing(planted: Planted) -> None:
    add_hold(planted.home, "somebody-else", "case 13", NOW, actor=ACTOR, project="p")
    sweep(planted)
    assert count_kept(planted) == (0, 0)


def test_what_a_hold_covers_is_written_down_for_workers(planted: Planted) -> None:
    add_hold(planted.home, NAME, "case 12", NOW, actor=ACTOR, project="p")
    held = read_held_files(planted.home)
    [answer] = (planted.home / FOLDER).glob("*/*")
    assert held.covers_answer(answer) and answer.name == REQUEST.removeprefix("req_") and len(held.batch_files) == 2
    assert held.projects == frozenset()


def test_registered_files_end_by_their_age_unless_somebody_in_them_is_held(planted: Planted, tmp_path: Path) -> None:
    folder = tmp_path / "studies"
    folder.mkdir()
    for name, text in (("a.jsonl", f'{{"by": "{NAME}"}}'), ("b.jsonl", "{}"), ("c.bin", "?"), ("new.txt", NAME)):
        (folder / name).write_text(text)
        os.utime(folder / name, (NOW if name != "new.txt" else LATER, NOW if name != "new.txt" else LATER))
    entry = PersonalFiles(name="studies", path=str(folder), kind="study", keep_days=30.0)
    [hold] = add_hold(planted.home, NAME, "case 12", NOW, actor=ACTOR, project="p")
    finders = make_finders(planted.opened.store, planted.opened.roots(), [hold])
    assert sweep_files(entry, finders, LATER) == SweptRows(deleted=1, held=2)
    assert sorted(path.name for path in folder.iterdir()) == ["a.jsonl", "c.bin", "new.txt"]
    assert sweep_files(entry, {}, LATER) == SweptRows(deleted=2, held=0)
    assert [path.name for path in folder.iterdir()] == ["new.txt"]


def test_proofs_are_told_once_an_hour_with_all_that_went_meanwhile(planted: Planted) -> None:
    at = [1e13]
    job = FileRetention(planted.opened.deployment, planted.opened.store, planted.opened.roots, lambda: at[0])
    job.run()
    for number in range(3):
        path = planted.home / FOLDER / "project" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (NOW, NOW))
        at[0] += 1800.0
        job.run()
    proofs = planted.opened.store.evidence.list_evidence(9, "privacy.retention", tenant=None)
    assert [one.value for one in proofs if one.subject == "stored responses"] == [
        "2 deleted, 0 left", "1 deleted, 0 left",
    ]  # fmt: skip


@pytest.mark.parametrize("line", [b"", b"1", b"{}", b'{"body": 1}', b'{"body": {"user": 1, "metadata": []}}'])
def test_lines_that_name_nobody(line: bytes) -> None:
    assert list_users(line) == []


def test_nothing_is_done_before_anything_was_served(tmp_path: Path) -> None:
    nothing: Any = None
    home: Any = SimpleNamespace(home=tmp_path)
    FileRetention(home, nothing, nothing).run()
    assert json.dumps(sorted(map(str, tmp_path.iterdir()))) == "[]"
