"""Content on its way into the store: under its segment's key, then its subject's, and the segment's key is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.errors import InputError
from steward.core.records import SUBJECT_SEALED, Feedback
from steward.security.hierarchy import read_header
from steward.security.rootkey import RootKeys, derive
from steward.security.seal import encode_owner, seal
from steward.workflows.drain import drain_once
from steward.workflows.sealing import ContentKeys, find_place
from steward.workflows.spool import (
    SEGMENT_S,
    FeedbackSweep,
    SegmentKey,
    SpoolIntake,
    SpoolWriter,
    destroy_file,
    key_file,
    read_segment_key,
    wrap_segment_key,
)
from steward.workflows.subject_keys import SubjectKeys

ROOTS = RootKeys(bytes(32))
RECORD = Feedback(id="fb_1", at=10.0, key_id="k", project="p", request_id="req_1", score=1.0, subject="anna")


class Home:
    """A spool, its worker, and the keeper that drains it."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.now = folder / "spool", 0.0
        self.store = SqlStore(f"sqlite:///{folder / 's.db'}")
        self.store.migrate()
        self.keys = SubjectKeys(self.store.subject_keys, self.store.secrets, lambda: ROOTS, lambda: self.now)
        self.intake = SpoolIntake(self.keys, lambda: ROOTS)
        self.worker = self.open_worker("spool-w")

    def open_worker(self, name: str) -> SpoolWriter:
        return SpoolWriter(self.spool, name, lambda: ROOTS, lambda: self.now)

    def write(self, record: Feedback, text: bytes) -> bytes:
        sealed = self.worker.seal(find_place(record), text)
        self.worker.append(msgspec.structs.replace(record, sealed=sealed))
        return sealed

    def drain(self) -> None:
        drain_once(self.spool, self.store.ledger, 100.0, self.intake)

    def read(self, *names: str) -> list[bytes]:
        keys = ContentKeys(self.keys, lambda: ROOTS)
        return [keys.open(record) for record in self.store.feedback.read_sealed(names, tenant=None)]

    def list_files(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir())


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.store.close()


def test_content_is_sealed_for_its_segment_then_for_its_subject(home: Home) -> None:
    sealed = home.write(RECORD, b"words")
    assert read_header(sealed).level == "segment"
    home.drain()
    (kept,) = home.store.feedback.read_sealed(["fb_1"], tenant=None)
    assert (kept.sealed or b"").startswith(SUBJECT_SEALED) and home.read("fb_1") == [b"words"]
    key = home.store.subject_keys.find_subject("anna", tenant="default")
    assert key is not None and read_header(kept.sealed or b"").key_id.hex() == key.id


def test_a_segments_key_goes_once_all_of_it_is_in_the_store(home: Home) -> None:
    home.write(RECORD, b"words")
    home.drain()
    assert home.list_files() == ["spool-w-0-000000.seg", "spool-w-0.key", "spool-w-0.lock"]
    home.worker.close()
    home.drain()
    assert home.list_files() == [] and home.read("fb_1") == [b"words"]


def test_a_segment_ends_a_second_after_its_first_record(home: Home) -> None:
    asyncio.run(home.worker.renew())
    home.now = 50.0
    asyncio.run(home.worker.renew())
    assert home.list_files() == ["spool-w-0-000000.seg", "spool-w-0.key", "spool-w-0.lock"]
    home.write(RECORD, b"words")
    home.now = 50.0 + SEGMENT_S - 0.01
    asyncio.run(home.worker.renew())
    assert len(home.list_files()) == 3
    home.now = 50.0 + SEGMENT_S
    asyncio.run(home.worker.renew())
    assert len(home.list_files()) == 6
    home.write(msgspec.structs.replace(RECORD, id="fb_2"), b"more")
    home.drain()
    assert home.list_files() == ["spool-w-1-000000.seg", "spool-w-1.key", "spool-w-1.lock"]
    assert home.read("fb_1", "fb_2") == [b"words", b"more"]


def test_an_erasure_reaches_what_was_not_drained_yet(home: Home) -> None:
    home.write(RECORD, b"before")
    home.write(msgspec.structs.replace(RECORD, id="fb_2", subject="ben"), b"another's")
    home.keys.shred("default", "anna", at=11.0, actor="operator:1000")
    home.write(msgspec.structs.replace(RECORD, id="fb_3", at=12.0), b"after")
    home.drain()
    assert home.store.feedback.read_sealed(["fb_1"], tenant=None) == []  # the rating stays, its words are gone
    assert home.read("fb_2", "fb_3") == [b"another's", b"after"]
    assert home.store.feedback.report(0.0, 9, tenant=None).unmatched == 3


