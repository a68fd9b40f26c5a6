"""Advisory 5, CVE-2026-30623: a request named the command that the server ran."""

from __future__ import annotations

from pathlib import Path

from source_facts import SOURCE, list_calls, scans_source
from steward.console.api import write_openapi
from steward.console.operations import list_operations

STARTERS = ("subprocess.", "os.exec", "os.spawn", "os.system", "os.popen", "asyncio.create_subprocess")


@scans_source
def test_what_serves_requests_starts_nothing_but_its_own_helper() -> None:
    serving = ("gateway", "console", "security", "privacy", "adapters/stores", "adapters/limits")
    found = {(str(path.relative_to(SOURCE)), call) for path, call in list_calls(*serving) if call.startswith(STARTERS)}
    assert found == set()


@scans_source
def test_no_shell_reads_a_command_anywhere() -> None:
    import ast

    from source_facts import list_trees

    for path, tree in list_trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "shell":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, path
    assert not [path for path, call in list_calls() if call in ("os.system", "os.popen")]


def test_no_operation_takes_a_command() -> None:
    document = write_openapi(list_operations(Path("nowhere")), "1")
    schemas = document["components"]["schemas"]
    taken = {name for name in schemas if name != "Evidence"}  # which is only answered: how a proof was made
    names = {field for name in taken for field in schemas[name].get("properties", {})}
    assert names.isdisjoint({"command", "args", "env", "exec", "script", "stdio"})
