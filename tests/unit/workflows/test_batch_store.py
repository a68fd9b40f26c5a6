"""Batches and files on the disk: sealed, whole or refused, and gone when their time is over."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.rights import SweptRows
from steward.gateway.batch import Batch, StoredFile
from steward.security.rootkey import RootKeys
from steward.workflows.batch_store import PIECE_BYTES, BatchStore, count_pieces, make_file_record
from steward.workflows.held_files import HeldFiles, write_held_files

ROOT = b"r" * 32
DATA = b"line\n" * (PIECE_BYTES // 4)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path, lambda: RootKeys(ROOT))


def keep(store: BatchStore, data: bytes = DATA, tenant: str = "t", now: float = 10.0) -> StoredFile:
    record = make_file_record(tenant, "p", "a.jsonl", data, now, 100.0)
    store.keep(record, data)
    return record


def make_batch(file: StoredFile, **fields: object) -> Batch:
    batch = Batch(
        id="batch-" + "0" * 24,
        tenant="t",
        project="p",
        key_id="k",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        created_at=10.0,
        expires_at=20.0,
    )
    return msgspec.structs.replace(batch, **fields)


def test_what_was_kept_is_read_again(store: BatchStore) -> None:
    assert not store.exists()
    record = keep(store)
    assert store.exists() and record.pieces == count_pieces(DATA) == 2
    assert store.find_file(record.id) == record and b"".join(store.read(record)) == DATA
    assert [count_pieces(b"x" * size) for size in (0, 1, PIECE_BYTES, PIECE_BYTES + 1)] == [0, 1, 1, 2]


def test_nothing_is_readable_on_the_disk(store: BatchStore) -> None:
    keep(store, b"a secret of somebody")
    store.put_batch(make_batch(keep(store), metadata={"for": "a secret of somebody"}))
    for path in store.folder.rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0


def test_another_root_key_opens_nothing(store: BatchStore, tmp_path: Path) -> None:
    record = keep(store)
    other = BatchStore(tmp_path, lambda: RootKeys(b"o" * 32))
    with pytest.raises(InputError):
        other.find_file(record.id)
    with pytest.raises(InputError):
        list(other.read(record))


def test_a_file_that_was_cut_off_or_moved_is_refused(store: BatchStore) -> None:
    one, two = keep(store), keep(store)
    files = store.folder / "files"
    whole = (files / f"{one.id}.data").read_bytes()
    (files / f"{two.id}.data").write_bytes(whole)
    with pytest.raises(InputError, match="cannot decrypt"):
        list(store.read(two))
    first = len(whole) - (len(DATA) - PIECE_BYTES) - 8 - 29  # without the second piece: head, version, nonce, tag
    (files / f"{one.id}.data").write_bytes(whole[:first])
    with pytest.raises(InputError, match="1 of 2 pieces"):
        list(store.read(one))


def test_a_journal_goes_on_after_a_kill(store: BatchStore) -> None:
    batch = make_batch(keep(store))
    journal = store.journal(batch, "output")
    assert journal.numbers() == []
    journal.append(4, b"four")
    journal.append(2, b"two")
    path = store.folder / "jobs" / f"{batch.id}.output"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])  # killed in the middle of an append
    assert journal.numbers() == [4, 2] and path.read_bytes() == whole
    file = store.publish(batch, "output", 11.0, 100.0)
    assert file is not None and b"".join(store.read(file)) == b"four\ntwo\n"
    assert (file.bytes, file.pieces, file.purpose) == (9, 2, "batch_output")
    again = store.publish(batch, "output", 11.0, 100.0)  # killed before the batch knew of it
    assert again == file and b"".join(store.read(file)) == b"four\ntwo\n"
    assert store.publish(batch, "errors", 11.0, 100.0) is None


def test_a_cancellation_shows_until_the_batch_is_over(store: BatchStore) -> None:
    batch = make_batch(keep(store))
    store.put_batch(batch)
    store.cancel(batch.id)
    seen = store.find_batch(batch.id)
    assert seen is not None and seen.status == "cancelling" and seen.cancelling_at is not None
    store.put_batch(msgspec.structs.replace(batch, status="completed"))
    assert [one.status for one in store.list_batches()] == ["completed"]


def test_what_is_old_is_deleted_but_for_what_a_batch_reads(store: BatchStore) -> None:
    read, old = keep(store), keep(store)
    fresh = keep(store, now=60.0)
    store.put_batch(make_batch(read, status="in_progress"))
    store.put_batch(make_batch(old, id="batch-" + "1" * 24, status="completed", completed_at=20.0))
    write_held_files(store.folder.parent, HeldFiles(batch_files=frozenset({old.id})))
    assert store.delete_expired(120.0, 100.0) == SweptRows(deleted=0, held=1) and len(store.list_batches()) == 2
    write_held_files(store.folder.parent, HeldFiles())
    assert store.delete_expired(110.0, 100.0) == SweptRows(deleted=1, held=0)
    assert {file.id for file in store.list_files()} == {read.id, fresh.id}
    assert len(store.list_batches()) == 2
    store.delete_expired(120.0, 100.0)
    assert [batch.status for batch in store.list_batches()] == ["in_progress"]
    assert store.list_batches(frozenset({store.list_batches()[0].id})) == []


def test_a_tenants_room_is_counted_with_its_journals(store: BatchStore) -> None:
    file = keep(store, b"x" * 100)
    keep(store, b"y" * 50, tenant="other")
    batch = make_batch(file, status="in_progress")
    store.put_batch(batch)
    size = store.journal(batch, "output").append(1, b"z" * 10)
    assert size == 8 + 1 + 12 + 10 + 16
    assert store.count_bytes("t") == 100 + size and store.count_bytes("other") == 50


def test_lists_are_newest_first(store: BatchStore) -> None:
    one, two = keep(store, now=1.0), keep(store, now=2.0)
    assert [file.id for file in store.list_files()] == [two.id, one.id]
    store.delete_file(two.id)
    assert [file.id for file in store.list_files()] == [one.id]


def test_other_content_takes_the_place_of_a_files(store: BatchStore) -> None:
    record = make_file_record("t", "p", "in.jsonl", b"one\ntwo\n", 1.0, 60.0)
    store.keep(record, b"one\ntwo\n")
    changed = store.replace_content(record, b"two\n")
    assert store.find_file(record.id) == changed and (changed.bytes, changed.pieces) == (4, 1)
    assert b"".join(store.read(changed)) == b"two\n"
    empty = store.replace_content(changed, b"")
    assert (empty.bytes, empty.pieces) == (0, 0) and list(store.read(empty)) == []


def test_what_was_kept_before_a_rotation_is_read_and_written_on(tmp_path: Path, store: BatchStore) -> None:
    record = keep(store)
    rotated = BatchStore(tmp_path, lambda: RootKeys(b"n" * 32, (ROOT,)))
    assert rotated.find_file(record.id) == record and b"".join(rotated.read(record)) == DATA
    later = keep(rotated, b"later")
    assert b"".join(rotated.read(later)) == b"later"
    with pytest.raises(InputError):
        store.find_file(later.id)


def test_what_batches_keep_is_readable_by_the_homes_owner_alone(tmp_path: Path, store: BatchStore) -> None:
    store.replace_content(keep(store), DATA + DATA)
    files = [path for path in store.folder.rglob("*") if path.is_file()]
    assert files and all(path.stat().st_mode & 0o177 == 0 for path in files)
