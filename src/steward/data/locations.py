"""Where a file is: on this machine, or at an address that a `FileStore` knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from steward.core.errors import InputError
from steward.core.extend import FileStore

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://|[a-z][a-z0-9+.-]+::[a-z]")


def is_remote(path: str) -> bool:
    """Whether a path is an address, such as s3://bucket/a.jsonl.

    >>> is_remote("s3://bucket/a.jsonl"), is_remote("/data/a.jsonl"), is_remote("a:b.jsonl")
    (True, False, False)
    """
    return _ADDRESS.match(path) is not None


def resolve_location(base: Path, path: str) -> str:
    """The path relative to `base`, with `~` for the home folder; an address is left as it is."""
    return path if is_remote(path) else str(base / os.path.expanduser(path))


def open_location(path: str, store: FileStore | None) -> BinaryIO:
    """The bytes of a file, wherever it is. :raises InputError: an address, and no store is given"""
    return require_store(path, store).open(path) if is_remote(path) else Path(path).open("rb")


def require_store(path: str, store: FileStore | None) -> FileStore:
    """:raises InputError: no store is given"""
    if store is None:
        raise InputError(
            f"{path}: no store for addresses is given; use `steward data`, or in Python "
            "Source(path=…).with_store(steward.adapters.remote_files.FsspecStore())"
        )
    return store
