"""Where hashes and entries of a log stand in its folder, as C2SP's `tlog-tiles` says.

    checkpoint                          the newest signed head
    tile/<level>/<index>                256 hashes of level 8 × <level>; full, never changed again
    tile/<level>/<index>.p/<count>      the last tile of a level, as far as it is filled
    tile/entries/<index>[.p/<count>]    the entries: two bytes of length (big-endian), then the bytes

Large indexes are split into folders of three digits: 1234067 is `x001/x234/067`. Reading and paths only; `log.py`
writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from steward.core.errors import InputError
from steward.security.audit.merkle import HASH_BYTES, reduce_full

WIDTH: Final = 256  # hashes or entries of a full tile
MAX_ENTRY_BYTES: Final = 65_535
_CACHED_TILES: Final = 4_096  # 32 MiB


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Relative to the log's folder; `level` is a number or "entries".

    >>> tile_path(0, 1234067), tile_path("entries", 5, 112)
    ('tile/0/x001/x234/067', 'tile/entries/005.p/112')
    """
    digits = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        digits = f"x{index % 1000:03d}/{digits}"
    return f"tile/{level}/{digits}" + ("" if width == WIDTH else f".p/{width}")


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes a tile has in a log of `size` entries.

    >>> [tile_width(0, 0, 300), tile_width(0, 1, 300), tile_width(1, 0, 300)]
    [256, 44, 1]
    """
    return max(0, min(WIDTH, (size >> (8 * level)) - index * WIDTH))


def pack_entries(entries: list[bytes]) -> bytes:
    """:raises InputError: an entry too long for its two bytes of length"""
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise InputError(f"an audit entry of {len(entry):,} bytes; expected at most {MAX_ENTRY_BYTES:,}")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def unpack_entries(bundle: bytes) -> Iterator[bytes]:
    """:raises InputError: cut off"""
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle) or at + 2 > len(bundle):
            raise InputError("a bundle of audit entries is cut off")
        yield bundle[at + 2 : end]
        at = end


class TileReader:
    """The hashes and entries of a log of `size` entries in `folder`."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self._tile = lru_cache(_CACHED_TILES)(self._read_tile)

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of a full subtree (`merkle.Subtree`). :raises InputError: its tile is missing or damaged"""
        row, within = divmod(level, 8)
        first = index << within
        tile, at = divmod(first, WIDTH)
        hashes = self._tile(row, tile)
        if at + (1 << within) > len(hashes):
            raise InputError(f"{tile_path(row, tile)}: no hash {first} of level {row} in a log of {self.size} entries")
        return reduce_full(hashes[at : at + (1 << within)])

    def entries(self, bundle: int) -> list[bytes]:
        """The entries of one bundle, as many as it has in a log of this size."""
        width = tile_width(0, bundle, self.size)
        unpacked = list(unpack_entries(self._read("entries", bundle, width)))
        if len(unpacked) < width:
            raise InputError(f"{tile_path('entries', bundle, width)}: {len(unpacked)} entries, expected {width}")
        return unpacked[:width]

    def hashes(self, level: int, index: int) -> tuple[bytes, ...]:
        """The hashes of one tile."""
        return self._tile(level, index)

    def _read_tile(self, level: int, index: int) -> tuple[bytes, ...]:
        width = tile_width(level, index, self.size)
        data = self._read(level, index, width)
        if len(data) < width * HASH_BYTES:
            raise InputError(f"{tile_path(level, index, width)}: {len(data)} bytes, expected {width * HASH_BYTES}")
        return tuple(data[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES))

    def _read(self, level: int | str, index: int, width: int) -> bytes:
        """A partial tile may have been replaced by a fuller one, whose beginning it is."""
        named = self.folder / tile_path(level, index, width)
        full = self.folder / tile_path(level, index)
        for path in (named, full, *sorted(full.with_name(f"{full.name}.p").glob("*"))):
            try:
                if path in (named, full) or int(path.name) > width:
                    return path.read_bytes()
            except (FileNotFoundError, ValueError):
                continue
        raise InputError(f"{named}: missing; restore the folder from a backup")
