"""Where answers lie: sealed, by project, for a while and up to a size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from steward.core.rights import SweptRows
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import RootKeys
from steward.workflows.held_files import HeldFiles, write_held_files
from steward.workflows.response_store import (
    FOLDER,
    OWNERS,
    FileResponseStore,
    delete_for_client,
    delete_of_subject,
    prune,
)

ROOT, NAME = b"r" * 32, "a" * 24
ANSWER = StoredResponse(at=1000.0, output=b'[{"text":"Quirin"}]', input=b"[]")


def open_store(home: Path, now: float = 1000.0, keep_s: float = 60.0, root: bytes = ROOT) -> FileResponseStore:
    return FileResponseStore(
        home, lambda: RootKeys(root), ResponseStorePlan(keep_s=keep_s, max_bytes=10_000), lambda: now
    )


def list_files(home: Path) -> list[Path]:
    return [path for path in (home / FOLDER).rglob("*") if path.is_file()]


def test_an_answer_is_found_by_another_process_of_the_home(tmp_path: Path) -> None:
    open_store(tmp_path).put("t", "p", NAME, ANSWER)
    assert open_store(tmp_path).find("t", "p", frozenset({NAME, "b" * 24})) == {NAME: ANSWER}


@pytest.mark.parametrize(("tenant", "project"), [("t", "other"), ("other", "p"), ("", "tp"), ("tp", "")])
def test_no_other_project_or_tenant_finds_it(tmp_path: Path, tenant: str, project: str) -> None:
    store = open_store(tmp_path)
    store.put("t", "p", NAME, ANSWER)
    assert store.find(tenant, project, frozenset({NAME})) == {}
    [file] = list_files(tmp_path)
    store.put(tenant, project, "b" * 24, ANSWER)
    moved = next(path for path in list_files(tmp_path) if path.name == "b" * 24).with_name(NAME)
    moved.write_bytes(file.read_bytes())  # nor where its file is put into their folder
    assert store.find(tenant, project, frozenset({NAME})) == {}


def test_it_rests_as_ciphertext_for_its_owner_alone(tmp_path: Path) -> None:
    open_store(tmp_path).put("t", "p", NAME, ANSWER)
    [file] = list_files(tmp_path)
    assert b"Quirin" not in file.read_bytes() and file.stat().st_mode & 0o777 == 0o600
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in (file.parent, file.parent.parent))
    assert open_store(tmp_path, root=b"x" * 32).find("t", "p", frozenset({NAME})) == {}


@pytest.mark.parametrize(("now", "found"), [(1059.9, True), (1060.0, False), (940.1, True), (940.0, False)])
def test_it_is_found_for_a_while_whatever_the_clock_does(tmp_path: Path, now: float, found: bool) -> None:
    open_store(tmp_path).put("t", "p", NAME, ANSWER)
    assert bool(open_store(tmp_path, now).find("t", "p", frozenset({NAME}))) == found


def write(home: Path, name: str, at: float, size: int) -> Path:
    path = home / FOLDER / "project" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (at, at))
    return path


def test_what_is_old_goes(tmp_path: Path) -> None:
    old, young = write(tmp_path, "old", 1000.0, 1), write(tmp_path, "young", 1001.0, 1)
    assert prune(tmp_path, ResponseStorePlan(keep_s=60.0), 1060.0).deleted == 1
    assert not old.exists() and young.exists()


def test_where_it_is_too_much_the_oldest_go(tmp_path: Path) -> None:
    files = [write(tmp_path, name, at, 400) for name, at in (("a", 1.0), ("b", 3.0), ("c", 2.0))]
    plan = ResponseStorePlan(keep_s=60.0, max_bytes=800)
    assert prune(tmp_path, plan, 4.0).deleted == 1 and [path.exists() for path in files] == [False, True, True]
    assert prune(tmp_path, plan, 4.0).deleted == 0


def test_where_nothing_is_kept_any_more_all_goes(tmp_path: Path) -> None:
    write(tmp_path, "a", 1000.0, 1)
    assert prune(tmp_path, ResponseStorePlan(), 1000.0).deleted == 1 and list_files(tmp_path) == []
    assert prune(tmp_path / "no home", ResponseStorePlan(), 1000.0).deleted == 0


def test_what_a_legal_hold_covers_stays_however_old_and_many(tmp_path: Path) -> None:
    paths = [write(tmp_path, name, 1.0, 400) for name in ("a", "b")]
    write_held_files(tmp_path, HeldFiles(answers=frozenset({"project/a"})))
    assert prune(tmp_path, ResponseStorePlan(), 1e9) == SweptRows(deleted=1, held=1)
    assert [path.exists() for path in paths] == [True, False]
    write_held_files(tmp_path, HeldFiles(projects=frozenset({"project"})))
    assert prune(tmp_path, ResponseStorePlan(), 1e9) == SweptRows(deleted=0, held=1)
    (tmp_path / "held.json").write_text("{")
    assert prune(tmp_path, ResponseStorePlan(), 1e9) == SweptRows(deleted=0, held=1)  # nobody can tell
    (tmp_path / "held.json").unlink()
    assert prune(tmp_path, ResponseStorePlan(), 1e9) == SweptRows(deleted=1, held=0)


def test_what_a_client_deletes_under_a_hold_goes_after_a_look_or_where_it_is_too_much(tmp_path: Path) -> None:
    write_held_files(tmp_path, HeldFiles(tenants=frozenset({"t"})))
    store, plan = open_store(tmp_path), ResponseStorePlan(keep_s=1e12)
    for letter in "ab":
        store.put("t", "p", letter * 24, StoredResponse(at=0.0, output=b""))
        assert delete_for_client(tmp_path, "t", "p", letter * 24)
        assert store.find("t", "p", frozenset({letter * 24})) == {}
    assert not delete_for_client(tmp_path, "t", "p", "c" * 24)
    assert prune(tmp_path, plan, 1.0) == SweptRows(deleted=0, held=0)
    most = list_files(tmp_path)[0].stat().st_size
    assert prune(tmp_path, ResponseStorePlan(keep_s=1e12, max_bytes=most), 1.0).deleted == 1
    assert prune(tmp_path, plan, 1.0, looked=True).deleted == 1


def test_where_nobody_can_tell_what_is_held_nothing_is_deleted_for_a_client(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("t", "p", NAME, ANSWER)
    (tmp_path / "held.json").write_text("{")
    assert delete_for_client(tmp_path, "t", "p", NAME)
    assert store.find("t", "p", frozenset({NAME})) == {} and len(list_files(tmp_path)) == 1


def test_what_is_written_between_two_rounds_of_the_keeper_is_bounded(tmp_path: Path) -> None:
    store = open_store(tmp_path, now=0.0, keep_s=1e12)
    for number in range(40):
        store.put("t", "p", f"{number:024x}", StoredResponse(at=0.0, output=bytes(500)))
    assert sum(path.stat().st_size for path in list_files(tmp_path)) <= 10_000 + 10_000 // 16 + 700


def test_what_a_person_got_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    names = {letter: letter * 24 for letter in "abcd"}
    store.put("t", "p", names["a"], ANSWER, "anna")
    store.put("t", "q", names["b"], ANSWER, "anna")
    store.put("t", "p", names["c"], ANSWER, "ben")
    store.put("t", "p", names["d"], ANSWER)
    assert delete_of_subject(tmp_path, "other", "anna") == 0
    assert delete_of_subject(tmp_path, "t", "anna") == 2
    assert set(store.find("t", "p", frozenset(names.values()))) == {names["c"], names["d"]}
    assert delete_of_subject(tmp_path, "t", f"exchange:req_{names['d']}") == 1
    assert {path.name for path in list_files(tmp_path)} == {names["c"]}
    assert delete_of_subject(tmp_path, "t", "anna") == 0 == delete_of_subject(tmp_path / "none", "t", "anna")


def test_whose_an_answer_was_is_forgotten_with_it(tmp_path: Path) -> None:
    open_store(tmp_path).put("t", "p", NAME, ANSWER, "anna")
    (mark,) = [path for path in (tmp_path / OWNERS).rglob("*") if path.is_file()]
    assert mark.stat().st_size == 0 and mark.stat().st_mode & 0o777 == 0o600 and "anna" not in str(mark)
    os.utime(mark, (1000.0, 1000.0))
    plan = ResponseStorePlan(keep_s=60.0, max_bytes=10_000)
    [file] = list_files(tmp_path)
    os.utime(file, (1000.0, 1000.0))
    prune(tmp_path, plan, 1059.0)
    assert mark.exists()
    prune(tmp_path, plan, 1061.0)
    assert not mark.exists() and not file.exists()


def test_an_answer_of_before_a_rotation_is_found(tmp_path: Path) -> None:
    open_store(tmp_path).put("t", "p", NAME, ANSWER)
    rotated = FileResponseStore(
        tmp_path, lambda: RootKeys(b"x" * 32, (ROOT,)), ResponseStorePlan(keep_s=60.0), lambda: 1000.0
    )
    assert rotated.find("t", "p", frozenset({NAME})) == {NAME: ANSWER}
