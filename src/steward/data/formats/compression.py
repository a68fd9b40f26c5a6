"""Opens files, compressed or not, and splits what they hold into lines."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import pyarrow as pa

from steward.data.read_plan import Shard
from steward.data.records import BadRow

_BLOCK = 1 << 20


def detect_compression(file: Path) -> Literal["gz", "zst"] | None:
    return "gz" if file.suffix.lower() == ".gz" else "zst" if file.suffix.lower() == ".zst" else None


def open_shard(shard: Shard) -> IO[bytes]:
    kind = detect_compression(Path(shard.path))
    if kind == "gz":
        return gzip.open(shard.path, "rb")  # type: ignore[return-value]
    opened = Path(shard.path).open("rb")  # noqa: SIM115 - the caller closes it
    if kind == "zst":
        return pa.CompressedInputStream(opened, "zstd")  # type: ignore[no-any-return]
    opened.seek(shard.start)
    return opened


def split_lines(opened: IO[bytes], length: int, limit: int) -> Iterator[bytes | int]:
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


def reject_long_line(size: int, limit: int) -> BadRow:
    return BadRow("line_too_long", "", f"a line of {size:,} bytes", f"at most {limit:,} (input.max_line_mb)")
