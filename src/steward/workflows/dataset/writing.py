"""Writes a training set: slices, the list of rows, the Croissant file, and the sealed manifest over all of them."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from steward.core.errors import InputError
from steward.core.files import make_private_folder, sync_folder, write_file
from steward.core.interrupts import remove_temporary
from steward.improvement.dataset.croissant import make_croissant
from steward.improvement.dataset.manifest import (
    CROISSANT,
    MANIFEST,
    MEMBERS,
    ROW_FILES,
    DatasetFile,
    DatasetManifest,
    make_member,
    seal_manifest,
)
from steward.improvement.dataset.rows import SEALED, SPLITS, Split, TrainingRow, encode_row
from steward.security.filecrypt import seal_file
from steward.workflows.dataset.home import DatasetHome


def write_slices(
    folder: Path, slices: Mapping[Split, Sequence[TrainingRow]], home: DatasetHome
) -> tuple[DatasetFile, ...]:
    """The slices, those of the judge sealed, and the list of all rows."""
    files = []
    for split in SPLITS:
        if split == "newest" and not slices[split]:
            continue
        data = b"".join(encode_row(row) + b"\n" for row in slices[split])
        files.append(
            _put(folder / ROW_FILES[split], data if split not in SEALED else _seal(data, home), len(slices[split]))
        )
    members = [make_member(row, split) for split in SPLITS for row in slices[split]]
    lines = b"".join(msgspec.json.encode(member) + b"\n" for member in members)
    return (*files, _put(folder / MEMBERS, lines, len(members)))


def finish_set(folder: Path, manifest: DatasetManifest, home: DatasetHome) -> DatasetManifest:
    """Describe the files of `manifest` for catalogues, and seal it; returns it with digest and seal."""
    croissant = msgspec.json.format(msgspec.json.encode(make_croissant(manifest))) + b"\n"
    files = (*manifest.files, _put(folder / CROISSANT, croissant, 1))
    sealed = seal_manifest(msgspec.structs.replace(manifest, files=files), home.key)
    write_file(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(sealed)), durable=True)
    return sealed


def list_subjects(slices: Mapping[Split, Sequence[TrainingRow]]) -> tuple[str, ...]:
    """Everybody who is in it."""
    return tuple(sorted({row.subject for rows in slices.values() for row in rows if row.subject}))


def _seal(data: bytes, home: DatasetHome) -> bytes:
    sealed = io.BytesIO()
    seal_file(home.file_keys[0], io.BytesIO(data), sealed)
    return sealed.getvalue()


def _put(path: Path, data: bytes, rows: int) -> DatasetFile:
    write_file(path, data, durable=True)
    return DatasetFile(path.name, rows, len(data), hashlib.sha256(data).hexdigest())


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """A folder in `parent`, so that what is made there can be renamed; gone afterwards, whatever happens.

    :raises InputError: `parent` cannot be written
    """
    try:
        make_private_folder(parent)
        work = Path(tempfile.mkdtemp(prefix=".making-", dir=parent))
    except OSError as error:
        raise InputError(f"{parent}: {error.strerror}; name a folder that can be written with --out") from error
    try:
        yield work
    finally:
        remove_temporary(work)


def publish_folder(made: Path, name: Path) -> None:
    """Give a complete folder its name. :raises InputError: something has it"""
    if name.exists():
        raise InputError(f"{name}: exists; name another folder with --out, or remove it first")
    try:
        os.rename(made, name)
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}; name another folder with --out") from error
    sync_folder(name.absolute().parent)
