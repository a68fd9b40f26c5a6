"""Every table of the store and every entry of a home that the code writes is declared: whose data it holds."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

from steward.adapters.stores.tables import metadata
from steward.privacy.data_map import HOME, TABLES

SOURCE: Final = Path(__file__).parents[2] / "src" / "steward"
ADVICE: Final = "say in src/steward/privacy/data_map.py whose data it holds, and how it is erased"


def test_every_table_is_in_the_map() -> None:
    assert sorted(place.name for place in TABLES) == sorted(metadata.tables), ADVICE


def test_every_entry_of_a_home_that_the_code_writes_is_in_the_map() -> None:
    assert list_entries() - {place.name for place in HOME} == set(), ADVICE


def list_entries() -> set[str]:
    """What the code puts directly into a home: each `home / "name"`, where the name is a text or a constant."""
    trees = {path: ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")}
    constants = {
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): read_constants(tree)
        for path, tree in trees.items()
    }
    found = set()
    for tree in trees.values():
        known = read_constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in constants:
                given = constants[node.module]
                known |= {each.asname or each.name: given[each.name] for each in node.names if each.name in given}
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_home(node.left):
                found.add(
                    node.right.value if isinstance(node.right, ast.Constant) else known.get(ast.unparse(node.right))
                )
    names = {str(name) for name in found if name is not None}
    return {name for name in names if not re.search(r"\.lock$|^steward\.yaml$", name)}


def read_constants(tree: ast.Module) -> dict[str, str]:
    """Texts that a module gives a name."""
    constants: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts, strict=True))
                for name, value in pairs:
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                        constants[name.id] = value.value
    return constants


def is_home(node: ast.expr) -> bool:
    """`home`, `self._home`, `plan.home`, `Path(…home)`."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "Path" and bool(node.args) and is_home(node.args[0])
    return ast.unparse(node).rpartition(".")[2].lstrip("_") == "home"


def test_the_scan_of_the_code_sees_what_there_is() -> None:
    assert {"run", "audit", "responses", "datasets", "incidents", "erasures.jsonl"} <= list_entries()
