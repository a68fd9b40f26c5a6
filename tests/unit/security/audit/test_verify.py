"""Each way to alter a log, at every position, is found by our code and by the program that is not ours."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steward.core.errors import InputError
from steward.security.audit import verify_audit
from steward.security.audit.log import CHECKPOINT, HISTORY, PUBLIC_KEY, AuditWriter, read_head
from steward.security.audit.note import Signer, open_note
from steward.security.audit.proof import check_proof, format_proof
from steward.security.audit.tiles import TileReader, pack_entries, unpack_entries
from steward.security.audit.verify import verify_log

SIGNER = Signer("home", bytes(range(32)))
STANDALONE = Path(verify_audit.__file__)
SIZE = 20


def standalone(folder: Path, *arguments: str) -> int:
    return subprocess.run([sys.executable, str(STANDALONE), str(folder), *arguments], capture_output=True).returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    AuditWriter(tmp_path / "audit", SIGNER).append([b"entry %d" % number for number in range(SIZE)])
    return tmp_path / "audit"


def rewrite(folder: Path, change: Callable[[list[bytes]], list[bytes]], width: int = SIZE) -> None:
    bundle = folder / f"tile/entries/000.p/{SIZE}"
    entries = change(list(unpack_entries(bundle.read_bytes())))
    bundle.unlink()
    (bundle.parent / str(width)).write_bytes(pack_entries(entries))


def test_an_untouched_log_is_intact(folder: Path) -> None:
    found = verify_log(folder)
    assert (found.entries, found.verified, found.error, found.at, found.compared) == (SIZE, SIZE, None, None, False)
    assert verify_log(folder, [read_head(folder)]).compared
    assert standalone(folder) == 3
    assert standalone(folder, "--head", str(folder / CHECKPOINT)) == 0


@pytest.mark.parametrize("at", range(SIZE))
def test_a_changed_entry_is_found_at_its_index(folder: Path, at: int) -> None:
    rewrite(folder, lambda entries: [*entries[:at], b"Entry %d" % at, *entries[at + 1 :]])
    found = verify_log(folder)
    assert (found.at, found.verified) == (at, at) and "changed" in str(found.error)


@pytest.mark.parametrize("at", range(SIZE))
def test_a_removed_entry_is_found(folder: Path, at: int) -> None:
    rewrite(folder, lambda entries: entries[:at] + entries[at + 1 :])
    assert verify_log(folder).error is not None


@pytest.mark.parametrize("at", range(SIZE))
def test_an_added_entry_is_found(folder: Path, at: int) -> None:
    rewrite(folder, lambda entries: [*entries[:at], b"new", *entries[at:]])
    assert verify_log(folder).at == at


@pytest.mark.parametrize("at", range(SIZE - 1))
def test_entries_that_changed_places_are_found(folder: Path, at: int) -> None:
    rewrite(folder, lambda entries: [*entries[:at], entries[at + 1], entries[at], *entries[at + 2 :]])
    assert verify_log(folder).at == at


@pytest.mark.parametrize("position", range(0, SIZE * 32, 37))
def test_a_flipped_bit_of_a_tile_is_found(folder: Path, position: int) -> None:
    tile = folder / f"tile/0/000.p/{SIZE}"
    data = bytearray(tile.read_bytes())
    data[position] ^= 1
    tile.write_bytes(data)
    assert verify_log(folder).at == position // 32


def test_the_program_that_is_not_ours_finds_them_too(folder: Path, tmp_path: Path) -> None:
    changes: list[Callable[[list[bytes]], list[bytes]]] = [
        lambda entries: [b"x", *entries[1:]],
        lambda entries: entries[:-1],
        lambda entries: [*entries[:5], b"new", *entries[5:]],
        lambda entries: [entries[1], entries[0], *entries[2:]],
    ]
    for number, change in enumerate(changes):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(folder, copy)
        rewrite(copy, change)
        assert standalone(copy) == 1


def test_a_log_that_was_written_anew_with_its_key_differs_from_the_kept_head(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copy(folder / CHECKPOINT, kept)
    head = read_head(folder)
    shutil.rmtree(folder)
    AuditWriter(folder, SIGNER).append([b"other %d" % number for number in range(SIZE + 5)])
    assert verify_log(folder).error is None  # it fits itself
    found = verify_log(folder, [head])
    assert found.at == 0 and found.error == "entries 0 to 19 are not those of the signed head of 20 entries"
    assert standalone(folder, "--head", str(kept)) == 1


def test_a_log_whose_end_was_cut_off_is_shorter_than_the_kept_head(folder: Path) -> None:
    head = read_head(folder)
    shutil.rmtree(folder)
    AuditWriter(folder, SIGNER).append([b"entry %d" % number for number in range(SIZE - 1)])
    found = verify_log(folder, [head])
    assert found.at == SIZE - 1 and "cut off" in str(found.error)


def test_an_older_checkpoint_beside_newer_heads_is_found(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    writer.append([b"%d" % number for number in range(300)])
    old = (tmp_path / CHECKPOINT).read_bytes()
    writer.append([b"%d" % number for number in range(300, 600)])
    (tmp_path / CHECKPOINT).write_bytes(old)
    assert "cut off" in str(verify_log(tmp_path).error)


def test_a_changed_upper_tile_is_found(tmp_path: Path) -> None:
    AuditWriter(tmp_path, SIGNER).append([b"%d" % number for number in range(600)])
    tile = tmp_path / "tile/1/000.p/2"
    tile.write_bytes(tile.read_bytes()[:32] + bytes(32))
    found = verify_log(tmp_path)
    assert found.at == 256 and "level 1" in str(found.error)
    assert standalone(tmp_path) == 1


def test_a_head_that_nobody_signed_is_found(folder: Path) -> None:
    (folder / CHECKPOINT).write_text((folder / CHECKPOINT).read_text().replace("\n20\n", "\n19\n"))
    assert "changed after signing" in str(verify_log(folder).error)
    assert standalone(folder) == 1


def test_heads_that_shrink_are_found(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    for first in (0, 300):
        writer.append([b"%d" % number for number in range(first, first + 300)])
    first_head, second = (tmp_path / HISTORY).read_text().strip("\n").split("\n\nhome\n")
    (tmp_path / HISTORY).write_text(f"home\n{second}\n\n{first_head}\n\n")
    assert "the log was cut" in str(verify_log(tmp_path).error)


def test_a_folder_without_a_log_is_no_intact_log(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="audit folder"):
        verify_log(tmp_path)
    assert standalone(tmp_path) == 2


@pytest.mark.parametrize("index", [0, 1, 255, 256, 598, 599])
def test_a_proof_leads_from_its_entry_to_the_head_and_from_no_other(tmp_path: Path, index: int) -> None:
    AuditWriter(tmp_path, SIGNER).append([b"%d" % number for number in range(600)])
    note, verifier = (tmp_path / CHECKPOINT).read_text(), (tmp_path / PUBLIC_KEY).read_text()
    proof = format_proof(TileReader(tmp_path, open_note(note, verifier).size), index, note)
    assert check_proof(proof, b"%d" % index, verifier) == index
    with pytest.raises(InputError, match="not of this entry"):
        check_proof(proof, b"other", verifier)
