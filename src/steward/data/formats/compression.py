"""Opens files, compressed or not, in any encoding, and splits what they hold into lines of UTF-8."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

import pyarrow as pa

from steward.core.extend import FileStore
from steward.data.bad_row import BadRow
from steward.data.config import Source
from steward.data.locations import open_location
from steward.data.read_plan import Shard

_BLOCK = 1 << 20
_UTF8 = ("utf-8", "utf8")


class ByteStream(Protocol):
    """What lines are read from."""

    def read(self, size: int, /) -> bytes: ...


def _open_zstd(opened: IO[bytes]) -> IO[bytes]:
    return pa.CompressedInputStream(pa.PythonFile(opened, "r"), "zstd")  # type: ignore[no-any-return]


_OPENERS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}
COMPRESSIONS = tuple(suffix[1:] for suffix in _OPENERS)


def is_compressed(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _OPENERS


@contextmanager
def open_file(path: str, store: FileStore | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file as they are without its compression, which the end of its name tells."""
    opener = _OPENERS.get(PurePosixPath(path).suffix.lower())
    with open_location(path, store) as opened:
        if opener is None:
            yield opened
            return
        with opener(opened) as unpacked:
            yield unpacked


def read_lines(shard: Shard, source: Source) -> Iterator[bytes | int]:
    """The lines of a shard in UTF-8, without a byte-order mark and their ends; of too long a line, its length."""
    limit = int(source.max_line_mb * (1 << 20))
    with open_file(shard.path, source.store) as opened:
        if shard.start:
            opened.seek(shard.start)
        is_utf8 = source.encoding.lower() in _UTF8
        stream: ByteStream = opened if is_utf8 else _Transcoder(opened, source.encoding)
        length = shard.end - shard.start if shard.end >= 0 else -1
        for number, line in enumerate(split_lines(stream, length, limit), shard.first_line):
            yield line.removeprefix(codecs.BOM_UTF8) if number == 1 and isinstance(line, bytes) else line


class _Transcoder:
    """Another encoding as UTF-8, a block at a time. :raises UnicodeDecodeError: bytes that it does not have"""

    def __init__(self, opened: IO[bytes], encoding: str) -> None:
        self._opened, self._decoder = opened, codecs.getincrementaldecoder(encoding)()

    def read(self, size: int) -> bytes:
        while block := self._opened.read(size):
            if text := self._decoder.decode(block):
                return text.encode("utf-8", "surrogatepass")
        return self._decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


def split_lines(opened: ByteStream, length: int, limit: int) -> Iterator[bytes | int]:
    """Lines without their end, in bounded memory: of one longer than `limit`, only its length. `length` -1: all."""
    carried: list[bytes] = []
    carried_bytes = skipped_bytes = 0
    bytes_left = length if length >= 0 else 1 << 62
    read = opened.read1 if isinstance(opened, gzip.GzipFile) else opened.read  # of a cut file, all that is there
    while bytes_left > 0 and (block := read(min(_BLOCK, bytes_left))):
        bytes_left -= len(block)
        first, *other_lines = block.split(b"\n")
        if not other_lines:
            carried, carried_bytes, skipped_bytes = _extend_line(carried, carried_bytes, skipped_bytes, first, limit)
            continue
        carried, carried_bytes, skipped_bytes = _extend_line(carried, carried_bytes, skipped_bytes, first, limit)
        yield skipped_bytes or b"".join(carried)
        yield from (line if len(line) <= limit else len(line) for line in other_lines[:-1])
        carried, carried_bytes, skipped_bytes = _extend_line([], 0, 0, other_lines[-1], limit)
    if carried_bytes or skipped_bytes:
        yield skipped_bytes or b"".join(carried)


def _extend_line(
    carried: list[bytes], carried_bytes: int, skipped_bytes: int, piece: bytes, limit: int
) -> tuple[list[bytes], int, int]:
    if skipped_bytes or carried_bytes + len(piece) > limit:
        return [], 0, skipped_bytes + carried_bytes + len(piece)
    carried.append(piece)
    return carried, carried_bytes + len(piece), 0


def reject_long_line(size: int, source: Source) -> BadRow:
    limit = int(source.max_line_mb * (1 << 20))
    return BadRow("line_too_long", "", f"a line of {size:,} bytes", f"at most {limit:,} (input.max_line_mb)")
