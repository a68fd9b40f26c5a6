"""The files that a proof speaks of: remembered when it is made, and compared when it is read.

A file is the same where size and time are, else where its content is. Files on other machines cannot be compared: a
proof of what is gone from here cannot be told.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from steward.core.evidence import EvidenceInput

LARGEST_BYTES: Final = 64 << 20  # of a file that is read again when its time has changed


def describe_inputs(paths: Iterable[str | Path]) -> tuple[EvidenceInput, ...]:
    """Of files, folders (their files) and patterns, in their order; addresses (`s3://…`) and what is missing are left
    out."""
    inputs: dict[str, EvidenceInput] = {}
    for path in map(str, paths):
        if "://" in path:
            continue
        for one in _expand(path):
            inputs.setdefault(one.path, one)
    return tuple(inputs.values())


def _expand(path: str) -> list[EvidenceInput]:
    place = Path(path).absolute()
    if place.is_dir():
        return _expand(f"{glob.escape(str(place))}/*")
    if not glob.has_magic(path):
        described = _describe_file(place)
        return [] if described is None else [described]
    names = _list_names(str(place))
    files = [described for name in names if (described := _describe_file(Path(name))) is not None]
    return [EvidenceInput(path=str(place), size=len(names), sha256=_digest_names(names)), *files]


def _list_names(pattern: str) -> list[str]:
    return sorted(name for name in glob.glob(pattern, recursive=True) if Path(name).is_file())


def _digest_names(names: list[str]) -> str:
    return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()


def _describe_file(path: Path) -> EvidenceInput | None:
    try:
        status = path.stat()
        digest = _digest_file(path) if status.st_size <= LARGEST_BYTES else ""
    except OSError:
        return None
    return EvidenceInput(path=str(path), size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=digest)


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_change(inputs: Iterable[EvidenceInput]) -> str:
    """The first file that is no longer as it was, in words; empty: none."""
    for one in inputs:
        if one.path.startswith("/") and glob.has_magic(one.path) and not one.mtime_ns:
            if _digest_names(_list_names(one.path)) != one.sha256:
                return f"{one.path} has other files since"
            continue
        change = _find_file_change(one)
        if change:
            return f"{Path(one.path).name} {change}"
    return ""


def _find_file_change(one: EvidenceInput) -> str:
    path = Path(one.path)
    try:
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (one.size, one.mtime_ns):
            return ""
        same = status.st_size == one.size and one.sha256 != "" and _digest_file(path) == one.sha256
    except FileNotFoundError:
        return "is not on this machine any more"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if same else "has changed since"
