"""The study file: rows are only ever added."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from steward.adapters.stores.study import ERASED, StudyStore, erase_mentions
from steward.core.errors import Exhausted, InputError, Unavailable
from steward.core.study import Rater, StudyDesign, StudyTask, Vote

DESIGN = StudyDesign(
    title="t", mode="pairs", question="?", guide="", runs=(), data_sha256="", items=1, overlap=1.0, seed=1, detect=0.6
)
TASK = StudyTask(key="k", item="i", cluster="i", asked=(), references=(), answers=("a", "b"))


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return StudyStore.create(tmp_path / "study.db", DESIGN, [TASK])


def test_everything_comes_back(store: StudyStore, tmp_path: Path) -> None:
    vote = Vote(at=1.0, rater="r1", task="k", left=1, choice="left", levels={"a": 2}, comment="“ü”", seconds=2.5)
    store.vote(vote)
    store.invite(Rater("r1"), "h", 1.0)
    store.assign_owners({"k": "r1"}, 1.0)
    store.close()
    again = StudyStore.open(tmp_path / "study.db")
    assert (again.design(), again.tasks(), again.votes()) == (DESIGN, [TASK], [vote])
    assert again.raters() == [Rater("r1")] and again.owners() == {"k": "r1"} and again.find_rater("h") == Rater("r1")
    again.close()


@pytest.mark.parametrize("table", ["design", "task", "invite", "owner", "vote"])
def test_no_row_is_changed_or_removed(store: StudyStore, tmp_path: Path, table: str) -> None:
    store.vote(Vote(at=1.0, rater="r1", task="k", left=0, choice="tie"))
    store.invite(Rater("r1"), "h", 1.0)
    store.assign_owners({"k": "r1"}, 1.0)
    other = sqlite3.connect(tmp_path / "study.db")
    for change in (f"UPDATE {table} SET number = 7", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            other.execute(change)
    other.close()
    store.close()


def test_a_renewed_invite_replaces_the_old_one(store: StudyStore) -> None:
    store.invite(Rater("r1"), "old", 1.0)
    store.invite(Rater("r1"), "new", 2.0)
    assert store.find_rater("old") is None and store.find_rater("new") == Rater("r1") and store.find_rater("") is None
    store.close()


def test_what_is_no_study_is_named(tmp_path: Path, store: StudyStore) -> None:
    with pytest.raises(InputError, match="no such study"):
        StudyStore.open(tmp_path / "gone.db")
    with pytest.raises(InputError, match="exists"):
        StudyStore.create(tmp_path / "study.db", DESIGN, [])
    (tmp_path / "text.db").write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(InputError, match=r"text\.db: not a study"):
        StudyStore.open(tmp_path / "text.db")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE x (y)").connection.close()
    with pytest.raises(InputError, match="a database, but not a study"):
        StudyStore.open(tmp_path / "other.db")
    store.close()


def test_a_folder_that_cannot_be_written_is_the_worlds_failure(store: StudyStore, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store._connection.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(Unavailable, match="locked"):
        store.vote(Vote(at=1.0, rater="r1", task="k", left=0, choice="tie"))
    other.execute("ROLLBACK")
    other.close()
    store.close()


def test_s21_a_full_disk_is_named_and_the_next_vote_is_saved(store: StudyStore) -> None:
    """A database that may not grow (sqlite.org/pragma.html) fails as one on a full disk."""
    connection = store._connection
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    vote = Vote(at=1.0, rater="r1", task="k", left=0, choice="tie", comment="x" * 100_000)
    for _ in range(2):
        with pytest.raises(Exhausted, match="the disk is full"):
            store.vote(vote)
    connection.execute(f"PRAGMA max_page_count = {pages + 100}")
    store.vote(vote)
    assert store.votes() == [vote]
    store.close()


def test_a_person_goes_out_of_a_study_and_its_votes_stay(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    task = StudyTask(
        key="k", item="i", cluster="i", asked=(("user", "by anna"),), references=("x",), answers=("a", "b")
    )
    other = StudyTask(key="o", item="o", cluster="o", asked=(("user", "hi"),), references=(), answers=("c", "d"))
    store = StudyStore.create(path, DESIGN, [task, other])
    store.invite(Rater("anna"), "h1", 1.0)
    store.invite(Rater("ben"), "h2", 1.0)
    store.assign_owners({"k": "anna"}, 1.0)
    ben = Vote(at=1.0, rater="ben", task="o", left=0, choice="tie", comment="fine")
    store.vote(Vote(at=1.0, rater="anna", task="k", left=0, choice="left", comment="mine"))
    store.vote(ben)
    store.close()
    assert erase_mentions(path, re.compile(r"\banna\b")) == 4  # the task, the invite, the owner, the vote
    assert erase_mentions(path, re.compile(r"\banna\b")) == 0
    assert b"anna" not in path.read_bytes() and b"mine" not in path.read_bytes()
    again = StudyStore.open(path)
    assert again.tasks() == [
        StudyTask(
            key="k", item="i", cluster="i", asked=(("user", ERASED),), references=(ERASED,), answers=(ERASED, ERASED)
        ),
        other,
    ]
    assert again.votes() == [Vote(at=1.0, rater=ERASED, task="k", left=0, choice="left"), ben]
    assert again.owners() == {"k": ERASED} and again.find_rater("h2") == Rater("ben")
    again.close()
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        connection.execute("DELETE FROM vote")
    connection.close()
