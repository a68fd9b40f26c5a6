"""Right values: the examples of C2SP's tlog-tiles."""

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.audit.tiles import TileReader, pack_entries, tile_path, tile_width, unpack_entries


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (1, 273, 256, "tile/1/273"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (0, 1000, 8, "tile/0/x001/000.p/8"),
        ("entries", 999, 1, "tile/entries/999.p/1"),
    ],
)
def test_paths(level: int | str, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path


def test_widths_of_a_log_of_70_000_entries() -> None:
    """From the specification: 273 full tiles and one of 112 at level 0, one full and one of 17 at level 1, one of 1."""
    assert [tile_width(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tile_width(1, index, 70_000) for index in (0, 1, 2)] == [256, 17, 0]
    assert tile_width(2, 0, 70_000) == 1


def test_entries_carry_two_bytes_of_length() -> None:
    bundle = pack_entries([b"", b"ab", b"c" * 300])
    assert bundle[:6] == b"\x00\x00\x00\x02ab" and bundle[6:8] == b"\x01\x2c"
    assert list(unpack_entries(bundle)) == [b"", b"ab", b"c" * 300]


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_bundle_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(InputError, match="cut off"):
        list(unpack_entries(pack_entries([b"ab", b"c"])[:cut]))


def test_an_entry_that_is_too_long_is_refused() -> None:
    assert len(pack_entries([bytes(65_535)])) == 65_537
    with pytest.raises(InputError, match="65,536 bytes"):
        pack_entries([bytes(65_536)])


def test_a_missing_tile_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tile/0/000"):
        TileReader(tmp_path, 256).subtree(0, 0)
