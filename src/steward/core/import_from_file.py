"""A function of the user's own, named `path/to/file.py:function`.

The file is executed as the user who runs steward: name only files that you trust.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from steward.core.errors import InputError, UnknownName
from steward.core.file_stamp import file_stamp


def import_function(reference: str, what: str) -> Callable[[str], Any]:
    """The function, loaded again when its file has changed. `what` names it in errors: "stage custom".

    :raises InputError: no such file, or it does not load; UnknownName where the function is missing.
    """
    path = reference.rpartition(":")[0]
    if not path or not Path(path).is_file():
        raise InputError(f"{what}: no file {path!r}; expected path/to/file.py:name, got {reference!r}")
    return _import(reference, what, file_stamp(path))


@lru_cache
def _import(reference: str, what: str, stamp: tuple[int, int]) -> Callable[[str], Any]:
    path, _, name = reference.rpartition(":")
    spec = importlib.util.spec_from_file_location(f"steward_custom_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{what}: {path} is not a Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{what}: {path} does not load: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UnknownName("function", name, [key for key, value in vars(module).items() if callable(value)], path)
    return function  # type: ignore[no-any-return]
