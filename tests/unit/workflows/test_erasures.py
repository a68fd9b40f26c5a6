"""The journal in its file, and what an erasure does on each machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.subject_keys import ShreddedKey, SubjectKey
from steward.gateway.stored_responses import ResponseStorePlan, StoredResponse
from steward.security.rootkey import RootKeys
from steward.workflows.erasures import JOURNAL, ErasureFollower, add_to_journal, read_journal, replay_journal
from steward.workflows.response_store import FileResponseStore


def erasure(name: str, subject: str = "s", at: float = 50.0) -> ShreddedKey:
    return ShreddedKey(id=name, tenant="one", subject=subject, key_id=None, at=at, actor="operator:1000")


@pytest.fixture
def store(tmp_path: Path) -> SqlStore:
    made = SqlStore(f"sqlite:///{tmp_path / 's.db'}")
    made.migrate()
    return made


def test_entries_are_appended_once_and_read_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "keys" / JOURNAL
    assert read_journal(path) == []
    assert add_to_journal(path, [erasure("b"), erasure("a")]) == 2
    assert add_to_journal(path, [erasure("a"), erasure("c")]) == 1
    assert add_to_journal(path, []) == 0
    assert [entry.id for entry in read_journal(path)] == ["b", "a", "c"] and read_journal(path)[0] == erasure("b")
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_empty_journal_is_a_file_that_says_so(tmp_path: Path) -> None:
    add_to_journal(tmp_path / JOURNAL, [])
    assert (tmp_path / JOURNAL).read_bytes() == b""


def test_a_torn_last_line_is_left_out_and_overwritten(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    add_to_journal(path, [erasure("a")])
    with path.open("ab") as file:
        file.write(b'{"id":"b","ten')
    assert [entry.id for entry in read_journal(path)] == ["a"]
    add_to_journal(path, [erasure("b")])
    assert [entry.id for entry in read_journal(path)] == ["a", "b"]


@pytest.mark.parametrize("line", [b"{}", b"nothing", b"\xff"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / JOURNAL
    add_to_journal(path, [erasure("a")])
    with path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(InputError, match=r"erasures\.jsonl:2: not an entry"):
        read_journal(path)
    with pytest.raises(InputError, match="Is a directory"):
        read_journal(tmp_path)


def test_a_store_that_was_set_back_is_told_what_was_erased(tmp_path: Path, store: SqlStore) -> None:
    """As after `pg_restore`: the key is there again, the home's file knows better."""
    key = SubjectKey(id="k", tenant="one", subject="s", tenant_version=1, wrapped=b"w", created_at=10.0)
    store.subject_keys.ensure([key])
    assert replay_journal(tmp_path, store.subject_keys) == 0
    add_to_journal(tmp_path / JOURNAL, [erasure("a")])
    assert replay_journal(tmp_path, store.subject_keys) == 1
    assert replay_journal(tmp_path, store.subject_keys) == 0
    assert store.subject_keys.list_keys(9, tenant=None) == []


def test_what_the_store_erased_is_done_on_this_machine_too(tmp_path: Path, store: SqlStore) -> None:
    answers = FileResponseStore(
        tmp_path, lambda: RootKeys(bytes(32)), ResponseStorePlan(keep_s=60.0), clock=lambda: 1000.0
    )
    names = ("a" * 24, "b" * 24)
    for name, subject in zip(names, ("s", "t"), strict=True):
        answers.put("one", "p", name, StoredResponse(at=1000.0, output=b"[]"), subject)
    follower = ErasureFollower(tmp_path, store.subject_keys)
    follower.run()
    assert set(answers.find("one", "p", frozenset(names))) == set(names)
    store.subject_keys.destroy([erasure("a")])
    follower.run()
    assert set(answers.find("one", "p", frozenset(names))) == {names[1]}
    assert [entry.id for entry in read_journal(tmp_path / JOURNAL)] == ["a"]
    store.subject_keys.destroy([erasure("late", "t", 20.0)])  # of a machine whose clock is behind
    follower.run()
    assert answers.find("one", "p", frozenset(names)) == {}
    ErasureFollower(tmp_path, store.subject_keys).run()
    assert [entry.id for entry in read_journal(tmp_path / JOURNAL)] == ["a", "late"]
