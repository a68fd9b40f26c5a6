"""Where batches and their files lie: `home/batches`, sealed under the root key, readable by their owner only.

    files/ID.file    the record of a file        jobs/ID.job      the record of a batch
    files/ID.data    its content, in pieces      jobs/ID.cancel   it is to be cancelled
                                                 jobs/ID.output   answers so far, one piece each; `.errors` likewise

A record is replaced whole. Content is appended piece by piece, each sealed with its number and the name of what it
belongs to, so that pieces cannot be moved; the record knows how many there are, so that none can be cut off.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from steward.core.errors import InputError
from steward.core.files import make_private_folder, open_private_descriptor, replace_file, touch_private, write_file
from steward.core.rights import SweptRows
from steward.gateway.batch import Batch, FilePurpose, StoredFile
from steward.security.rootkey import RootKeys
from steward.security.seal import encode_owner, seal, unseal_any
from steward.workflows.held_files import may_be_held, read_held_files

FOLDER: Final = "batches"
PIECE_BYTES: Final = 1024 * 1024
_RECORDS: Final = "batch records"
_HEAD: Final = struct.Struct("<II")  # length of the sealed piece, its number
Record = TypeVar("Record", Batch, StoredFile)


class PieceFile:
    """Sealed pieces in a file; one process appends. The first of `keys` seals, all of them open."""

    def __init__(self, path: Path, keys: tuple[bytes, ...], name: str) -> None:
        self._path, self._keys, self._name = path, keys, name

    def append(self, number: int, data: bytes) -> int:
        """Add a piece; -> bytes it takes. It survives a kill of this process when this returns."""
        sealed = seal(self._keys[0], data, self._owner(number))
        frame = _HEAD.pack(len(sealed), number) + sealed
        fd = open_private_descriptor(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            view = memoryview(frame)
            while view:
                view = view[os.write(fd, view) :]
        finally:
            os.close(fd)
        return len(frame)

    def numbers(self) -> list[int]:
        """The numbers of all whole pieces; a piece that a kill has cut off is removed."""
        present: list[int] = []
        try:
            with self._path.open("r+b") as file:
                size, at = file.seek(0, os.SEEK_END), 0
                while at + _HEAD.size <= size:
                    file.seek(at)
                    length, number = _HEAD.unpack(file.read(_HEAD.size))
                    if at + _HEAD.size + length > size:
                        break
                    present.append(number)
                    at += _HEAD.size + length
                file.truncate(at)
        except FileNotFoundError:
            return []
        return present

    def read(self) -> Iterator[bytes]:
        """The pieces in their order. :raises InputError: another key, or changed bytes"""
        with self._path.open("rb") as file:
            while head := file.read(_HEAD.size):
                length, number = _HEAD.unpack(head)
                yield unseal_any(self._keys, file.read(length), self._owner(number))

    def sync(self) -> None:
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _owner(self, number: int) -> bytes:
        return encode_owner("batch content", self._name, str(number))


class BatchStore:
    """The batches and files of one home."""

    def __init__(self, home: Path, roots: Callable[[], RootKeys]) -> None:
        self.folder = home / FOLDER
        self._roots = roots

    def exists(self) -> bool:
        """Whether anything was ever kept here; cheap."""
        return self.folder.is_dir()

    def make_folders(self) -> None:
        for folder in (self.folder, self.folder / "files", self.folder / "jobs"):
            make_private_folder(folder)

    # -- records -----------------------------------------------------------------------------------

    def put_file(self, record: StoredFile) -> None:
        self._put(self.folder / "files" / f"{record.id}.file", record, record.id)

    def put_batch(self, record: Batch) -> None:
        self._put(self.folder / "jobs" / f"{record.id}.job", record, record.id)

    def find_file(self, name: str) -> StoredFile | None:
        return self._get(self.folder / "files" / f"{name}.file", StoredFile, name)

    def find_batch(self, name: str) -> Batch | None:
        """With what a cancellation that is under way makes of it."""
        batch = self._get(self.folder / "jobs" / f"{name}.job", Batch, name)
        if batch is None or batch.is_over or not self.is_cancelled(name):
            return batch
        at = self._cancel_mark(name).stat().st_mtime
        return msgspec.structs.replace(batch, status="cancelling", cancelling_at=at)

    def list_files(self) -> list[StoredFile]:
        """Newest first."""
        names = (path.stem for path in (self.folder / "files").glob("*.file"))
        files = [record for name in names if (record := self.find_file(name)) is not None]
        return sorted(files, key=lambda record: (-record.created_at, record.id))

    def list_batches(self, without: frozenset[str] = frozenset()) -> list[Batch]:
        """Newest first; those of the ids in `without` are not read."""
        names = (path.stem for path in (self.folder / "jobs").glob("*.job") if path.stem not in without)
        batches = [record for name in names if (record := self.find_batch(name)) is not None]
        return sorted(batches, key=lambda record: (-record.created_at, record.id))

    def _put(self, path: Path, record: Batch | StoredFile, name: str) -> None:
        self.make_folders()
        write_file(
            path,
            seal(self._roots().derive(_RECORDS), msgspec.msgpack.encode(record), encode_owner("batch record", name)),
            True,
        )

    def _get(self, path: Path, kind: type[Record], name: str) -> Record | None:
        """:raises InputError: it does not open under this root key"""
        try:
            sealed = path.read_bytes()
        except FileNotFoundError:
            return None
        plain = unseal_any(self._roots().derive_all(_RECORDS), sealed, encode_owner("batch record", name))
        try:
            return msgspec.msgpack.decode(plain, type=kind)
        except msgspec.MsgspecError as error:
            raise InputError(f"{path}: {error}; a newer steward wrote it") from error

    # -- content -----------------------------------------------------------------------------------

    def keep(self, record: StoredFile, data: bytes) -> None:
        """Keep a file and its content; `record.pieces` must be `count_pieces(data)`."""
        self.make_folders()
        pieces = self._content_of(record)
        for number in range(record.pieces):
            pieces.append(number, data[number * PIECE_BYTES : (number + 1) * PIECE_BYTES])
        pieces.sync()
        self.put_file(record)

    def replace_content(self, record: StoredFile, data: bytes) -> StoredFile:
        """Put other content in the place of a file's; nothing of the old stays readable."""
        path = self.folder / "files" / f"{record.id}.data"
        changed = msgspec.structs.replace(record, bytes=len(data), pieces=count_pieces(data))
        with replace_file(path, durable=True) as temporary:
            touch_private(temporary)
            pieces = PieceFile(temporary, self._content_keys(record.tenant), record.id)
            for number in range(changed.pieces):
                pieces.append(number, data[number * PIECE_BYTES : (number + 1) * PIECE_BYTES])
        self.put_file(changed)
        return changed

    def read(self, record: StoredFile) -> Iterator[bytes]:
        """The content. :raises InputError: it was changed or cut off"""
        count = 0
        for piece in self._content_of(record).read():
            count += 1
            yield piece
        if count != record.pieces:
            raise InputError(f"{record.id}: {count} of {record.pieces} pieces; the file was cut off")

    def journal(self, batch: Batch, kind: str) -> PieceFile:
        """Where a running batch keeps its answers (`output`) or errors (`errors`), by the number of their line."""
        name = f"{batch.id}.{kind}"
        return PieceFile(self.folder / "jobs" / name, self._content_keys(batch.tenant), name)

    def publish(self, batch: Batch, kind: str, now: float, keep_s: float) -> StoredFile | None:
        """Make a file of a batch's journal; None where it is empty."""
        journal = self.journal(batch, kind)
        if not journal.numbers():
            return None
        target = f"file-{hashlib.sha256(f'{batch.id}.{kind}'.encode()).hexdigest()[:24]}"  # again the same after a kill
        path = self.folder / "files" / f"{target}.data"
        path.unlink(missing_ok=True)
        copy = PieceFile(path, self._content_keys(batch.tenant), target)
        size = pieces = 0
        for piece in journal.read():
            copy.append(pieces, piece + b"\n")
            size, pieces = size + len(piece) + 1, pieces + 1
        copy.sync()
        record = StoredFile(
            id=target,
            tenant=batch.tenant,
            project=batch.project,
            purpose="batch_output",
            filename=f"{batch.id}_{kind}.jsonl",
            bytes=size,
            pieces=pieces,
            created_at=now,
            expires_at=now + keep_s,
        )
        self.put_file(record)
        return record

    def _content_of(self, record: StoredFile) -> PieceFile:
        path = self.folder / "files" / f"{record.id}.data"
        return PieceFile(path, self._content_keys(record.tenant), record.id)

    def _content_keys(self, tenant: str) -> tuple[bytes, ...]:
        return self._roots().derive_all(f"batch content {tenant}")

    # -- endings -----------------------------------------------------------------------------------

    def cancel(self, name: str) -> None:
        """Whoever runs the batch sees it within a second."""
        touch_private(self._cancel_mark(name))

    def is_cancelled(self, name: str) -> bool:
        return self._cancel_mark(name).exists()

    def delete_file(self, name: str) -> None:
        for ending in ("file", "data"):
            (self.folder / "files" / f"{name}.{ending}").unlink(missing_ok=True)

    def delete_for_client(self, record: StoredFile, now: float) -> None:
        """Delete a file, or hide it where a legal hold may cover it: `delete_expired` looks."""
        if may_be_held(self.folder.parent, record.tenant):
            self.put_file(msgspec.structs.replace(record, deleted_at=now))
        else:
            self.delete_file(record.id)

    def delete_journals(self, name: str) -> None:
        for ending in ("output", "errors"):
            (self.folder / "jobs" / f"{name}.{ending}").unlink(missing_ok=True)

    def delete_batch(self, name: str) -> None:
        self.delete_journals(name)
        for ending in ("cancel", "job"):
            (self.folder / "jobs" / f"{name}.{ending}").unlink(missing_ok=True)

    def delete_expired(self, now: float, keep_s: float) -> SweptRows:
        """Files whose time is over or that a client deleted, and batches that ended so long ago. What a running batch
        reads stays, and what a legal hold covers."""
        batches, held_files = self.list_batches(), read_held_files(self.folder.parent).batch_files
        read = {batch.input_file_id for batch in batches if not batch.is_over}
        ended = [file.id for file in self.list_files() if file.expires_at <= now or file.deleted_at is not None]
        over = [name for name in ended if name not in read]
        held = [name for name in over if name in held_files]
        for name in set(over) - set(held):
            self.delete_file(name)
        for batch in batches:
            is_over = batch.ended_at is not None and batch.ended_at + keep_s <= now
            if is_over and batch.input_file_id not in held_files:
                self.delete_batch(batch.id)
        return SweptRows(deleted=len(over) - len(held), held=len(held))

    def _cancel_mark(self, name: str) -> Path:
        return self.folder / "jobs" / f"{name}.cancel"

    def count_bytes(self, tenant: str) -> int:
        """What a tenant's files take, and the journals of its batches."""
        files = sum(file.bytes for file in self.list_files() if file.tenant == tenant)
        journals = [
            self.folder / "jobs" / f"{batch.id}.{kind}"
            for batch in self.list_batches()
            if batch.tenant == tenant and not batch.is_over
            for kind in ("output", "errors")
        ]
        return files + sum(path.stat().st_size for path in journals if path.exists())


def count_pieces(data: bytes) -> int:
    return -(-len(data) // PIECE_BYTES)


def new_id(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(12)}"


def make_file_record(tenant: str, project: str, filename: str, data: bytes, now: float, keep_s: float) -> StoredFile:
    """Of a file that a client uploads."""
    purpose: FilePurpose = "batch"
    return StoredFile(
        id=new_id("file"),
        tenant=tenant,
        project=project,
        purpose=purpose,
        filename=filename,
        bytes=len(data),
        pieces=count_pieces(data),
        created_at=now,
        expires_at=now + keep_s,
    )


def belongs(record: Any, tenant: str, project: str) -> bool:
    return bool((record.tenant, record.project) == (tenant, project))
