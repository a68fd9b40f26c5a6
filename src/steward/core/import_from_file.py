"""A function of the user's own, named `path/to/file.py:function`.

The file is executed as the user who runs steward: name only files that you trust.
"""

from __future__ import annotations

import ast
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


def check_function(reference: str, what: str) -> None:
    """As `import_function`, without running the file: whether there is one, in Python, that has such a name.

    :raises InputError: no such file, or no Python :raises UnknownName: it has no such name
    """
    path, _, name = reference.rpartition(":")
    if not path or not Path(path).is_file():
        raise InputError(f"{what}: no file {path!r}; expected path/to/file.py:name, got {reference!r}")
    try:
        tree = ast.parse(Path(path).read_bytes(), path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(
            f"{what}: {path} does not load: {type(error).__name__}{line and f' in line {line}'}"
        ) from error
    names = [name for node in tree.body for name in _list_bound(node)]
    if name not in names and "*" not in names:
        raise UnknownName("function", name, names, path)


def _list_bound(node: ast.stmt) -> list[str]:
    """The names that a statement gives a value, `*` where only running it tells."""
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Import() | ast.ImportFrom():
            return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
        case ast.Assign():
            return [target.id for target in node.targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.If() | ast.Try() | ast.With():
            return ["*"]
    return []


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
