"""Put small faults into modules one at a time, and name those that no unit test notices (`make mutants`).

A fault changes one operator or number. For src/steward/<area>/<module>.py the tests of tests/unit/<area> run, so
a module needs tests/unit/<area>/test_<module>.py to take part. Work happens in a copy; the checkout is never touched.
Faults that no user could notice stand in tests/MUTANTS.md with the reason, and are not counted.

Exit 0: at least --reach of the faults were noticed; 1: fewer.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXEMPT = ROOT / "tests" / "MUTANTS.md"
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}


@dataclass(frozen=True)
class Fault:
    """One change of a source text; `start` and `end` are offsets in its UTF-8 bytes."""

    line: int
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: str) -> str:
        raw = source.encode()
        return (raw[: self.start] + f"({self.after})".encode() + raw[self.end :]).decode()


def mutate(node: ast.AST) -> ast.AST | None:
    """The node with its one fault, or None where none fits.

    >>> ast.unparse(mutate(ast.parse("a < b", mode="eval").body))
    'a <= b'
    """
    match node:
        case ast.Compare(ops=[op]) if type(op) in COMPARISONS:
            return ast.Compare(node.left, [COMPARISONS[type(op)]()], node.comparators)
        case ast.BinOp(op=op) if type(op) in ARITHMETIC and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            return ast.BinOp(node.left, ARITHMETIC[type(op)](), node.right)
        case ast.BoolOp(op=op):
            return ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.Constant(value=value) if type(value) in (int, float) and value != 0:
            return ast.Constant(value + 1)
    return None


def faults(source: str) -> Iterator[Fault]:
    """Each fault that fits into the source, from top to bottom; annotations are left alone."""
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text.encode()))
    for node in executed(ast.parse(source)):
        changed = mutate(node)
        if changed is not None and isinstance(node, ast.expr) and node.end_lineno and node.end_col_offset is not None:
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            before = source.encode()[start:end].decode()
            yield Fault(node.lineno, start, end, before, ast.unparse(ast.fix_missing_locations(changed)))


def executed(node: ast.AST) -> Iterator[ast.AST]:
    """The node and what is under it, without annotations and without f-strings, whose parts have no own places."""
    if isinstance(node, ast.JoinedStr):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from executed(child)


def exempt(text: str) -> set[tuple[str, str]]:
    """Module and expression of each fault that is known to change nothing a user could notice.

    >>> exempt("| `core/meters.py` | `1 << 20` | a buffer size |")
    {('core/meters.py', '1 << 20')}
    """
    return set(re.findall(r"^\| `([^`]+\.py)` \| `([^`]+)` \| \S.*\|$", text, re.M))


def modules(only: list[str]) -> list[tuple[str, str]]:
    """Modules that have a test file of their name, each with the tests to run."""
    found = []
    for test in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        relative = test.relative_to(ROOT / "tests" / "unit")
        module = relative.parent / relative.name.removeprefix("test_")
        if (ROOT / "src" / "steward" / module).exists() and any(str(module).startswith(part) for part in only or [""]):
            folder = relative.parts[0] if len(relative.parts) > 1 else str(relative)
            found.append((str(module), f"tests/unit/{folder}"))
    return found


def is_noticed(copy: Path, tests: str, own: str) -> bool:
    """Whether a test fails: first those of the module's own file, then those of its area."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    for selection in (own, tests):
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", selection]
        try:
            ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=300)
        except subprocess.TimeoutExpired:
            return True
        if ended.returncode:
            return True
    return False


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A copy of the checkout to put faults into."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("src", "tests", "scripts", "examples", "benchmarks", "docs"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile"):
            shutil.copy(ROOT / name, folder)
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100, help="faults to try")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other faults")
    parser.add_argument("--reach", type=float, default=0.9, help="share of faults that must be noticed")
    parser.add_argument("only", nargs="*", help="areas or modules, such as gateway or core/meters.py; default: all")
    given = parser.parse_args()
    draw, known = random.Random(given.seed), exempt(EXEMPT.read_text())
    candidates = modules(given.only)
    tried = noticed = 0
    with scratch() as copy:
        for _ in range(given.count):
            module, tests = draw.choice(candidates)
            file = copy / "src" / "steward" / module
            source = file.read_text()
            possible = [fault for fault in faults(source) if (module, fault.before) not in known]
            if not possible:
                continue
            fault = draw.choice(possible)
            file.write_text(fault.apply(source))
            own = f"tests/unit/{Path(module).parent}/test_{Path(module).name}"
            seen = is_noticed(copy, tests, own)
            file.write_text(source)
            tried, noticed = tried + 1, noticed + seen
            if not seen:
                print(f"not noticed: {module}:{fault.line}: {fault.before!r} -> {fault.after!r}", flush=True)
    print(f"{noticed} of {tried} noticed")
    raise SystemExit(0 if tried and noticed >= given.reach * tried else 1)


if __name__ == "__main__":
    main()
