"""Right values: the examples of C2SP's tlog-tiles."""

from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.audit.merkle import hash_leaf, hash_node, reduce_full
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


LEAVES = [hash_leaf(f"{number}".encode()) for number in range(300)]


def put(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """300 leaves: a full tile and one of 44, and one hash above them."""
    put(tmp_path, "tile/0/000", b"".join(LEAVES[:256]))
    put(tmp_path, "tile/0/001.p/44", b"".join(LEAVES[256:]))
    put(tmp_path, "tile/1/000.p/1", reduce_full(LEAVES[:256]))
    return tmp_path


def test_a_subtree_is_found_in_its_tile(log: Path) -> None:
    reader = TileReader(log, 300)
    assert (reader.subtree(0, 5), reader.subtree(0, 299)) == (LEAVES[5], LEAVES[299])
    assert reader.subtree(1, 3) == hash_node(LEAVES[6], LEAVES[7])
    assert reader.subtree(3, 1) == reduce_full(LEAVES[8:16])
    assert reader.subtree(2, 74) == reduce_full(LEAVES[296:300])
    assert reader.subtree(7, 1) == reduce_full(LEAVES[128:256])
    assert reader.subtree(8, 0) == reduce_full(LEAVES[:256])
    assert reader.hashes(0, 1) == tuple(LEAVES[256:])


@pytest.mark.parametrize(("level", "index"), [(0, 300), (1, 150), (3, 37), (6, 4)])
def test_what_lies_beyond_the_end_of_a_log_is_refused(log: Path, level: int, index: int) -> None:
    with pytest.raises(InputError, match="in a log of 300 entries"):
        TileReader(log, 300).subtree(level, index)


def test_a_tile_may_have_been_replaced_by_a_fuller_one(log: Path) -> None:
    more = [*LEAVES[256:], *([b"x" * 32] * 6)]
    (log / "tile/0/001.p/44").unlink()
    put(log, "tile/0/001.p/40", b"".join(LEAVES[256:296]))
    with pytest.raises(InputError, match=r"001\.p/44: missing; restore the folder from a backup"):
        TileReader(log, 300).hashes(0, 1)
    put(log, "tile/0/001.p/50", b"".join(more))
    assert TileReader(log, 300).hashes(0, 1) == tuple(LEAVES[256:])


def test_a_tile_that_is_short_is_refused(log: Path) -> None:
    put(log, "tile/0/001.p/44", b"".join(LEAVES[256:])[:-1])
    with pytest.raises(InputError, match="1407 bytes, expected 1408"):
        TileReader(log, 300).hashes(0, 1)


def test_a_bundle_has_as_many_entries_as_the_log(tmp_path: Path) -> None:
    put(tmp_path, "tile/entries/000.p/3", pack_entries([b"a", b"b", b"c"]))
    assert TileReader(tmp_path, 3).entries(0) == [b"a", b"b", b"c"]
    assert TileReader(tmp_path, 2).entries(0) == [b"a", b"b"]  # the log has grown since
    put(tmp_path, "tile/entries/000.p/4", pack_entries([b"a", b"b", b"c"]))
    with pytest.raises(InputError, match="3 entries, expected 4"):
        TileReader(tmp_path, 4).entries(0)
