"""An archive is read whole and as it was written, or not at all."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.security.filecrypt import seal_file
from steward.workflows.backup_archive import (
    MANIFEST,
    ArchivedFile,
    BackupManifest,
    is_safe,
    publish_folder,
    read_archive,
    write_archive,
)

KEY = b"k" * 32
HEAD = BackupManifest(version="1", created_at=5.0, root="ab", store="sqlite", rows={"keys": 1}, files={})
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


def report(what: str, done: int, total: int) -> None:
    """Nobody looks."""


def make_files(folder: Path) -> dict[str, Path]:
    (folder / "a").write_bytes(b"")
    (folder / "b").write_bytes(b"x" * 3_000_000)
    return {"home/a": folder / "a", "home/deep/b": folder / "b"}


def sealed(path: Path, fill: Callable[[tarfile.TarFile], None]) -> Path:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        fill(tar)
    raw.seek(0)
    with path.open("wb") as target:
        seal_file(KEY, raw, target)
    return path


def add(tar: tarfile.TarFile, name: str, data: bytes, kind: bytes = tarfile.REGTYPE) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    tar.addfile(info, io.BytesIO(data))


def manifest_of(**files: ArchivedFile) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(HEAD, files=files))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = write_archive(tmp_path / "out", make_files(tmp_path), HEAD, KEY, report)
    assert written.files["home/a"] == ArchivedFile(bytes=0, sha256=EMPTY)
    (tmp_path / "in").mkdir()
    assert read_archive(tmp_path / "out", KEY, tmp_path / "in", report) == written
    assert (tmp_path / "in" / "home" / "deep" / "b").read_bytes() == b"x" * 3_000_000
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "out", "in"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["home"]


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    with pytest.raises(InputError, match="exists"):
        write_archive(tmp_path / "out", make_files(tmp_path), HEAD, KEY, report)
    assert (tmp_path / "out").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("home/a", b"changed", "home/a is changed"),
        ("home/b", b"", "home/a is missing"),
        ("../a", b"", "no backup of ours"),
        ("/a", b"", "no backup of ours"),
    ],
)
def test_what_is_not_as_the_manifest_says_is_refused(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    def fill(tar: tarfile.TarFile) -> None:
        add(tar, name, data)
        add(tar, MANIFEST, manifest_of(**{"home/a": ArchivedFile(bytes=0, sha256=EMPTY)}))

    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=words):
        read_archive(sealed(tmp_path / "x", fill), KEY, tmp_path / "in", report)


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda tar: add(tar, "home/a", b""), "has no manifest"),
        (lambda tar: add(tar, MANIFEST, b"{"), "manifest cannot be read"),
        (lambda tar: add(tar, MANIFEST, manifest_of().replace(b'"format":1', b'"format":2')), "format 2, expected 1"),
        (lambda tar: (add(tar, "home/a", b""), add(tar, MANIFEST, manifest_of())), "home/a is foreign"),
        (lambda tar: add(tar, "home/a", b"", tarfile.SYMTYPE), "no backup of ours"),
    ],
)
def test_what_is_no_archive_of_ours_is_refused(
    tmp_path: Path, fill: Callable[[tarfile.TarFile], None], words: str
) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=words):
        read_archive(sealed(tmp_path / "x", fill), KEY, tmp_path / "in", report)


def test_another_key_or_no_tar_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "out", make_files(tmp_path), HEAD, KEY, report)
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="another root key"):
        read_archive(tmp_path / "out", b"o" * 32, tmp_path / "in", report)
    with (tmp_path / "junk").open("wb") as target:
        seal_file(KEY, io.BytesIO(b"no tar"), target)
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_archive(tmp_path / "junk", KEY, tmp_path / "in", report)


def test_names_lead_into_the_folder() -> None:
    assert is_safe("a") and is_safe("a/b.c")
    assert not any(is_safe(name) for name in ("", "a//b", "./a", "a/..", "..", "/a", "a\\b", "a\0"))


def test_a_restored_folder_takes_the_place_of_an_empty_one(tmp_path: Path) -> None:
    for name in ("one", "two", "empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "x").touch()
    publish_folder(tmp_path / "one", tmp_path / "new")
    publish_folder(tmp_path / "two", tmp_path / "empty")
    assert (tmp_path / "new").is_dir() and not (tmp_path / "two").exists()
    with pytest.raises(OSError, match="not empty"):
        publish_folder(tmp_path / "new", tmp_path / "full")


def test_of_a_long_name_in_a_foreign_archive_its_beginning_is_told(tmp_path: Path) -> None:
    """A hundred characters, so that a message stays one that can be read."""
    (tmp_path / "in").mkdir()
    foreign = sealed(tmp_path / "x", lambda tar: add(tar, "home/" + "n" * 96, b"", tarfile.SYMTYPE))
    with pytest.raises(InputError) as refused:
        read_archive(foreign, KEY, tmp_path / "in", report)
    assert "n" * 94 + "…" in str(refused.value) and "n" * 95 not in str(refused.value)
