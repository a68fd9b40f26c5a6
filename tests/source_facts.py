"""What the source calls and imports, for tests that hold it away from whole kinds of mistakes."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "steward"
scans_source = pytest.mark.xdist_group("source")  # on one worker, which parses the source once


def list_files(*folders: str) -> list[Path]:
    """Every module of the source, or of some of its folders."""
    roots = [SOURCE / folder for folder in folders] or [SOURCE]
    return [path for root in roots for path in sorted(root.rglob("*.py"))]


def list_trees(*folders: str) -> dict[Path, ast.Module]:
    return {path: parse_file(path) for path in list_files(*folders)}


def list_calls(*folders: str) -> Iterator[tuple[Path, str]]:
    """(file, what is called as it is written: `subprocess.run`)."""
    return ((path, call) for path in list_files(*folders) for call in _list_calls(path))


def list_imports(*folders: str) -> Iterator[tuple[Path, str]]:
    """(file, module), whether at the top or within a function."""
    return ((path, module) for path in list_files(*folders) for module in _list_imports(path))


@functools.cache
def parse_file(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def _list_calls(path: Path) -> tuple[str, ...]:
    return tuple(_spell(node.func) for node in ast.walk(parse_file(path)) if isinstance(node, ast.Call))


@functools.cache
def _list_imports(path: Path) -> tuple[str, ...]:
    modules: list[str] = []
    for node in ast.walk(parse_file(path)):
        if isinstance(node, ast.ImportFrom):
            modules.append(node.module or "")
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return tuple(modules)


def _spell(function: ast.expr) -> str:
    """As it is written; a name with dots without `ast.unparse`, which takes ten times as long."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute):
        return f"{_spell(function.value)}.{function.attr}"
    return ast.unparse(function)
