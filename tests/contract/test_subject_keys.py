"""Keys of subjects and the journal of erasures: one suite over SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import ContentErased, InputError
from steward.core.subject_keys import ShreddedKey, SubjectKey, name_exchange
from steward.security.hierarchy import RecordPlace, read_header
from steward.security.rootkey import RootKeys
from steward.workflows.subject_keys import CONFIRM_S, SealRequest, SubjectKeys

Open = Callable[[], SqlStore]
ROOT = bytes(32)


def key(name: str, subject: str, at: float = 10.0, tenant: str = "one") -> SubjectKey:
    return SubjectKey(id=name, tenant=tenant, subject=subject, tenant_version=1, wrapped=b"w", created_at=at)


def erasure(name: str, subject: str, at: float, tenant: str = "one") -> ShreddedKey:
    return ShreddedKey(id=name, tenant=tenant, subject=subject, key_id=None, at=at, actor="operator:1000")


def place(row: str, tenant: str = "one") -> RecordPlace:
    return RecordPlace(tenant, "feedback", "sealed", row)


def test_the_first_key_of_a_subject_stays(store: SqlStore) -> None:
    keys = store.subject_keys
    first, second, other = key("a", "s"), key("b", "s"), key("c", "s", tenant="two")
    assert keys.ensure([first, second, other]) == [first, first, other]
    assert keys.ensure([key("d", "s", 20.0)]) == [first] and keys.ensure([]) == []
    assert keys.find(["a", "b", "c"], tenant=None) == {"a": first, "c": other}
    assert keys.find(["a", "c"], tenant="two") == {"c": other}
    assert keys.find_subject("s", tenant="one") == first and keys.find_subject("t", tenant="one") is None
    assert keys.list_keys(9, tenant=None) == [first, other] and keys.list_keys(9, "a", tenant=None) == [other]
    assert keys.list_keys(1, tenant=None) == [first] and keys.list_keys(9, tenant="two") == [other]


def test_many_keys_are_made_at_once(store: SqlStore) -> None:
    many = [key(f"{n:04}", f"s{n}") for n in range(1200)]
    assert store.subject_keys.ensure(many) == many
    assert len(store.subject_keys.find([item.id for item in many], tenant="one")) == 1200


def test_an_erasure_destroys_the_key_and_nothing_older_is_sealed_again(store: SqlStore) -> None:
    keys = store.subject_keys
    before = keys.generation()
    keys.ensure([key("a", "s"), key("b", "t"), key("c", "s", tenant="two")])
    (done,) = keys.destroy([erasure("e1", "s", 50.0)])
    assert done.key_id == "a" and keys.generation() == before + 1
    assert set(keys.find(["a", "b", "c"], tenant=None)) == {"b", "c"}
    late, same, after = key("d", "s", 49.0), key("e", "s", 50.0), key("f", "s", 50.1)
    assert keys.ensure([late, same, after]) == [None, None, after]
    assert keys.ensure([late, key("g", "s", 60.0)]) == [None, after]
    assert keys.list_erasures(tenant="one") == [done] and keys.list_erasures(tenant="two") == []
    assert keys.list_erasures(50.0, tenant=None) == [done] and keys.list_erasures(50.1, tenant=None) == []


def test_the_same_erasure_again_changes_nothing(store: SqlStore) -> None:
    keys = store.subject_keys
    keys.ensure([key("a", "s")])
    (done,) = keys.destroy([erasure("e1", "s", 50.0)])
    keys.ensure([key("b", "s", 60.0)])
    assert keys.destroy([erasure("e1", "s", 70.0)]) == [done] and "b" in keys.find(["b"], tenant=None)
    assert [item.key_id for item in keys.destroy([erasure("e2", "nobody", 70.0), erasure("e3", "s", 70.0)])] == [
        None,
        "b",
    ]


def test_an_erasure_destroys_a_key_whose_clock_was_ahead(store: SqlStore) -> None:
    store.subject_keys.ensure([key("a", "s", 50.4)])
    assert store.subject_keys.destroy([erasure("e1", "s", 50.0)])[0].key_id == "a"


def test_a_journal_is_replayed_into_a_store_of_before(store: SqlStore) -> None:
    """As after a restore: keys of before their erasure go, a key that was made for later records stays."""
    keys = store.subject_keys
    keys.ensure([key("a", "s", 10.0), key("b", "t", 60.0), key("c", "u", 70.0)])
    journal = [erasure("e1", "s", 50.0), erasure("e2", "t", 50.0), erasure("e3", "nobody", 50.0)]
    journal.append(msgspec.structs.replace(erasure("e4", "u", 50.0), key_id="c"))
    assert keys.replay(journal) == 4 and keys.replay(journal) == 0
    assert set(keys.find(["a", "b", "c"], tenant=None)) == {"b"}
    assert keys.list_erasures(tenant=None) == journal


def test_keys_are_wrapped_anew_where_they_still_exist(store: SqlStore) -> None:
    keys = store.subject_keys
    keys.ensure([key("a", "s"), key("b", "t")])
    keys.destroy([erasure("e1", "t", 50.0)])
    new = [
        msgspec.structs.replace(key(name, subject), tenant_version=2, wrapped=b"x") for name, subject in ("as", "bt")
    ]
    assert keys.count_keys(tenant="one") == {("one", 1): 1} and keys.count_keys(tenant="two") == {}
    assert (
        keys.rewrap(new) == 1
        and keys.count_keys(tenant=None) == {("one", 2): 1}
        and keys.list_keys(9, tenant=None) == [new[0]]
    )


def test_making_and_destroying_keys_of_one_subject_take_turns(store: SqlStore, open_store: Open) -> None:
    """However they fall, no key of before the erasure is there at the end."""
    others = [open_store() for _ in range(3)]

    def make(machine: SqlStore, name: str) -> None:
        for number in range(20):
            machine.subject_keys.ensure([key(f"{name}{number}", "s", 10.0), key(f"{name}{number}t", "t", 10.0)])

    threads = [threading.Thread(target=make, args=(machine, str(n))) for n, machine in enumerate(others)]
    for thread in threads:
        thread.start()
    store.subject_keys.destroy([erasure("e1", "s", 50.0)])
    for thread in threads:
        thread.join()
    assert [item.subject for item in store.subject_keys.list_keys(9, tenant=None)] == ["t"]


def make_keys(store: SqlStore, clock: Callable[[], float] = lambda: 0.0) -> SubjectKeys:
    return SubjectKeys(store.subject_keys, store.secrets, lambda: RootKeys(ROOT), clock)


def test_content_opens_on_every_machine_until_its_subject_is_erased(store: SqlStore, open_store: Open) -> None:
    now = 0.0
    here, there = make_keys(store), make_keys(open_store(), lambda: now)
    sealed = [here.seal(place(row), subject, text, at=10.0) for row, subject, text in
              [("f1", "s", b"one"), ("f2", "s", b"two"), ("f3", name_exchange("req_1"), b"three")]]  # fmt: skip
    first, second, own = (item or b"" for item in sealed)
    assert there.open_all([(first, place("f1")), (second, place("f2")), (own, place("f3"))]) == [
        b"one",
        b"two",
        b"three",
    ]
    assert read_header(first).key_id == read_header(second).key_id != read_header(own).key_id
    done = here.shred("one", "s", at=50.0, actor="operator:1000")
    assert done.key_id == read_header(first).key_id.hex() and done.subject == "s"
    with pytest.raises(ContentErased, match="feedback f1"):
        here.open(first, place("f1"))
    now = CONFIRM_S  # the other process asks again
    with pytest.raises(ContentErased, match="feedback f2"):
        there.open(second, place("f2"))
    assert there.open(own, place("f3")) == b"three"
    assert there.seal(place("f4"), "s", b"late", at=49.0) is None
    assert there.open(there.seal(place("f5"), "s", b"new", at=51.0) or b"", place("f5")) == b"new"


def test_a_record_opens_for_its_tenant_only(store: SqlStore) -> None:
    keys = make_keys(store)
    sealed = keys.seal(place("f1"), "s", b"one", at=10.0) or b""
    keys.seal(place("f1", "two"), "s", b"two", at=10.0)
    with pytest.raises(InputError):
        keys.open(sealed, place("f1", "two"))


def test_a_batch_is_sealed_with_one_key_for_each_subject(store: SqlStore) -> None:
    keys = make_keys(store)
    batch = [SealRequest(place=place(f"f{n}"), subject=f"s{n % 3}", text=b"%d" % n, at=10.0) for n in range(30)]
    sealed = [item or b"" for item in keys.seal_all(batch)]
    assert keys.open_all(list(zip(sealed, [item.place for item in batch], strict=True))) == [
        b"%d" % n for n in range(30)
    ]
    assert len(store.subject_keys.list_keys(99, tenant="one")) == 3 and repr(batch[0]).endswith("***)")
