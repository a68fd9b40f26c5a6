"""The spool: content on its way from a worker, who asks no database, into the store.

A worker seals it under a random key of its segment; `WRITER.key` holds that key, wrapped by the root key. A segment
ends a second after its first record, so that its key soon goes. The keeper seals what it drains under the subjects'
keys, and destroys the segment's key once all of it is committed: an erasure then reaches what lies here too. The file
format is the ledger's, with a writer for each segment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from steward.core.errors import InputError, StewardError
from steward.core.files import write_file
from steward.core.records import Feedback, LedgerRecord
from steward.core.stores import FeedbackStore
from steward.gateway.ledger import LedgerWriter, parse_writer
from steward.security.hierarchy import (
    ID_BYTES,
    KEY_BYTES,
    RecordPlace,
    is_version_2,
    open_record,
    read_header,
    seal_record,
)
from steward.security.rootkey import RootKeys
from steward.security.seal import encode_owner, seal, unseal_any
from steward.workflows.sealing import RecordWithContent, find_owner, find_place, open_version_1
from steward.workflows.subject_keys import SealRequest, SubjectKeys

if TYPE_CHECKING:  # workers seal without SQL
    from steward.adapters.stores.sql import SqlStore

log = logging.getLogger(__name__)

SEGMENT_S: Final = 1.0  # after its first record
KEY_ENDING: Final = ".key"
_USE: Final = "segment keys"


class SegmentKey(msgspec.Struct, frozen=True):
    """What the records of one segment are sealed under."""

    id: bytes
    value: bytes

    def __repr__(self) -> str:
        return f"SegmentKey({self.id.hex()[:8]}…)"


class SpoolWriter:
    """One worker's side. `seal` and `append` belong together, with no await between them."""

    def __init__(
        self,
        folder: Path,
        writer_id: str,
        roots: Callable[[], RootKeys],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._writer_id, self._roots, self._clock = folder, writer_id, roots, clock
        self._number = 0
        self._used_at: float | None = None
        self._writer, self._key = self._open()

    def seal(self, place: RecordPlace, text: bytes) -> bytes:
        return seal_record(self._key.value, self._key.id, text, place, "segment")

    def append(self, record: LedgerRecord) -> None:
        """:raises OSError: no room; nothing was written"""
        self._writer.append(record)
        if self._used_at is None:
            self._used_at = self._clock()

    def sync(self) -> None:
        """Bring what was appended to the disk; blocks."""
        self._writer.sync()

    def rotate(self) -> None:
        """Begin another segment now, where this one has records."""
        if self._used_at is not None:
            ended = self._writer
            self._writer, self._key = self._open()
            self._used_at = None
            _end(ended)

    async def renew(self) -> None:
        """Begin another segment where this one has held records for long enough."""
        if self._used_at is None or self._clock() - self._used_at < SEGMENT_S:
            return
        fresh = await asyncio.to_thread(self._open)
        ended = self._writer
        self._writer, self._key = fresh
        self._used_at = None
        await asyncio.to_thread(_end, ended)

    def close(self) -> None:
        _end(self._writer)

    def _open(self) -> tuple[LedgerWriter, SegmentKey]:
        name = f"{self._writer_id}-{self._number}"
        self._number += 1
        writer = LedgerWriter(self._folder, name)
        key = SegmentKey(secrets.token_bytes(ID_BYTES), secrets.token_bytes(KEY_BYTES))
        try:
            write_file(key_file(self._folder, name), wrap_segment_key(self._roots(), name, key), durable=True)
        except (OSError, StewardError):
            writer.close()
            raise
        return writer, key


def _end(writer: LedgerWriter) -> None:
    writer.sync()
    writer.close()


def key_file(folder: Path, writer: str) -> Path:
    return folder / f"{writer}{KEY_ENDING}"


def wrap_segment_key(roots: RootKeys, writer: str, key: SegmentKey) -> bytes:
    """The content of a key file."""
    return key.id + seal(roots.derive(_USE), key.value, _describe(writer, key.id))


def read_segment_key(roots: RootKeys, path: Path) -> SegmentKey:
    """:raises InputError: no such file, another root key, or changed bytes"""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; the content of its segment cannot be opened") from error
    key_id = data[:ID_BYTES]
    try:
        value = unseal_any(
            roots.derive_all(_USE), data[ID_BYTES:], _describe(path.name.removesuffix(KEY_ENDING), key_id)
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return SegmentKey(key_id, value)


def _describe(writer: str, key_id: bytes) -> bytes:
    return encode_owner("segment key", writer, key_id.hex())


def destroy_file(path: Path) -> None:
    """Overwrite a key and remove it; no disk promises that the old bytes are gone, but no file leads to them."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)


class SpoolIntake:
    """The keeper's side: `workflows.drain.Intake` for records with content."""

    def __init__(self, keys: SubjectKeys, roots: Callable[[], RootKeys]) -> None:
        self._keys, self._roots = keys, roots
        self._named: set[str] = set()

    def convert(self, segment: Path, records: Sequence[LedgerRecord]) -> Sequence[LedgerRecord]:
        """Content sealed under its subject's key. That of a subject who was erased since is left out; what does not
        open stays as it is, and is named in the log once.

        :raises Unavailable: the store does not answer
        """
        with_content = [item for item in records if isinstance(item, RecordWithContent) and item.sealed]
        if not with_content:
            return records
        path = key_file(segment.parent, parse_writer(segment))
        sealed = self.reseal(with_content, [path] if path.exists() else [])
        return [
            fresh
            for item in records
            if (fresh := _with_sealed(item, sealed) if isinstance(item, RecordWithContent) else item) is not None
        ]

    def reseal(self, records: Sequence[RecordWithContent], key_files: Sequence[Path]) -> dict[str, bytes | None]:
        """By the id of its row, what is to be kept of each that opens: None where the subject was erased since."""
        segment_keys = self._read_keys(key_files)
        opened: list[tuple[RecordWithContent, bytes]] = []
        for record in records:
            try:
                opened.append((record, self._open(record, segment_keys)))
            except InputError as error:
                place = find_place(record)
                self._name(f"the content of {place.table} {place.row} stays closed: {error}")
        requests = [
            SealRequest(place=find_place(record), subject=find_owner(record), text=text, at=record.at)
            for record, text in opened
        ]
        sealed = self._keys.seal_all(requests)
        return {find_place(record).row: new for (record, _), new in zip(opened, sealed, strict=True)}

    def finish(self, folder: Path, writer: str) -> None:
        """All of a writer's segments are committed: destroy their key."""
        destroy_file(key_file(folder, writer))

    def _open(self, record: RecordWithContent, segment_keys: dict[bytes, SegmentKey]) -> bytes:
        sealed = record.sealed or b""
        if not is_version_2(sealed):
            return open_version_1(self._roots(), record)
        header = read_header(sealed)
        if header.level == "subject":
            return self._keys.open(sealed, find_place(record))
        key = segment_keys.get(header.key_id)
        if key is None:
            raise InputError("the key of its segment is gone")
        return open_record(key.value, sealed, find_place(record))

    def _read_keys(self, paths: Sequence[Path]) -> dict[bytes, SegmentKey]:
        keys: dict[bytes, SegmentKey] = {}
        for path in paths:
            try:
                key = read_segment_key(self._roots(), path)
            except InputError as error:
                self._name(str(error))
            else:
                keys[key.id] = key
        return keys

    def _name(self, problem: str) -> None:
        if problem not in self._named:
            self._named.add(problem)
            log.error("%s", problem)


def make_intake(store: SqlStore, roots: Callable[[], RootKeys]) -> SpoolIntake:
    return SpoolIntake(SubjectKeys(store.subject_keys, store.secrets, roots), roots)


def _with_sealed(record: RecordWithContent, sealed: dict[str, bytes | None]) -> RecordWithContent | None:
    """The record as the store is to keep it; None: not at all, since it was only kept for what was erased."""
    row = find_place(record).row
    if row not in sealed:
        return record
    if isinstance(record, Feedback):
        return msgspec.structs.replace(record, sealed=sealed[row])
    content = sealed[row]
    return None if content is None else msgspec.structs.replace(record, sealed=content)


class FeedbackSweep:
    """Seals content in the store under its subject's key that older releases left under the root key, or, drained by
    one of them, under the key of a segment. A job of the keeper; a run is short, and the next goes on."""

    MOST: Final = 200  # rows of one run
    REST_S: Final = 3600.0  # until it looks again once nothing was found

    def __init__(
        self,
        folder: Path,
        feedback: FeedbackStore,
        intake: SpoolIntake,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._feedback, self._intake, self._clock = folder, feedback, intake, clock
        self._after, self._next_at = "", float("-inf")

    def run(self) -> None:
        """:raises Unavailable: the store does not answer"""
        if self._clock() < self._next_at:
            return
        rows = self._feedback.list_not_sealed_for_subject(self.MOST, self._after)
        files = self._list_orphans()
        new = self._intake.reseal(rows, files)
        self._feedback.replace_sealed([(row.id, row.sealed or b"", new[row.id]) for row in rows if row.id in new])
        if len(rows) == self.MOST:
            self._after = rows[-1].id
            return
        self._after, self._next_at = "", self._clock() + self.REST_S
        for path in files:
            destroy_file(path)

    def _list_orphans(self) -> list[Path]:
        """Keys whose segments an older release has drained."""
        paths = sorted(self._folder.glob(f"*{KEY_ENDING}"))
        writers = {parse_writer(path) for path in self._folder.glob("*.seg")}
        writers |= {path.stem for path in self._folder.glob("*.lock")}
        return [path for path in paths if path.name.removesuffix(KEY_ENDING) not in writers]
