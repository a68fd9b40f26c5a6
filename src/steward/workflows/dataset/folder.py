"""Reads finished training sets: verifies, compares, exports them, and makes the version without a person."""

from __future__ import annotations

import hashlib
import hmac
import io
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError
from steward.core.files import make_private_folder, quote_path, write_file
from steward.improvement.dataset.compare import DatasetDiff, compare_datasets
from steward.improvement.dataset.manifest import (
    MANIFEST,
    MEMBERS,
    ROW_FILES,
    DatasetManifest,
    DatasetMember,
    DatasetStep,
    count_rows,
    digest_manifest,
    fingerprint_key,
    parse_manifest,
    seal_manifest,
)
from steward.improvement.dataset.rows import SEALED, SPLITS, Split, TrainingRow
from steward.improvement.dataset.shapes import describe_llamafactory, shape_rows
from steward.security.filecrypt import open_under_any
from steward.workflows.dataset.home import DatasetHome
from steward.workflows.dataset.writing import finish_set, list_subjects, publish_folder, work_folder, write_slices

_MAX_PROBLEMS: Final = 20


class DatasetVerification(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward dataset verify` prints."""

    folder: str
    digest: str | None
    intact: bool
    problems: tuple[str, ...]  # the first twenty
    files: int
    rows: int  # whose words were checked
    seal: Literal["valid", "broken", "not checked"]  # not checked: the home that made it is another one


class DatasetExport(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward dataset export` prints."""

    folder: str
    shape: str
    rows: dict[str, int]  # by slice
    left_out: dict[str, int]  # that the shape has no use for
    files: tuple[str, ...]


class DatasetErasure(msgspec.Struct, frozen=True, kw_only=True):
    """What `steward dataset erase` prints."""

    parent: str
    folder: str | None  # the new version; None: nobody of them is in the set
    digest: str | None
    removed: int
    removed_parent: bool


def read_manifest(folder: Path) -> DatasetManifest:
    """:raises InputError: no training set there"""
    try:
        return parse_manifest((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))
    except OSError as error:
        raise InputError(
            f"{folder}: no training set ({error.strerror}); expected what `steward dataset build` made"
        ) from error


def read_members(folder: Path) -> list[DatasetMember]:
    """:raises InputError: the list is missing or damaged; `steward dataset verify` says where"""
    try:
        return [msgspec.json.decode(line, type=DatasetMember) for line in _read_lines(folder / MEMBERS)]
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{folder / MEMBERS}: {error}; see `steward dataset verify {quote_path(folder)}`") from None


def read_rows(folder: Path, split: Split, home: DatasetHome | None = None) -> list[TrainingRow]:
    """The rows of a slice; a sealed one opens with the key of the home that made it.

    A set of before there was a slice `newest` has none. :raises InputError: damaged, or sealed and no home is given
    """
    path = folder / ROW_FILES[split]
    if split == "newest" and not path.exists():
        return []
    try:
        data = path.read_bytes()
        if split in SEALED:
            data = _open_sealed(path, data, home)
        return [msgspec.json.decode(line, type=TrainingRow) for line in data.splitlines()]
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: {error}; see `steward dataset verify {quote_path(folder)}`") from None


def _open_sealed(path: Path, data: bytes, home: DatasetHome | None) -> bytes:
    if home is None:
        raise InputError(f"{path}: sealed; it opens in the home that built it: give --home DIR")
    clear = io.BytesIO()
    open_under_any(home.file_keys, io.BytesIO(data), clear)
    return clear.getvalue()


def verify_dataset(folder: Path, home: DatasetHome | None) -> DatasetVerification:
    """Hold every file and row against the manifest, and the manifest against its digest and seal.

    :raises InputError: no such folder
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected what `steward dataset build` made")
    try:
        manifest = read_manifest(folder)
    except InputError as error:
        return DatasetVerification(
            folder=str(folder), digest=None, intact=False, problems=(str(error),), files=0, rows=0, seal="not checked"
        )
    problems = [] if digest_manifest(manifest) == manifest.digest else [f"{MANIFEST}: was changed after it was built"]
    seal = _check_seal(manifest, home)
    if seal == "broken":
        problems.append(f"{MANIFEST}: its seal is not of this home's key")
    problems += _check_files(folder, manifest)
    own_home = home if seal == "valid" else None
    checked, row_problems = _check_rows(folder, own_home)
    problems += row_problems
    return DatasetVerification(
        folder=str(folder), digest=manifest.digest, intact=not problems, problems=tuple(problems[:_MAX_PROBLEMS]),
        files=len(manifest.files), rows=checked, seal=seal,
    )  # fmt: skip


def _check_seal(manifest: DatasetManifest, home: DatasetHome | None) -> Literal["valid", "broken", "not checked"]:
    if home is None or manifest.key != fingerprint_key(home.key):
        return "not checked"
    expected = seal_manifest(manifest, home.key)
    return "valid" if hmac.compare_digest(expected.seal, manifest.seal) else "broken"


def _check_files(folder: Path, manifest: DatasetManifest) -> Iterator[str]:
    listed = {one.name for one in manifest.files} | {MANIFEST}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in listed:
            yield f"{path.relative_to(folder)}: is no file of the set"
    for one in manifest.files:
        path = folder / one.name
        if not path.is_file():
            yield f"{one.name}: is missing"
        elif hashlib.sha256(path.read_bytes()).hexdigest() != one.sha256:
            yield f"{one.name}: was changed; its SHA-256 is not the one in the manifest"


def _check_rows(folder: Path, home: DatasetHome | None) -> tuple[int, list[str]]:
    """How many rows were held against the list, and which are others than it says."""
    try:
        members = read_members(folder)
    except InputError as error:
        return 0, [str(error)]
    checked, problems = 0, []
    for split in SPLITS:
        path, commitments = folder / ROW_FILES[split], [one for one in members if one.split == split]
        if (split in SEALED and home is None) or not path.is_file():
            continue
        try:
            lines = list(
                _read_lines(path) if split not in SEALED else _open_sealed(path, path.read_bytes(), home).splitlines()
            )
        except InputError as error:
            problems.append(f"{path.name}: {error}")
            continue
        if len(lines) != len(commitments):
            problems.append(f"{path.name}: {len(lines):,} rows, expected {len(commitments):,}")
        for number, (line, member) in enumerate(zip(lines, commitments, strict=False), 1):
            checked += 1
            if hashlib.sha256(line).hexdigest() != member.commitment:
                problems.append(f"{path.name}:{number}: row {member.id} was changed")
    return checked, problems


def _read_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            yield line.removesuffix(b"\n")


def diff_datasets(first: Path, second: Path) -> DatasetDiff:
    """:raises InputError: one of them is no training set"""
    return compare_datasets(read_manifest(first), read_manifest(second), read_members(first), read_members(second))


def export_dataset(folder: Path, shape: str, out: Path, home: DatasetHome | None) -> DatasetExport:
    """Write the train and select slices in a trainer's shape; sealed slices are for judging only.

    :raises InputError: the set was altered, `out` exists, or a row has no place in the shape
    """
    verification = verify_dataset(folder, home)
    if not verification.intact:
        raise InputError(f"{folder}: {verification.problems[0]}; build it anew, nothing was exported")
    if out.exists():
        raise InputError(f"--out {out}: exists; name another folder, or remove it first")
    shaped = {split: shape_rows(read_rows(folder, split), shape) for split in SPLITS if split not in SEALED}
    if not shaped["train"].rows:
        raise InputError(
            f"{folder}: no row fits {shape}, such as for want of pairs; see `steward dataset show {quote_path(folder)}`"
        )
    name = read_manifest(folder).name
    with work_folder(out.absolute().parent) as parent:
        work = parent / "export"
        make_private_folder(work, exist_ok=False)
        for split, rows in shaped.items():
            write_file(work / f"{split}.jsonl", b"".join(msgspec.json.encode(row) + b"\n" for row in rows.rows))
        if shape.startswith("llamafactory"):
            info = {
                key: value
                for split in shaped
                for key, value in describe_llamafactory(f"{name}-{split}", f"{split}.jsonl", shape).items()
            }
            write_file(work / "dataset_info.json", msgspec.json.format(msgspec.json.encode(info)))
        files = tuple(sorted(path.name for path in work.iterdir()))
        publish_folder(work, out)
    return DatasetExport(
        folder=str(out), shape=shape, rows={split: len(rows.rows) for split, rows in shaped.items()},
        left_out={split: rows.left_out for split, rows in shaped.items()}, files=files,
    )  # fmt: skip


def erase_subjects(
    folder: Path,
    subjects: Collection[str],
    home: DatasetHome,
    clock: Callable[[], float],
    keep_parent: bool = False,
    forget: Callable[[str], object] = lambda digest: None,
) -> DatasetErasure:
    """Make the version of a set without these people (HMACs), and remove the one that has them.

    `forget`: called with the set's digest before anything is changed, so that a failure leaves all to be done again,
    and once more in the end, for what began to read the set meanwhile.
    :raises InputError: the set was altered, or was made by another home
    """
    verification = verify_dataset(folder, home)
    if not verification.intact:
        raise InputError(f"{folder}: {verification.problems[0]}; build it anew without the person, and remove this one")
    if verification.seal != "valid":
        raise InputError(f"{folder}: made by another home; erase there, with --home DIR")
    manifest = read_manifest(folder)
    if not set(subjects) & set(manifest.subjects):
        return DatasetErasure(parent=manifest.digest, folder=None, digest=None, removed=0, removed_parent=False)
    forget(manifest.digest)
    slices = {split: read_rows(folder, split, home) for split in SPLITS}
    kept = {split: [row for row in rows if row.subject not in subjects] for split, rows in slices.items()}
    removed = sum(map(len, slices.values())) - sum(map(len, kept.values()))
    out = folder.with_name(f"{folder.name}-without-{removed}")
    with work_folder(out.absolute().parent) as parent:
        work = parent / "set"
        make_private_folder(work, exist_ok=False)
        new = _write_version(work, manifest, kept, removed, home, clock())
        publish_folder(work, out)
    home.register(new, out, clock())
    if not keep_parent:
        shutil.rmtree(folder)
    forget(manifest.digest)
    return DatasetErasure(
        parent=manifest.digest, folder=str(out), digest=new.digest, removed=removed, removed_parent=not keep_parent
    )


def _write_version(
    work: Path,
    parent: DatasetManifest,
    slices: dict[Split, list[TrainingRow]],
    removed: int,
    home: DatasetHome,
    at: float,
) -> DatasetManifest:
    count = sum(map(len, slices.values()))
    step = DatasetStep(
        name="erasure", rows_in=count + removed, rows_out=count, removed=removed, reasons={"erased": removed}
    )
    manifest = msgspec.structs.replace(
        parent, created_at=at, parent=parent.digest, erased=removed, steps=(*parent.steps, step),
        files=write_slices(work, slices, home), subjects=list_subjects(slices), **count_rows(slices),
    )  # fmt: skip
    return finish_set(work, manifest, home)
