"""A subject is erased; whatever backup is restored afterwards, its content opens nowhere."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.identity import DEFAULT_TENANT, operator
from steward.core.records import Feedback
from steward.gateway.feedback import FeedbackContent
from steward.security.rootkey import derive
from steward.workflows.backup import USE, backup_home
from steward.workflows.backup_archive import read_archive
from steward.workflows.drain import drain_once
from steward.workflows.erasures import BESIDE_KEYS, JOURNAL, ErasureFollower
from steward.workflows.keys import open_keys
from steward.workflows.restore import restore_home
from steward.workflows.sealing import SPOOL, find_place, make_content_keys
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.spool import SpoolWriter, make_intake
from steward.workflows.subject_keys import SubjectKeys

ACTOR = operator(1000)
WORDS = b"Quirin-is-ill"


def quiet(what: str, done: int, total: int) -> None: ...


class Machine:
    """A home, written to as a worker and its keeper do."""

    def __init__(self, home: Path) -> None:
        self.home, self.deployment = home, HomeDeployment(home=home)

    def give_feedback(self, name: str, subject: str, at: float, drained: bool = True) -> None:
        record = Feedback(id=name, at=at, key_id="k", project="p", request_id=f"req_{name}", score=1.0, subject=subject)
        roots = self.deployment.follow_roots()
        writer = SpoolWriter(self.home / SPOOL, f"spool-{name}", roots)
        text = msgspec.msgpack.encode(FeedbackContent(WORDS.decode() + name, None))
        writer.append(msgspec.structs.replace(record, sealed=writer.seal(find_place(record), text)))
        writer.close()
        if drained:
            self.drain()

    def drain(self) -> None:
        roots = self.deployment.follow_roots()
        with open_keys(self.deployment, time.time()) as (store, _, _):
            drain_once(self.home / SPOOL, store.ledger, time.time(), make_intake(store, roots))

    def erase(self, subject: str, at: float) -> None:
        with open_keys(self.deployment, time.time()) as (store, _, _):
            keys = SubjectKeys(store.subject_keys, store.secrets, self.deployment.follow_roots())
            keys.shred(DEFAULT_TENANT, subject, at=at, actor=ACTOR.actor)
            ErasureFollower(self.home, store.subject_keys).run()

    def read(self, *names: str) -> list[bool]:
        """Whether the words of each can be read."""
        roots = self.deployment.follow_roots()
        with open_keys(self.deployment, time.time()) as (store, _, _):
            keys = make_content_keys(store, roots)
            records = {item.id: item for item in store.feedback.read_sealed(names, tenant=None)}
            opened = {name: keys.open_feedback(item) for name, item in records.items()}
        words = {name: content.comment for name, content in opened.items() if content is not None}
        return [WORDS.decode() in (words.get(name) or "") for name in names]


def back_up(machine: Machine, folder: Path, name: str) -> Path:
    backup_home(machine.home, folder / name, folder / "keys", None, time.time(), quiet, actor=ACTOR)
    return folder / name


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "home")
    with open_keys(made.deployment, 1.0):
        pass
    made.give_feedback("a", "anna", 10.0)
    made.give_feedback("b", "ben", 10.0)
    return made


def restore(archive: Path, keys: Path, home: Path, erasures: Path | None = None) -> Machine:
    restore_home(archive, keys, None, home, quiet, actor=ACTOR, erasures=erasures)
    return Machine(home)


def test_an_older_archive_does_not_bring_it_back_with_newer_keys(machine: Machine, tmp_path: Path) -> None:
    week_old = back_up(machine, tmp_path, "old.bak")
    machine.erase("anna", 20.0)
    assert machine.read("a", "b") == [False, True]
    back_up(machine, tmp_path, "new.bak")
    assert restore(week_old, tmp_path / "keys", tmp_path / "restored").read("a", "b") == [False, True]


def test_older_keys_do_not_bring_it_back_where_the_journal_is_beside_them(machine: Machine, tmp_path: Path) -> None:
    week_old = back_up(machine, tmp_path, "old.bak")
    (key_file,) = (tmp_path / "keys").glob("*.keys")
    machine.erase("anna", 20.0)
    back_up(machine, tmp_path, "new.bak")
    restored = restore(week_old, key_file, tmp_path / "restored")
    assert restored.read("a", "b") == [False, True]
    restored.give_feedback("c", "anna", 30.0)  # who came back later has a new key
    assert restored.read("a", "c") == [False, True]


def test_the_journal_of_the_old_home_erases_again(machine: Machine, tmp_path: Path) -> None:
    """No backup was made after the erasure, but the old home's disk can be read."""
    week_old = back_up(machine, tmp_path, "old.bak")
    machine.erase("anna", 20.0)
    for number, erasures in enumerate((machine.home, machine.home / JOURNAL)):
        restored = restore(week_old, tmp_path / "keys", tmp_path / f"restored-{number}", erasures)
        assert restored.read("a", "b") == [False, True]
        assert (restored.home / JOURNAL).read_bytes() == (machine.home / JOURNAL).read_bytes()


def test_a_restore_without_any_journal_is_refused_until_somebody_says_so(machine: Machine, tmp_path: Path) -> None:
    archive = back_up(machine, tmp_path, "old.bak")
    (tmp_path / "keys" / BESIDE_KEYS).unlink()
    with pytest.raises(InputError, match="nothing says whose content was erased since the backup"):
        restore(archive, tmp_path / "keys", tmp_path / "restored")
    assert restore(archive, tmp_path / "keys", tmp_path / "restored", Path("none")).read("a", "b") == [True, True]


def test_what_lay_in_the_spool_of_a_backup_is_erased_too(machine: Machine, tmp_path: Path) -> None:
    machine.give_feedback("c", "anna", 12.0, drained=False)
    machine.give_feedback("d", "ben", 12.0, drained=False)
    archive = back_up(machine, tmp_path, "old.bak")
    machine.drain()
    machine.erase("anna", 20.0)
    restored = restore(archive, tmp_path / "keys", tmp_path / "restored", machine.home)
    assert restored.read("a", "b", "c", "d") == [False, True, False, True]


def test_an_archive_holds_no_key_of_anybody(machine: Machine, tmp_path: Path) -> None:
    """Even for whoever opens it with the root key: the keys of subjects and segments are in the key backup alone."""
    machine.give_feedback("c", "anna", 12.0, drained=False)
    with open_keys(machine.deployment, 1.0) as (store, _, root):
        wrapped = [key.wrapped for key in store.subject_keys.list_keys(9, tenant=None)]
    segment_keys = [path.read_bytes() for path in (machine.home / SPOOL).glob("*.key")]
    archive = back_up(machine, tmp_path, "old.bak")
    (tmp_path / "opened").mkdir()
    read_archive(archive, derive(root, USE), tmp_path / "opened", quiet)
    data = b"".join(path.read_bytes() for path in (tmp_path / "opened").rglob("*") if path.is_file())
    assert len(wrapped) == 2 and len(segment_keys) == 1
    assert not any(key in data for key in (*wrapped, *segment_keys))
