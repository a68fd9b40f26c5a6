"""The file that a backup is: a compressed tar of a home with a manifest, sealed under the deployment's root key.

The manifest stands last and names every file with its length and digest. What is read is believed only if it is whole:
the seal finds changed bytes, the manifest missing and foreign files. Names lead nowhere but into the folder that is
restored.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final, Literal

import msgspec

from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.files import PRIVATE, make_private_folder, open_private, replace_file
from steward.core.interrupts import remove_temporary
from steward.security.filecrypt import SealedOtherwise, is_sealed, open_file, seal_file

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
LEVEL: Final = 1  # of compression: a disk's speed on one core
MAX_MANIFEST_BYTES: Final = 256 * 1024 * 1024

Report = Callable[[str, int, int], None]  # what is being done, bytes so far, of how many


class ArchivedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the archive."""

    bytes: int
    sha256: str


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds."""

    format: int = FORMAT
    version: str  # of steward
    created_at: float
    root: str  # fingerprint of the root key
    store: Literal["sqlite", "postgresql"]
    rows: dict[str, int]  # of the store's tables; empty where the store is a server
    files: dict[str, ArchivedFile]


class _DigestingReader:
    """Reads so many bytes of a file and digests them: a file that grows meanwhile is archived as it began."""

    def __init__(self, file: IO[bytes], size: int, report: Callable[[int], None]) -> None:
        self._file, self._left, self._report = file, size, report
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        self.digest.update(data)
        self._report(len(data))
        return data


def write_archive(
    target: Path, files: Mapping[str, Path], manifest: BackupManifest, key: bytes, report: Report
) -> BackupManifest:
    """Write `files` (by their names in the archive) to `target`; -> the manifest with their digests.

    :raises InputError: `target` exists
    """
    if target.exists():
        raise InputError(f"{target}: exists; give another name, or remove it first")
    total = sum(path.stat().st_size for path in files.values())
    plain = target.with_name(f".{target.name}.{os.getpid()}.tar")
    try:
        with open_private(plain, "xb") as raw:
            whole = _write_tar(raw, files, manifest, lambda done: report("reading", done, total))
        size = plain.stat().st_size
        with replace_file(target, durable=True) as temporary:
            with plain.open("rb") as source, open_private(temporary, "xb") as sealed:
                seal_file(key, source, sealed, lambda done: report("sealing", done, size))
    finally:
        remove_temporary(plain)
    return whole


def _write_tar(
    raw: BinaryIO, files: Mapping[str, Path], manifest: BackupManifest, report: Callable[[int], None]
) -> BackupManifest:
    done = 0
    archived: dict[str, ArchivedFile] = {}

    def count(size: int) -> None:
        nonlocal done
        done += size
        report(done)

    with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=LEVEL) as tar:
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                info = tarfile.TarInfo(name)
                info.size, info.mode = os.fstat(file.fileno()).st_size, PRIVATE
                reader = _DigestingReader(file, info.size, count)
                tar.addfile(info, reader)
            archived[name] = ArchivedFile(bytes=info.size, sha256=reader.digest.hexdigest())
        whole = msgspec.structs.replace(manifest, files=archived)
        text = msgspec.json.encode(whole)
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(text), PRIVATE
        tar.addfile(info, io.BytesIO(text))
    return whole


def read_archive(archive: Path, key: bytes, folder: Path, report: Report) -> BackupManifest:
    """Extract an archive into `folder`, which is empty.

    :raises InputError: no archive of ours, another root key, or anything that is not as the manifest says
    """
    size = _check_beginning(archive)
    plain = folder / ".archive.tar"
    try:
        with archive.open("rb") as sealed, open_private(plain, "xb") as target:
            open_file(key, sealed, target, lambda done: report("opening", done, size))
        extracted, manifest = _extract(plain, folder, report)
    except SealedOtherwise as error:
        raise InputError(
            f"{archive}: made under another root key than that of the key backup; give the key backup of the same "
            "deployment: --keys FILE"
        ) from error
    except InputError as error:
        raise InputError(f"{archive}: {error}") from error
    finally:
        remove_temporary(plain)
    _compare(archive, extracted, manifest)
    return manifest


def _check_beginning(archive: Path) -> int:
    try:
        with archive.open("rb") as file:
            beginning = file.read(16)
        size = archive.stat().st_size
    except OSError as error:
        raise InputError(f"{archive}: {error.strerror}; expected a file that `steward backup` wrote") from error
    if not is_sealed(beginning):
        raise InputError(f"{archive}: not a backup: it does not begin as what `steward backup` writes")
    return size


def _extract(plain: Path, folder: Path, report: Report) -> tuple[dict[str, ArchivedFile], BackupManifest]:
    files: dict[str, ArchivedFile] = {}
    manifest: BackupManifest | None = None
    done = 0
    try:
        with tarfile.open(plain, mode="r:gz") as tar:
            for info in tar:
                file = tar.extractfile(info) if info.isreg() else None
                if file is None or not is_safe(info.name):
                    raise InputError(f"holds {cut_text(info.name)!r}, which no backup of ours does")
                if info.name == MANIFEST:
                    manifest = _read_manifest(file.read(MAX_MANIFEST_BYTES))
                    continue
                path = folder / info.name
                make_private_folder(path.parent)
                reader = _DigestingReader(file, info.size, lambda _: None)
                with open_private(path, "xb") as target:
                    shutil.copyfileobj(reader, target)
                files[info.name] = ArchivedFile(bytes=info.size, sha256=reader.digest.hexdigest())
                done += info.size
                report("extracting", done, 0)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"cannot be unpacked ({type(error).__name__}: {error})") from error
    if manifest is None:
        raise InputError("has no manifest; expected a file that `steward backup` wrote")
    return files, manifest


def is_safe(name: str) -> bool:
    """Whether a name leads into the folder and nowhere else.

    >>> [is_safe(name) for name in ("audit/key.pub", "../x", "/etc/passwd", "a/../../x", "")]
    [True, False, False, False, False]
    """
    parts = name.split("/")
    return all(part not in ("", ".", "..") for part in parts) and "\0" not in name and "\\" not in name


def _read_manifest(text: bytes) -> BackupManifest:
    try:
        manifest = msgspec.json.decode(text, type=BackupManifest)
    except msgspec.MsgspecError as error:
        raise InputError(f"its manifest cannot be read ({error})") from error
    if manifest.format != FORMAT:
        raise InputError(f"of format {manifest.format}, expected {FORMAT}; restore it with the steward that wrote it")
    return manifest


def _compare(archive: Path, found: Mapping[str, ArchivedFile], manifest: BackupManifest) -> None:
    for name in sorted({*found, *manifest.files}):
        if found.get(name) != manifest.files.get(name):
            what = "missing" if name not in found else "foreign" if name not in manifest.files else "changed"
            raise InputError(f"{archive}: {name} is {what}; use another backup")


def publish_folder(temporary: Path, folder: Path) -> None:
    """Give a restored folder its name; one that is there must be empty."""
    if folder.exists():
        folder.rmdir()
    temporary.rename(folder)
