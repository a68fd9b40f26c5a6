"""The ledger's files: length + CRC frames, appended before dispatch and after the answer.

An append is one `write` to an append-only file: a killed process loses nothing that was appended, a
power cut at most what was not yet synced. A writer holds a lock for its life, so that a reader can tell
a dead writer from a quiet one. Moving the records into the store is the keeper's work.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from steward.core.errors import Contradiction
from steward.core.files import make_private_folder, open_private_descriptor, sync_folder, take_lock
from steward.core.records import LedgerRecord, Settled

_HEAD: Final = struct.Struct("<II")  # length of the payload, CRC-32 of the payload
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[LedgerRecord] = msgspec.msgpack.Decoder(LedgerRecord)


def encode_frame(record: LedgerRecord) -> bytes:
    payload = _encoder.encode(record)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def decode_frames(buffer: bytes) -> tuple[list[LedgerRecord], int]:
    """The records of all whole frames, and how many bytes they take; a torn tail is left for later.

    :raises Contradiction: the first frame is whole and wrong: its checksum, or what is in it. Frames before a wrong
        one are returned, so that the next call meets it first
    """
    records: list[LedgerRecord] = []
    position, size, read_head, checksum, decode = 0, len(buffer), _HEAD.unpack_from, zlib.crc32, _decoder.decode
    while (begin := position + _HEAD.size) <= size:
        length, crc = read_head(buffer, position)
        if (end := begin + length) > size:
            break
        payload = buffer[begin:end]
        try:
            if not payload:  # after a power cut a file may end in zeros: a "frame" of no bytes, whose CRC is 0
                raise Contradiction("an empty ledger frame, expected a record")
            if checksum(payload) != crc:
                raise Contradiction(f"a ledger frame with checksum {checksum(payload):08x}, expected {crc:08x}")
            records.append(decode(payload))
        except (Contradiction, msgspec.MsgspecError) as error:
            if position:
                break
            if isinstance(error, Contradiction):
                raise
            raise Contradiction(f"a ledger frame that holds no record: {error}") from error
        position = end
    return records, position


def segment_name(writer_id: str, number: int) -> str:
    return f"{writer_id}-{number:06d}.seg"


def parse_writer(segment: Path) -> str:
    return segment.stem.rpartition("-")[0]


class LedgerWriter:
    """Appends to segments of its own in `folder`; one for each process."""

    def __init__(self, folder: Path, writer_id: str, segment_bytes: int = 64 * 1024 * 1024) -> None:
        make_private_folder(folder)
        self._folder, self._writer_id, self._segment_bytes = folder, writer_id, segment_bytes
        self._lock = take_lock(folder / f"{writer_id}.lock")
        self._number = 0
        self._size = 0
        self._dirty = False
        self._owed: list[bytes] = []  # settlements that the disk had no room for
        self._fd = self._open()

    def append(self, record: LedgerRecord) -> None:
        """Write `record`; it survives a kill of this process when this returns. Microseconds.

        A settlement is of something that has happened, so where it cannot be written it is kept and tried again at
        every `pay`; until then a kill settles its request at the reservation.
        :raises OSError: no room, and the record is no settlement; nothing was written
        """
        frame = encode_frame(record)
        try:
            if self._owed:
                self.write_owed()
            self._write(frame)
        except OSError:
            if not isinstance(record, Settled):
                raise
            self._owed.append(frame)

    def sync(self) -> None:
        """Bring what was appended to the disk; blocks, so call it off the event loop."""
        if self._dirty:
            self._dirty = False
            try:
                os.fdatasync(self._fd)
            except OSError:
                self._dirty = True
                raise

    def rotate(self) -> None:
        """Begin a new segment, unless this one is empty: the keeper deletes what it has drained of closed ones."""
        if self._size:
            self._rotate()

    def close(self) -> None:
        """What is still owed goes to the keeper as lost. Nothing can be appended any more."""
        fd, self._fd = self._fd, -1  # an append now fails, rather than going to a file that was given this number
        os.close(fd)
        os.close(self._lock)  # releases the lock: the keeper may finish this writer's files

    def write_owed(self) -> None:
        """Write the settlements that there was no room for. :raises OSError: there still is none"""
        while self._owed:
            self._write(self._owed[0])
            del self._owed[0]

    def _write(self, frame: bytes) -> None:
        if self._size + len(frame) > self._segment_bytes and self._size:
            self._rotate()
        written = 0
        try:
            written = os.write(self._fd, frame)
            while written < len(frame):
                written += os.write(self._fd, memoryview(frame)[written:])
        except OSError:
            if written:
                os.ftruncate(self._fd, self._size)  # half a frame would make all that follow unreadable
            raise
        self._size += len(frame)
        self._dirty = True

    def _open(self) -> int:
        path = self._folder / segment_name(self._writer_id, self._number)
        fd = open_private_descriptor(path, os.O_WRONLY | os.O_APPEND)
        sync_folder(self._folder)  # else a power cut may take the file with its name
        return fd

    def _rotate(self) -> None:
        os.fdatasync(self._fd)
        os.close(self._fd)
        self._number += 1
        self._size = 0
        self._fd = self._open()
