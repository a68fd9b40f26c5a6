"""Files are replaced as a whole or not at all; a lock has one holder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from steward.core.files import (
    SHARED,
    bind_lock,
    hold_lock,
    is_private,
    lock_descriptor,
    make_private_folder,
    name_temporary,
    open_private,
    open_private_descriptor,
    publish_file,
    read_mode,
    read_stamp,
    replace_file,
    spell_home,
    take_lock,
    touch_private,
    try_lock,
    write_file,
)


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_private(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "f"
    for data in (b"first", b"2"):
        write_file(path, data, durable)
        assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600 and os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize(("mask", "mode"), [(0, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_a_shared_file_is_readable_by_others_as_far_as_the_umask_allows(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_file(tmp_path / "f", b"", mode=SHARED)
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == mode


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with pytest.raises(KeyError), replace_file(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["f"]


def test_two_writers_of_one_process_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    first, second = name_temporary(path), name_temporary(path)
    assert first != second and first.parent == tmp_path and first.name.startswith(".f.")
    first.write_text("1")
    publish_file(first, path)
    assert path.read_text() == "1"


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert read_stamp(path) == (0, 0, 0)
    write_file(path, b"a")
    first = read_stamp(path)
    write_file(path, b"b")
    assert first != read_stamp(path) != (0, 0, 0)


def test_a_lock_has_one_holder_among_processes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    ask = f"from pathlib import Path; from steward.core.files import try_lock; print(try_lock(Path({str(path)!r})))"
    with hold_lock(path):
        assert try_lock(path) is None  # another open file is another holder, in the same process too
        assert subprocess.check_output([sys.executable, "-c", ask], text=True).strip() == "None"
    free = try_lock(path)
    assert free is not None
    os.close(free)


def test_a_lock_on_a_removed_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    old = take_lock(path)
    path.unlink()
    new = take_lock(path)  # does not wait for the holder of the removed file
    assert os.path.samestat(os.fstat(new), path.stat()) and not os.path.samestat(os.fstat(new), os.fstat(old))
    os.close(old)
    os.close(new)


def test_a_lock_file_is_private(tmp_path: Path) -> None:
    os.close(take_lock(tmp_path / "lock"))
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_file(path, b"report")
        assert os.read(reader, 100) == b"report"
    finally:
        os.close(reader)


def test_a_bound_lock_is_that_of_its_descriptor(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as one, (tmp_path / "f").open("rb") as other:
        lock, unlock = bind_lock(one.fileno())
        lock()
        assert not lock_descriptor(other.fileno(), wait=False)
        unlock()
        assert lock_descriptor(other.fileno(), wait=False)


def test_a_command_that_is_told_names_every_home_but_the_one_it_finds_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert spell_home(Path(".steward")) == spell_home(tmp_path / ".steward") == ""
    assert spell_home(Path("my home")) == " --home 'my home'"


def _append(path: Path) -> None:
    with open_private(path, "ab") as file:
        file.write(b"x")


@pytest.mark.parametrize(
    "make", [_append, touch_private, lambda path: os.close(open_private_descriptor(path, os.O_WRONLY))]
)
def test_a_private_file_is_its_owners_whatever_the_umask_allows(tmp_path: Path, make: Callable[[Path], None]) -> None:
    before = os.umask(0)
    try:
        make(tmp_path / "f")
    finally:
        os.umask(before)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_an_empty_private_file_takes_no_other_ones_place_where_it_must_be_new(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    touch_private(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"x"
    with pytest.raises(FileExistsError):
        touch_private(tmp_path / "f", exist_ok=False)


def test_appending_through_a_descriptor_keeps_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1")
    for data in (b"2", b"3"):
        descriptor = open_private_descriptor(tmp_path / "f", os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, data)
        os.close(descriptor)
    assert (tmp_path / "f").read_bytes() == b"123"


@pytest.mark.parametrize(
    ("mode", "private"),
    [(0o600, True), (0o700, True), (0o610, False), (0o640, False), (0o620, False), (0o601, False), (0o604, False)],
)
def test_a_file_is_private_that_neither_group_nor_others_may_use(tmp_path: Path, mode: int, private: bool) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "f").chmod(mode)
    assert read_mode(tmp_path / "f") == mode and is_private(tmp_path / "f") is private


@pytest.mark.parametrize("mask", [0, 0o077])
def test_a_private_folder_and_what_is_made_above_it_are_their_owners(tmp_path: Path, mask: int) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    before = os.umask(mask)
    try:
        make_private_folder(tmp_path / "shared" / "audit" / "tile")
    finally:
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("shared", "shared/audit", "shared/audit/tile")}
    assert modes == {"shared": 0o755, "shared/audit": 0o700, "shared/audit/tile": 0o700}


def test_a_private_folder_may_be_there_already_unless_it_must_be_new(tmp_path: Path) -> None:
    make_private_folder(tmp_path)
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path, exist_ok=False)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "file")


def test_a_private_folder_may_be_named_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_private_folder(Path("a/b"))
    assert (tmp_path / "a" / "b").is_dir()
