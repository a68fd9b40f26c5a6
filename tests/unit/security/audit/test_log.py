import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from steward.core.errors import InputError, Unavailable
from steward.security.audit.log import CHECKPOINT, HISTORY, AuditWriter, read_entries, read_entries_back, read_head
from steward.security.audit.note import Signer

SIGNER = Signer("home", bytes(range(32)))


def entries_of(first: int, last: int) -> list[bytes]:
    return [json.dumps({"seq": number}).encode() for number in range(first, last)]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH as RFC 6962 writes it."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [255, 1, 1], [256], [257], [300, 300], [1000], [66_000]])
def test_the_root_is_that_of_rfc_6962(tmp_path: Path, sizes: list[int]) -> None:
    writer, total = AuditWriter(tmp_path, SIGNER), 0
    for size in sizes:
        head = writer.append(entries_of(total, total + size))
        total += size
    expected = naive_root([hashlib.sha256(b"\x00" + entry).digest() for entry in entries_of(0, total)])
    assert (head.size, head.root) == (total, expected)
    assert read_head(tmp_path) == head


def test_entries_are_read_from_anywhere_on(tmp_path: Path) -> None:
    AuditWriter(tmp_path, SIGNER).append(entries_of(0, 600))
    assert [entry for _, entry in read_entries(tmp_path)] == entries_of(0, 600)
    assert next(read_entries(tmp_path, 259)) == (259, entries_of(259, 260)[0])
    assert list(read_entries(tmp_path, 600)) == []


def test_two_writers_take_turns(tmp_path: Path) -> None:
    one, two = AuditWriter(tmp_path, SIGNER), AuditWriter(tmp_path, SIGNER)
    for number in range(0, 600, 2):
        one.append(entries_of(number, number + 1))
        two.append(entries_of(number + 1, number + 2))
    assert [entry for _, entry in read_entries(tmp_path)] == entries_of(0, 600)


def test_a_partial_tile_goes_when_a_fuller_one_stands(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    for number in range(5):
        writer.append(entries_of(number, number + 1))
    assert [path.name for path in tmp_path.glob("tile/0/000.p/*")] == ["5"]


def test_what_a_killed_writer_left_is_written_anew(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    writer.append(entries_of(0, 10))
    kept = (tmp_path / CHECKPOINT).read_bytes()
    writer.append([b"never acknowledged"])
    (tmp_path / CHECKPOINT).write_bytes(kept)  # as if it had died before the checkpoint was renamed
    head = AuditWriter(tmp_path, SIGNER).append(entries_of(10, 12))
    assert head.size == 12 and [entry for _, entry in read_entries(tmp_path)] == entries_of(0, 12)


def test_a_head_is_kept_for_each_full_bundle(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    for first in range(0, 700, 100):
        writer.append(entries_of(first, first + 100))
    assert (tmp_path / HISTORY).read_text().count("\nhome\n") + 1 == 2


def test_without_room_nothing_is_recorded(tmp_path: Path) -> None:
    writer = AuditWriter(tmp_path, SIGNER)
    writer.append(entries_of(0, 3))
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from steward.security.audit.log import AuditWriter\nfrom steward.security.audit.note import Signer\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "AuditWriter(Path(sys.argv[1]), Signer('home', bytes(range(32)))).append([b'x' * 100])\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert "Unavailable" in run.stderr and "was not recorded" in run.stderr
    assert writer.append(entries_of(3, 4)).size == 4


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="was not done"):
        AuditWriter(tmp_path / "file" / "audit", SIGNER).append([b"a"])


def test_a_log_without_its_checkpoint_is_not_begun_anew(tmp_path: Path) -> None:
    AuditWriter(tmp_path, SIGNER).append(entries_of(0, 3))
    (tmp_path / CHECKPOINT).unlink()
    with pytest.raises(InputError, match="restore it"):
        AuditWriter(tmp_path, SIGNER).append([b"a"])


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    AuditWriter(tmp_path / "audit", SIGNER).append(entries_of(0, 3))
    files = [path for path in (tmp_path / "audit").rglob("*") if path.is_file() and "tile" in path.parts]
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert os.stat(tmp_path / "audit").st_mode & 0o077 == 0


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 513])
def test_entries_are_read_back_from_the_newest_or_from_before_one(tmp_path: Path, size: int) -> None:
    AuditWriter(tmp_path, SIGNER).append(entries_of(0, size))
    back = list(enumerate(entries_of(0, size)))[::-1]
    assert list(read_entries_back(tmp_path)) == back
    for before in {0, 1, size // 2, 256, size, size + 5}:
        assert list(read_entries_back(tmp_path, before)) == [pair for pair in back if pair[0] < before], before
