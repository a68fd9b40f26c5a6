"""Invariants of the shape: what imports may load, where waiting may stand, what may never appear."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from source_facts import SOURCE, list_files, parse_file, scans_source
from steward.core.endpoint import Endpoint, index_endpoints
from steward.core.errors import Contradiction
from steward.gateway.endpoints import build_endpoints
from steward.gateway.passthrough import PASSTHROUGH
from steward.gateway.rejections import RejectionCounter

ROOT = Path(__file__).parent.parent.parent
FILES = list_files()
EDGES = {"adapters", "workflows", "processes", "console", "cli"}
EDGE_FILES = {
    "gateway/app.py",
    "gateway/batch_endpoints.py",
    "gateway/response_endpoints.py",
    "gateway/early_stream.py",
    "gateway/endpoints.py",
    "gateway/line_answer.py",
    "gateway/passthrough_stream.py",
    "gateway/http.py",
    "gateway/stream.py",
    "gateway/middleware",
    "core/extend.py",
    "evaluation/run.py",
    "loadtest/connection_pool.py",
    "loadtest/sender.py",
}


def test_importing_steward_loads_nothing() -> None:
    code = "import sys, steward; print(len([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names]))"
    base = "import sys; print(len([m for m in sys.modules if m.split('.')[0] not in sys.stdlib_module_names]))"
    counts = [int(subprocess.check_output([sys.executable, "-c", text])) for text in (code, base)]
    assert counts[0] - counts[1] == 1


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom steward.cli.main import app\n"
        "heavy = {'torch', 'ray', 'aiohttp', 'sqlalchemy', 'pydantic', 'xllamacpp', 'uvicorn', 'starlette'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize(
    ("process", "unused"),
    [
        ("worker", {"numpy", "sqlalchemy", "joserfc", "yaml", "jinja2", "steward.settings", "steward.privacy.scan"}),
        ("keeper", {"numpy", "joserfc", "jinja2", "uvicorn", "steward.privacy.scan"}),
        ("console", {"numpy", "joserfc", "steward.privacy.scan"}),
    ],
)
def test_processes_load_only_what_every_deployment_needs(process: str, unused: set[str]) -> None:
    code = f"import sys, steward.processes.{process}\nprint(sorted({unused!r} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@scans_source
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_shape(path: Path) -> None:
    tree = parse_file(path)
    name = path.relative_to(SOURCE)
    edge = name.parts[0] in EDGES or str(name) in EDGE_FILES or str(name.parent) in EDGE_FILES
    for node in ast.walk(tree):
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            assert edge, f"{name}:{node.lineno}: waiting belongs to the edges"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), f"{name}:{node.lineno}"
            assert node.func.id != "print" or name.parts[0] == "cli", f"{name}:{node.lineno}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            assert not {"pickle", "marshal", "shelve"} & set(names), f"{name}:{node.lineno}"
    assert "utils" not in name.parts
    assert str(name).startswith("adapters/stores/migrations") or ast.get_docstring(tree), f"{name}: no docstring"


def test_one_place_replaces_files_and_takes_locks() -> None:
    lines = [(path, line) for path in FILES for line in path.read_text().splitlines()]
    users = {path.name for path, line in lines if re.search(r"\bos\.replace\b|\bfcntl\b", line)}
    assert users == {"files.py"}


def test_private_folders_are_private_with_what_is_made_above_them() -> None:
    """`Path.mkdir` with a mode and `parents` leaves the folders above to the umask."""
    halves = {path.name for path in FILES if re.search(r"mkdir\([^)]*mode=[^)]*parents=", path.read_text())}
    assert halves == set(), "use steward.core.files.make_private_folder"


def test_who_may_use_a_file_is_decided_in_one_place() -> None:
    spelled = {path.name for path in FILES if re.search(r"\b0o[0-7]+", path.read_text())}
    assert spelled == {"files.py"}, "use open_private, touch_private, or a mode of steward.core.files"


class NoService:
    """Endpoints are looked at here, never called."""

    max_body_bytes = 0

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not called")


GATEWAY = build_endpoints(cast(Any, NoService()), RejectionCounter())


@pytest.mark.parametrize(
    "field", ["method", "path", "permission", "tenancy", "guards", "audit", "max_body_bytes", "handler"]
)
def test_an_endpoint_cannot_be_made_without_its_declarations(field: str) -> None:
    values = {name: getattr(GATEWAY[0], name) for name in Endpoint.__struct_fields__ if name != field}
    with pytest.raises(TypeError, match=field):
        Endpoint(**values)


def test_every_request_that_reaches_a_model_is_guarded_and_recorded() -> None:
    for endpoint in GATEWAY:
        if endpoint.permission == "infer":
            assert (endpoint.tenancy, endpoint.audit) == ("principal", "ledger")
            unread = endpoint.path in PASSTHROUGH and PASSTHROUGH[endpoint.path].unread
            assert endpoint.guards == ("in-part" if unread else "request-and-answer")
        if endpoint.tenancy == "none":
            assert endpoint.permission == "public" and endpoint.path in ("/healthz", "/readyz")


def test_one_path_and_method_has_one_endpoint() -> None:
    with pytest.raises(Contradiction, match="two endpoints for POST /v1/chat/completions"):
        index_endpoints([*GATEWAY, GATEWAY[0]])


def test_no_path_of_the_gateway_is_reachable_beside_the_table() -> None:
    """The application compares no path and no permission but `public`; a handler is found in the table alone."""
    for name in ("app.py", "http.py"):
        for node in ast.walk(ast.parse((SOURCE / "gateway" / name).read_text())):
            if isinstance(node, ast.Compare):
                text = ast.unparse(node)
                assert ".path ==" not in text and "'/v1" not in text and "'/healthz" not in text, f"{name}: {text}"


def test_links_in_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text()):
            if not link.startswith(("http://", "https://", "mailto:")):
                assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_examples_in_docstrings_are_run_beside_the_tests_of_their_area() -> None:
    shown = {path.relative_to(SOURCE).parts[0] for path in FILES if ">>> " in path.read_text()}
    files = {path.parent.name: path.read_text() for path in (ROOT / "tests" / "unit").glob("*/test_docstrings.py")}
    assert shown - {"api.py"} == files.keys()  # the public face's take seconds: tests/functional/test_api.py
    assert all(f'list_examples("{area}")' in text for area, text in files.items())


@pytest.mark.parametrize(
    "name", ["worker", "keeper", "console", "engine", "rating", "view", "load_sender", "fork_server"]
)
def test_processes_that_hold_content_disable_core_dumps(name: str) -> None:
    """The others hold none: the supervisor and the echo server, whose texts are made up; the rest are no processes."""
    tree = ast.parse((SOURCE / "processes" / f"{name}.py").read_text())
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "disable_core_dumps" in calls


def test_no_process_is_forgotten() -> None:
    known = {"worker", "keeper", "console", "engine", "rating", "view", "load_sender", "supervisor", "echo", "helper"}
    known |= {"fork_server"}
    helping = {"answer_cycle", "child", "http_protocol", "lifeline", "ports", "reloader", "tls_server", "__init__"}
    helping |= {"descriptors", "forwarded", "known_head"}
    assert {path.stem for path in (SOURCE / "processes").glob("*.py")} == known | helping


def test_no_path_of_the_console_is_reachable_that_is_not_in_a_table() -> None:
    """Applications are made by `console.shell.serve` alone, and it mounts nothing but endpoints."""
    makers = [path for path in (SOURCE / "console").rglob("*.py") if "Starlette(" in path.read_text()]
    assert makers == [SOURCE / "console" / "shell.py"]
    for path in (SOURCE / "console").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("Mount", "WebSocketRoute"), path
                assert node.func.id != "Route" or path.name == "shell.py", path
            if isinstance(node, ast.Compare):
                names = {each.attr for each in (node.left, *node.comparators) if isinstance(each, ast.Attribute)}
                assert not names & {"path", "method"}, f"{path}:{node.lineno}: a table of endpoints decides this"
