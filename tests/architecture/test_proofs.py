"""Which command leaves which proof, read from the code: every check by proof names a command that leaves its kind."""

from __future__ import annotations

import ast
import functools
import shlex
from pathlib import Path

import pytest

from steward.cli.commands import STEWARD
from steward.cli.lazy import Command, Group
from steward.governance.checks import CHECKS
from steward.governance.readiness import Check

SOURCE = Path(__file__).parent.parent.parent / "src"
BY_PROOF = [check for check in CHECKS if check.kinds]


@functools.cache
def parse(module: str) -> ast.Module:
    return ast.parse((SOURCE / f"{module.replace('.', '/')}.py").read_text())


def list_kinds(module: str) -> dict[str, set[str]]:
    """Of a module's functions `describe_…`: the kinds that they make, by the constants after `check=`."""
    tree = parse(module)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in [node.target]
        if isinstance(target, ast.Name)
    }
    kinds: dict[str, set[str]] = {}
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for word in (node for node in ast.walk(function) if isinstance(node, ast.keyword) and node.arg == "check"):
            value = word.value
            name = constants.get(value.id, "") if isinstance(value, ast.Name) else getattr(value, "value", "")
            kinds.setdefault(function.name, set()).add(str(name))
    return kinds


def list_left_proofs(target: str) -> set[str]:
    """Kinds that a command's function, or one of steward.cli that it calls, hands to `keep_finding`."""
    made = list_kinds("steward.workflows.findings") | list_kinds("steward.workflows.audit_proof")
    kinds, waiting, seen = set[str](), [target], set[str]()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        for called, constants in list_calls(*place.split(":")):
            name = called.partition(":")[2]
            waiting.append(called)
            kinds |= made.get(name, set())
            if name == "_run_changes":  # it is told the kind that it is called for
                kinds |= constants
    return kinds


def list_calls(module: str, function: str) -> list[tuple[str, set[str]]]:
    """What a function of steward.cli calls, as "module:name", and the texts among the arguments."""
    if not module.startswith("steward.cli"):
        return []
    tree = parse(module)
    places = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    body = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function), None)
    calls = [node for node in ast.walk(body) if isinstance(node, ast.Call)] if body is not None else []
    return [
        (
            places.get(call.func.id, f"{module}:{call.func.id}"),
            {one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)},
        )
        for call in calls
        if isinstance(call.func, ast.Name)
    ]


def find_target(words: list[str]) -> str:
    """The function of the command that a line starts with."""
    place: Group | Command = STEWARD
    for word in words:
        inner = place.commands if isinstance(place, Group) else ()
        place = next((one for one in inner if one.name == word), place)
    assert place.target, words
    return place.target


@pytest.mark.parametrize("check", BY_PROOF, ids=lambda check: check.id)
def test_the_fix_of_a_check_by_proof_leaves_that_proof(check: Check) -> None:
    program, *words = shlex.split(check.fix)
    assert program == "steward" and set(check.kinds) <= list_left_proofs(find_target(words)), check.fix
