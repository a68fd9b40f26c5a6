"""The shape of the code, counted: function-level cycles, long functions, names that stand twice."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from source_facts import SOURCE, list_files, list_trees, scans_source

MAX_LINES = 60
MAX_REPEATED_CLASSES = 4


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in list_files()}


def imported(tree: ast.Module) -> Iterator[str]:
    """Our own modules that a file imports, at its top or inside a function; not what only type checkers read."""
    ignored = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in ignored:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield submodule if submodule in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle, or none."""
    done: set[str] = set()

    def visit(name: str, above: list[str]) -> list[str]:
        if name in above:
            return [*above[above.index(name) :], name]
        if name not in done:
            for following in sorted(graph[name]):
                if found := visit(following, [*above, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


@scans_source
def test_no_import_cycle_not_even_through_a_function() -> None:
    graph = {
        module_name(path): set(imported(tree)) & MODULES - {module_name(path)} for path, tree in list_trees().items()
    }
    assert cycle(graph) == []
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@scans_source
def test_no_function_is_long() -> None:
    long = [
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}: {lines} lines"
        for path, tree in list_trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_LINES
    ]
    assert not long, long


@scans_source
def test_class_names_stand_once() -> None:
    names = Counter(
        node.name
        for tree in list_trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    repeated = sorted(name for name, count in names.items() if count > 1)
    assert len(repeated) <= MAX_REPEATED_CLASSES, repeated


@scans_source
def test_no_handler_is_chosen_by_a_chain_of_ifs() -> None:
    """A path is reachable by standing in a table of endpoints, nowhere else."""
    compared = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path, tree in list_trees().items()
        if path.relative_to(SOURCE).parts[0] in ("gateway", "console")
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Eq)
        and ast.unparse(node.left).rpartition(".")[2] in ("path", "scope['path']")
    ]
    assert not compared, compared


HOT = {  # modules that each request or event goes through, as a compiler of typed Python takes them
    *("adapters/engines/http", "adapters/engines/http_answer", "adapters/engines/http_connection"),
    *(
        "adapters/limits/local",
        "adapters/limits/window_file",
        "gateway/answer",
        "gateway/answer_lengths",
    ),
    *("gateway/exchange", "gateway/field_names", "gateway/health", "gateway/http", "gateway/ledger", "gateway/limits"),
    *("gateway/outgoing", "gateway/output_limits", "gateway/relay", "gateway/route_queue", "gateway/routing"),
    *("gateway/running_estimate", "gateway/sse", "gateway/stream", "gateway/usage", "gateway/wire"),
    *(f"gateway/middleware/{name}" for name in ("admit", "call", "identify", "prompt", "queue", "route", "settle")),
    *("processes/answer_cycle", "processes/http_protocol", "security/authenticator"),
}


@scans_source
def test_hot_modules_define_no_records_and_declare_what_belongs_to_a_class() -> None:
    """mypyc loses `frozen` of a Struct that it compiles, and takes a class's own value only as a ClassVar."""
    for name in sorted(HOT):
        for node in ast.walk(list_trees()[SOURCE / f"{name}.py"]):
            if isinstance(node, ast.ClassDef):
                assert "msgspec.Struct" not in map(ast.unparse, node.bases), f"{name}: {node.name}"
                values = [item for item in node.body if isinstance(item, ast.Assign | ast.AnnAssign) and item.value]
                for item in values:
                    plain = isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) != "__slots__"
                    typed = isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation)
                    assert not (plain or typed), f"{name}: {node.name}.{ast.unparse(item)}"
