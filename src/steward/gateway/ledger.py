"""The ledger's files: length + CRC frames, appended before dispatch and after the answer.

An append is one `write` to an append-only file: a killed process loses nothing that was appended, a
power cut at most what was not yet synced. A writer holds a lock for its life, so that a reader can tell
a dead writer from a quiet one. Moving the records into the store is the keeper's work.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import Contradiction
from steward.core.records import LedgerRecord

_HEAD: Final = struct.Struct("<II")  # length of the payload, CRC-32 of the payload
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LedgerRecord] = msgspec.msgpack.Decoder(LedgerRecord)


def encode_frame(record: LedgerRecord) -> bytes:
    payload = _encoder.encode(record)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def decode_frames(buffer: bytes) -> tuple[list[LedgerRecord], int]:
    """The records of all whole frames, and how many bytes they take; a torn tail is left for later.

    :raises Contradiction: a whole frame whose checksum is wrong
    """
    records: list[LedgerRecord] = []
    position = 0
    while position + _HEAD.size <= len(buffer):
        length, crc = _HEAD.unpack_from(buffer, position)
        end = position + _HEAD.size + length
        if end > len(buffer):
            break
        payload = buffer[position + _HEAD.size : end]
        if zlib.crc32(payload) != crc:
            raise Contradiction(
                f"ledger frame at byte {position}: checksum {zlib.crc32(payload):08x}, expected {crc:08x}"
            )
        records.append(_decoder.decode(payload))
        position = end
    return records, position


def segment_name(writer_id: str, number: int) -> str:
    return f"{writer_id}-{number:06d}.seg"


def writer_of(segment: Path) -> str:
    return segment.stem.rpartition("-")[0]


class LedgerWriter:
    """Appends to segments of its own in `folder`; one for each process."""

    def __init__(self, folder: Path, writer_id: str, segment_bytes: int = 64 * 1024 * 1024) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._writer_id, self._segment_bytes = folder, writer_id, segment_bytes
        self._lock = os.open(folder / f"{writer_id}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._number = 0
        self._size = 0
        self._dirty = False
        self._fd = self._open()

    def append(self, record: LedgerRecord) -> None:
        """Write `record`; it survives a kill of this process when this returns. Microseconds."""
        frame = encode_frame(record)
        if self._size + len(frame) > self._segment_bytes and self._size:
            self._rotate()
        view = memoryview(frame)
        while view:
            view = view[os.write(self._fd, view) :]
        self._size += len(frame)
        self._dirty = True

    def sync(self) -> None:
        """Bring what was appended to the disk; blocks, so call it off the event loop."""
        if self._dirty:
            self._dirty = False
            os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._lock)  # releases the lock: the keeper may finish this writer's files

    def _open(self) -> int:
        path = self._folder / segment_name(self._writer_id, self._number)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> None:
        os.fdatasync(self._fd)
        os.close(self._fd)
        self._number += 1
        self._size = 0
        self._fd = self._open()
