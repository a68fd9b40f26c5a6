"""What a process keeps of keys in memory, and for how long it trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.adapters.stores.subject_keys import SqlSubjectKeys
from steward.core.errors import ContentErased, InputError, Unavailable
from steward.core.identity import DEFAULT_TENANT
from steward.core.subject_keys import SubjectKey
from steward.gateway.middleware.identify import pseudonym
from steward.security.hierarchy import RecordPlace, seal_record
from steward.security.rootkey import RootKeys
from steward.workflows import subject_keys
from steward.workflows.shared_secrets import SUBJECT_INDEX, ensure_secret
from steward.workflows.subject_keys import CONFIRM_S, SubjectKeys

ROOT = bytes(32)


class Counting(SqlSubjectKeys):
    """A store's keys, and how often each question was asked; `away` is a store that does not answer."""

    finds = generations = 0
    away = False

    def find(self, ids: Sequence[str], *, tenant: str | None) -> dict[str, SubjectKey]:
        self.finds += 1
        return super().find(ids, tenant=tenant)

    def generation(self) -> int:
        self.generations += 1
        if self.away:
            raise Unavailable("the store does not answer")
        return super().generation()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store = SqlStore(f"sqlite:///{folder / 's.db'}")
        self.store.migrate()
        self.counting, self.now = Counting(self.store.database), 100.0
        self.keys = SubjectKeys(self.counting, self.store.secrets, lambda: RootKeys(ROOT), lambda: self.now)

    def seal(self, row: str, subject: str) -> bytes:
        return self.keys.seal(place(row), subject, row.encode(), at=1.0) or b""


def place(row: str, tenant: str = DEFAULT_TENANT) -> RecordPlace:
    return RecordPlace(tenant, "feedback", "sealed", row)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_key_is_read_once_and_confirmed_twice_a_second(bench: Bench) -> None:
    sealed = bench.seal("a", "s")
    bench.counting.finds = bench.counting.generations = 0
    for step in (0.0, 0.1, CONFIRM_S - 0.01):
        bench.now = 100.0 + step
        assert bench.keys.open(sealed, place("a")) == b"a"
    assert (bench.counting.finds, bench.counting.generations) == (1, 0)  # sealing has asked already
    bench.now = 100.0 + CONFIRM_S
    assert bench.keys.open(sealed, place("a")) == b"a"
    assert (bench.counting.finds, bench.counting.generations) == (1, 1)


def test_nothing_is_opened_while_nobody_can_say_whether_it_was_erased(bench: Bench) -> None:
    sealed = bench.seal("a", "s")
    assert bench.keys.open(sealed, place("a")) == b"a"
    bench.counting.away, bench.now = True, 100.0 + CONFIRM_S
    with pytest.raises(Unavailable):
        bench.keys.open(sealed, place("a"))


def test_an_erasure_here_is_seen_at_once(bench: Bench) -> None:
    sealed = bench.seal("a", "s")
    assert bench.keys.open(sealed, place("a")) == b"a"
    done = bench.keys.shred(DEFAULT_TENANT, "s", at=2.0, actor="operator:1000", erasure_id="e1")
    assert (done.id, done.actor, done.at) == ("e1", "operator:1000", 2.0)
    with pytest.raises(ContentErased):
        bench.keys.open(sealed, place("a"))


def test_the_keys_in_memory_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject_keys, "MAX_CACHED", 2)
    sealed = {name: bench.seal(name, name) for name in "abc"}
    for name, content in sealed.items():
        bench.keys.open(content, place(name))
    bench.counting.finds = 0
    bench.keys.open(sealed["b"], place("b"))
    bench.keys.open(sealed["c"], place("c"))
    assert bench.counting.finds == 0
    bench.keys.open(sealed["a"], place("a"))
    assert bench.counting.finds == 1


def test_a_wrapped_key_is_nowhere_in_the_files_after_its_erasure(bench: Bench, tmp_path: Path) -> None:
    bench.seal("a", "s")
    (kept,) = bench.store.subject_keys.list_keys(9, tenant=None)
    assert any(kept.wrapped in path.read_bytes() for path in tmp_path.iterdir())
    bench.keys.shred(DEFAULT_TENANT, "s", at=2.0, actor="operator:1000")
    assert not any(kept.wrapped in path.read_bytes() for path in tmp_path.iterdir())


def test_what_no_subject_key_sealed_is_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="which the keeper replaces within seconds"):
        bench.keys.open(seal_record(ROOT, bytes(16), b"x", place("a"), "segment"), place("a"))
    with pytest.raises(InputError, match="version 01, expected 02"):
        bench.keys.open(b"\x01" + bytes(40), place("a"))


def test_a_lost_tenant_key_says_so(bench: Bench) -> None:
    sealed = bench.seal("a", "s")
    (kept,) = bench.store.subject_keys.list_keys(9, tenant=None)
    bench.store.subject_keys.rewrap([msgspec.structs.replace(kept, tenant_version=3)])
    with pytest.raises(InputError, match="version 3 of the key of tenant default is not in the store"):
        bench.keys.open(sealed, place("a"))


def test_a_person_is_found_by_the_index_key_of_the_tenant(bench: Bench) -> None:
    assert bench.keys.find_subject("one", "p", "anna") is None
    index = ensure_secret(bench.store.secrets, ROOT, SUBJECT_INDEX, "one", 1.0)
    assert bench.keys.find_subject("one", "p", "anna") == pseudonym(index, "p", "anna")
    assert bench.keys.find_subject("one", "q", "anna") != bench.keys.find_subject("one", "p", "anna")
