"""What the source calls and imports, for tests that hold it away from whole kinds of mistakes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "steward"


def list_trees(*folders: str) -> dict[Path, ast.Module]:
    """Every module of the source, or of some of its folders."""
    roots = [SOURCE / folder for folder in folders] or [SOURCE]
    return {path: ast.parse(path.read_text()) for root in roots for path in sorted(root.rglob("*.py"))}


def list_calls(*folders: str) -> Iterator[tuple[Path, str]]:
    """(file, what is called as it is written: `subprocess.run`)."""
    for path, tree in list_trees(*folders).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield path, ast.unparse(node.func)


def list_imports(*folders: str) -> Iterator[tuple[Path, str]]:
    """(file, module), whether at the top or within a function."""
    for path, tree in list_trees(*folders).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                yield path, node.module or ""
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
