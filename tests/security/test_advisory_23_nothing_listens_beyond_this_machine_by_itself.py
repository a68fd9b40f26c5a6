"""Advisory 23, CVE-2025-30202 and ShadowMQ, CVE-2024-50050: sockets on all interfaces, pickles over them."""

from __future__ import annotations

import ast
from pathlib import Path

from source_facts import SOURCE, list_calls, list_imports, list_trees, scans_source
from steward.gateway.config import GatewayConfig
from steward.settings import ConsoleConfig, Settings
from steward.workflows.serve.from_settings import make_plan

EVERYWHERE = ("0.0.0.0", "::", "")


def test_both_ports_are_this_machines_unless_told() -> None:
    assert GatewayConfig().host == ConsoleConfig().host == "127.0.0.1"


def test_an_engine_listens_in_the_home_of_its_owner(tmp_path: Path) -> None:
    plan = make_plan(Settings(), tmp_path, "1")
    (model,) = plan.models
    assert model.socket is not None and model.socket.startswith(str(tmp_path / "run"))


@scans_source
def test_no_address_of_all_interfaces_is_bound_by_the_source() -> None:
    binders = ("bind", "create_server", "start_server", "HTTPServer", "listen")
    for path, tree in list_trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in binders:
                literals = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
                assert not set(EVERYWHERE) & {value for value in literals if isinstance(value, str)}, (
                    f"{path}:{node.lineno}"
                )


@scans_source
def test_no_message_queue_and_objects_only_between_a_process_and_its_own_children() -> None:
    """`multiprocessing` pickles over pipes that only a child inherits; nothing of it listens."""
    imports = [(path.relative_to(SOURCE), module) for path, module in list_imports()]
    assert not [path for path, module in imports if module.partition(".")[0] in ("zmq", "pickle")]
    assert not [path for path, call in list_calls() if call.rpartition(".")[2] in ("Listener", "BaseManager", "Client")]
    users = {str(path) for path, module in imports if module.partition(".")[0] == "multiprocessing"}
    assert all(path.startswith(("adapters/executors/", "processes/")) for path in users), users
