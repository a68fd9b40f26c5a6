"""Whatever is done to the files of a log, at every position, two verifiers that share no code find it.

Every byte of every file is flipped; entries are removed, added, moved, repeated and cut off at every index, also by
somebody who writes all tiles anew but lacks the key, and by the holder of the key, whom a head that was kept elsewhere
convicts.
"""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steward.security.audit import verify_audit
from steward.security.audit.log import CHECKPOINT, PUBLIC_KEY, AuditWriter, read_head
from steward.security.audit.note import Checkpoint, Signer, open_note
from steward.security.audit.verify import verify_log

SIGNER = Signer("home", bytes(range(32)))
SIZE = 20
ENTRIES = [b"entry %d" % number for number in range(SIZE)]


def find(folder: Path, head: str | None = None) -> tuple[bool, bool]:
    """Whether ours, and whether the other finds fault. `head`: a checkpoint that was kept elsewhere."""
    key = SIGNER.verifier()
    ours = verify_log(folder, [open_note(head, key)] if head else ())
    try:
        note = (folder / CHECKPOINT).read_bytes().decode("utf-8", "replace")
        beside = (folder / PUBLIC_KEY).read_bytes().decode("utf-8", "replace")
        verify_audit.check_log(folder, note, [head] if head else [], beside)
    except (verify_audit.Altered, ValueError, IndexError, OSError):
        return ours.error is not None, True
    return ours.error is not None, False


def write(folder: Path, entries: list[bytes], parts: int = 1) -> Path:
    writer = AuditWriter(folder, SIGNER)
    step = -(-len(entries) // parts)
    for first in range(0, len(entries), step):
        writer.append(entries[first : first + step])
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")


@pytest.mark.parametrize("name", ["checkpoint", "key.pub", "tile/0/000.p/20", "tile/entries/000.p/20"])
def test_a_flipped_bit_anywhere_is_found(tmp_path: Path, name: str) -> None:
    write(tmp_path, ENTRIES)
    path = tmp_path / name
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ (1 << position % 8)]) + whole[position + 1 :])
        assert find(tmp_path) == (True, True), (name, position)
    path.write_bytes(whole)
    assert find(tmp_path) == (False, False)


def test_a_flipped_byte_in_any_file_of_a_long_log_is_found(tmp_path: Path) -> None:
    write(tmp_path, [b"%d" % number for number in range(600)], parts=3)
    assert {path.relative_to(tmp_path).parts[0] for path in files(tmp_path)} == {
        "checkpoint", "checkpoints", "key.pub", "tile",
    }  # fmt: skip
    for path in files(tmp_path):
        whole = path.read_bytes()
        for position in range(0, len(whole), max(1, len(whole) // 7)):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :])
            assert find(tmp_path) == (True, True), (path, position)
        path.write_bytes(whole[:-2])
        assert find(tmp_path) == (True, True), path
        path.write_bytes(whole)
    assert find(tmp_path) == (False, False)


CHANGES: dict[str, Callable[[int], list[bytes]]] = {
    "removed": lambda at: ENTRIES[:at] + ENTRIES[at + 1 :],
    "added": lambda at: [*ENTRIES[:at], b"new", *ENTRIES[at:]],
    "repeated": lambda at: [*ENTRIES[:at], ENTRIES[at - 1], *ENTRIES[at:]],
    "moved": lambda at: [*ENTRIES[:at], *ENTRIES[at + 1 :], ENTRIES[at]] if at < SIZE - 1 else ENTRIES[::-1],
    "changed": lambda at: [*ENTRIES[:at], b"Entry", *ENTRIES[at + 1 :]],
    "cut off": lambda at: ENTRIES[:at] or [b"begun anew"],
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_log_that_was_written_anew_is_found_with_and_without_the_key(tmp_path: Path, kind: str) -> None:
    original = write(tmp_path / "original", ENTRIES)
    head = (original / CHECKPOINT).read_text()
    for at in range(SIZE):
        forged = write(tmp_path / f"{at}", CHANGES[kind](at))  # its holder has the key
        assert find(forged, head) == (True, True), at
        shutil.copy(original / CHECKPOINT, forged / CHECKPOINT)  # its holder has not
        assert find(forged) == (True, True), at


def test_two_logs_that_part_are_told_apart_wherever_they_do(tmp_path: Path) -> None:
    """A fork: both fit themselves and have the same size; either head convicts the other."""
    for at in range(SIZE):
        left = write(tmp_path / f"left{at}", ENTRIES)
        right = write(tmp_path / f"right{at}", [*ENTRIES[:at], *(b"other %d" % number for number in range(at, SIZE))])
        assert find(left) == find(right) == (False, False)
        assert find(left, (right / CHECKPOINT).read_text()) == find(right, (left / CHECKPOINT).read_text())
        assert find(left, (right / CHECKPOINT).read_text()) == (True, True)


@settings(max_examples=30, deadline=None)
@given(data=st.data(), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_any_log_with_any_entry_changed_is_found_and_no_honest_one_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, sizes: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    writer, total, heads = AuditWriter(folder, SIGNER), 0, []
    for size in sizes:
        writer.append([b"%d" % number for number in range(total, total + size)])
        total += size
        heads.append((folder / CHECKPOINT).read_text())
    for head in heads:
        assert find(folder, head) == (False, False)
    at = data.draw(st.integers(0, total - 1))
    forged = write(
        tmp_path_factory.mktemp("forged"), [b"%d" % (number if number != at else -1) for number in range(total)]
    )
    for head in heads:
        seen = open_note(head, SIGNER.verifier()).size > at
        assert find(forged, head) == (seen, seen)
    assert [before.size < after.size for before, after in pairwise(map(_size, heads))] == [True] * (len(heads) - 1)
    assert read_head(folder).size == total


def _size(note: str) -> Checkpoint:
    return open_note(note, SIGNER.verifier())
