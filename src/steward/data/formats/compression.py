"""Opens files, compressed or not, in any encoding, and splits what they hold into lines of UTF-8.

How a file is compressed is told by its first bytes, not by its name. A byte-order mark of UTF-16 or UTF-32 tells its
encoding, whatever `input.encoding` says: no text in UTF-8 or Latin begins with one. Lines end with LF or CR LF; in a
file without any LF in its first megabyte, with CR, as old programs for the Macintosh and some spreadsheets write them.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


COMPRESSIONS = ("gz", "bz2", "xz", "zst")  # ends of names
_OPENERS: dict[bytes, Callable[[Any], Any]] = {  # by the first bytes
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": _open_zstd,
}
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")  # a text may begin with "BZh"
_MARKS = {  # longer ones first: that of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_HEAD_BYTES = 16


def _find_opener(head: bytes) -> Callable[[Any], Any] | None:
    for mark, opener in _OPENERS.items():
        if head.startswith(mark) and (mark != b"BZh" or _BZIP2.match(head)):
            return opener
    return None


def can_split(path: str) -> bool:
    """Whether a file of this machine can be read from the middle: it is plain UTF-8, by its first bytes."""
    with open(path, "rb") as opened:
        head = opened.read(_HEAD_BYTES)
    return _find_opener(head) is None and _marked_encoding(head) is None


def _marked_encoding(head: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), None)


@contextmanager
def open_file(path: str, store: FileStore | None = None) -> Iterator[IO[bytes]]:
    """The bytes of a file as they are without its compression, which its first bytes tell.

    :raises OSError: its name says that it is compressed, and it is not
    """
    with open_location(path, store) as opened:
        opener = _find_opener(opened.read(_HEAD_BYTES))
    with open_location(path, store) as opened:  # once more: not every store can go back
        if opener is None:
            yield opened
            return
        with opener(opened) as unpacked:
            yield unpacked


def read_lines(shard: Shard, source: Source) -> Iterator[bytes | int]:
    """The lines of a shard in UTF-8, without a byte-order mark and their ends; of too long a line, its length."""
    limit = int(source.max_line_mb * (1 << 20))
    with open_file(shard.path, source.store) as opened:
        stream: ByteStream
        if shard.start:
            opened.seek(shard.start)
            stream = opened
        else:
            stream = decode_stream(opened, source.encoding)
        length = shard.end - shard.start if shard.end >= 0 else -1
        for number, line in enumerate(split_lines(stream, length, limit), shard.first_line):
            yield line.removeprefix(codecs.BOM_UTF8) if number == 1 and isinstance(line, bytes) else line


def decode_stream(opened: IO[bytes], encoding: str) -> ByteStream:
    """The stream from its beginning as UTF-8, with LF at the ends of lines."""
    peeked = PeekedStream(opened)
    marked = _marked_encoding(peeked.peek(_HEAD_BYTES))
    if marked or encoding.lower() not in _UTF8:
        peeked = PeekedStream(_Transcoder(peeked, marked or encoding))
    head = peeked.peek(_BLOCK)
    return _CarriageReturns(peeked) if b"\r" in head[:-1] and b"\n" not in head else peeked


class PeekedStream:
    """A stream that can be looked into. What stands before an error, such as that of a cut file, is read first."""

    def __init__(self, inner: ByteStream) -> None:
        self._read = inner.read1 if isinstance(inner, gzip.GzipFile) else inner.read
        self._head = b""
        self._error: Exception | None = None

    def peek(self, size: int) -> bytes:
        """So many bytes, or all that there are."""
        try:
            while len(self._head) < size and (more := self._read(size - len(self._head))):
                self._head += more
        except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
            self._error = error
        return self._head

    def read(self, size: int) -> bytes:
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        if self._error is not None:
            raise self._error
        return self._read(size)


class _CarriageReturns:
    """CR as LF."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner

    def read(self, size: int) -> bytes:
        return self._inner.read(size).replace(b"\r", b"\n")


class _Transcoder:
    """Another encoding as UTF-8, a block at a time. :raises UnicodeDecodeError: bytes that it does not have"""

    def __init__(self, opened: ByteStream, encoding: str) -> None:
        self._opened, self._decoder = opened, codecs.getincrementaldecoder(encoding)()

    def read(self, size: int) -> bytes:
        while block := self._opened.read(size):
            if text := self._decoder.decode(block):
                return text.encode("utf-8", "surrogatepass")
        return self._decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")


@contextmanager
def open_utf8(path: str, source: Source) -> Iterator[PeekedStream]:
    """A file from its beginning without its compression, in UTF-8 without a byte-order mark, with LF at line ends."""
    with open_file(path, source.store) as opened:
        stream = PeekedStream(decode_stream(opened, source.encoding))
        if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        yield stream


def split_lines(opened: ByteStream, length: int, limit: int) -> Iterator[bytes | int]:
    """Lines without their end, in bounded memory: of one longer than `limit`, only its length. `length` -1: all."""
    carried: list[bytes] = []
    carried_bytes = skipped_bytes = 0
    bytes_left = length if length >= 0 else 1 << 62
    while bytes_left > 0 and (block := opened.read(min(_BLOCK, bytes_left))):
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
