"""The files that stages name: made relative to the pipeline's file, and hashed, so that a changed file is a new run.

A stage says which of its fields name files in the class attribute `files`. A value is a path, a glob pattern, a list of
those, or `path/to/file.py:function`; the name of a word list that comes with steward is left as it is.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import xxhash

from steward.text.lexicons import OWN


def resolve_paths(parameters: Mapping[str, Any], fields: Iterable[str], base: Path) -> dict[str, Any]:
    """The parameters of a stage with the paths among them relative to `base`."""
    resolved = dict(parameters)
    for name in fields:
        value = resolved.get(name)
        if isinstance(value, str) and value not in OWN:
            resolved[name] = _join(base, value)
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            resolved[name] = [_join(base, item) for item in value]
    return resolved


def _join(base: Path, path: str) -> str:
    return str(base / os.path.expanduser(path))


def hash_files(stage: object) -> dict[str, str]:
    """The XXH3 (128 bits) of every file that the stage names, by path."""
    hashes: dict[str, str] = {}
    for field in getattr(stage, "files", ()):
        value = getattr(stage, field)
        patterns = (value,) if isinstance(value, str) else value or ()
        for pattern in (pattern for pattern in patterns if pattern not in OWN):
            for path in list_files(pattern):
                hashes[path] = xxhash.xxh3_128_hexdigest(Path(path).read_bytes())
    return hashes


def list_folders(stage: object) -> list[str]:
    """What stands in the folders that the stage reads and adds to, such as an index of earlier runs."""
    folders = (getattr(stage, field) for field in getattr(stage, "folders", ()))
    return sorted(str(path) for folder in folders if folder for path in Path(folder).glob("*") if path.is_file())


def list_files(pattern: str) -> list[str]:
    """The files that a path, a pattern, a folder or `path/to/file.py:function` names, sorted.

    Of a folder all files below, but for names that begin with a dot or an underscore. Beside an ONNX model stands the
    file of its weights, where it has one (`model.onnx.data`, `model.onnx_data`).
    """
    path, colon, _ = pattern.rpartition(":")
    candidates = [pattern, path] if colon else [pattern]
    if pattern.endswith(".onnx"):
        candidates += [f"{pattern}.data", f"{pattern}_data"]
    found = {name for item in candidates for name in glob.glob(item, recursive=True)}
    folders = [name for name in found if os.path.isdir(name) and "*" not in pattern]
    return sorted({name for name in found if os.path.isfile(name)} | {file for name in folders for file in _walk(name)})


def _walk(folder: str) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (os.path.join(root, name) for name in names if not name.startswith((".", "_")))