def test_two_workers_have_keys_of_their_own(home: Home) -> None:
    other = home.open_worker("spool-v")
    keys = [read_segment_key(ROOTS, key_file(home.spool, name)) for name in ("spool-w-0", "spool-v-0")]
    assert keys[0].id != keys[1].id and keys[0].value != keys[1].value and repr(keys[0]).endswith("…)")
    other.close()


def test_the_file_of_a_segments_key_is_private_and_opens_for_its_segment_only(home: Home) -> None:
    path = key_file(home.spool, "spool-w-0")
    assert path.stat().st_mode & 0o777 == 0o600 and len(path.read_bytes()) == 16 + 1 + 12 + 32 + 16
    moved = home.spool / "spool-x-0.key"
    moved.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"spool-x-0\.key: cannot decrypt"):
        read_segment_key(ROOTS, moved)
    with pytest.raises(InputError, match="No such file"):
        read_segment_key(ROOTS, home.spool / "none.key")
    rotated = RootKeys(b"\1" * 32, (ROOTS.current,))
    assert read_segment_key(rotated, path) == read_segment_key(ROOTS, path)


def test_what_does_not_open_stays_as_it_is_and_is_named_once(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    sealed = home.write(RECORD, b"words")
    key_file(home.spool, "spool-w-0").unlink()
    with caplog.at_level(logging.ERROR):
        home.drain()
        home.intake.reseal([msgspec.structs.replace(RECORD, sealed=sealed)], [])
    assert [message for message in caplog.messages if "fb_1" in message] == [
        "the content of feedback fb_1 stays closed: the key of its segment is gone"
    ]
    (kept,) = home.store.feedback.read_sealed(["fb_1"], tenant=None)
    assert kept.sealed == sealed


def test_a_key_is_overwritten_before_its_file_is_removed(tmp_path: Path) -> None:
    path, link = tmp_path / "a.key", tmp_path / "held"
    path.write_bytes(b"secret")
    link.hardlink_to(path)
    destroy_file(path)
    assert link.read_bytes() == bytes(6) and not path.exists()
    destroy_file(path)


def write_old(home: Home, name: str) -> None:
    """As a release before subject keys left it in the store: version 1, under the root key."""
    owner = encode_owner("feedback", "p", "req_1", name)
    sealed = seal(derive(ROOTS.current, "feedback content"), name.encode(), owner)
    record = msgspec.structs.replace(RECORD, id=name, sealed=sealed)
    home.store.ledger.drain("old", f"{name}.seg", 1, [record])


def test_content_of_older_releases_is_sealed_anew_in_parts(home: Home) -> None:
    names = [f"fb_{number}" for number in range(5)]
    for name in names:
        write_old(home, name)
    sweep = FeedbackSweep(home.spool, home.store.feedback, home.intake, lambda: home.now)
    sweep.MOST = 2
    for left in (3, 1, 0, 0):
        sweep.run()
        assert len(home.store.feedback.list_not_sealed_for_subject(9)) == left
    assert home.read(*names) == [name.encode() for name in names]
    write_old(home, "fb_9")
    sweep.run()
    assert len(home.store.feedback.list_not_sealed_for_subject(9)) == 1  # it rests
    home.now = FeedbackSweep.REST_S
    sweep.run()
    assert home.store.feedback.list_not_sealed_for_subject(9) == [] and home.read("fb_9") == [b"fb_9"]


def test_what_an_older_release_drained_is_sealed_anew_and_its_key_destroyed(home: Home) -> None:
    sealed = home.write(RECORD, b"words")
    home.worker.close()
    home.store.ledger.drain("spool-w-0", "spool-w-0-000000.seg", 1, [msgspec.structs.replace(RECORD, sealed=sealed)])
    for path in home.spool.iterdir():
        if path.suffix != ".key":
            path.unlink()  # as the older release does
    FeedbackSweep(home.spool, home.store.feedback, home.intake, lambda: 0.0).run()
    assert home.read("fb_1") == [b"words"] and home.list_files() == []


def test_the_key_of_a_living_segment_is_no_orphan(home: Home) -> None:
    FeedbackSweep(home.spool, home.store.feedback, home.intake, lambda: 0.0).run()
    assert key_file(home.spool, "spool-w-0").exists()


def test_a_wrapped_segment_key_names_its_id() -> None:
    key = SegmentKey(b"i" * 16, b"v" * 32)
    assert wrap_segment_key(ROOTS, "w", key)[:16] == b"i" * 16
