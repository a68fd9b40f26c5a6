"""Advisory 27, CVE-2026-45671: whoever might read a shared chat could delete others' files."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of, call, create
from steward.console.operations import list_operations
from steward.core.identity import ALL_RIGHTS, operator
from steward.workflows import access

OPERATIONS = list_operations(Path("nowhere"))
READS = frozenset(right for right in ALL_RIGHTS if right.endswith(".read"))


def test_no_operation_that_changes_something_asks_for_a_right_to_read() -> None:
    for operation in OPERATIONS:
        assert (operation.permission in READS) == (operation.method == "GET"), operation.path


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method != "GET"])
def test_all_rights_to_read_change_nothing(tmp_path: Path, operation: object) -> None:
    reader = create(tmp_path, READS, name="reader")
    path = str(operation.path).replace("{key}", "reader").replace("{user}", "anna")  # type: ignore[attr-defined]
    access.add_person(tmp_path, "anna", 1.0, actor=operator(0))
    status, problem = call(app_of(tmp_path), reader, operation.method, path, {})  # type: ignore[attr-defined]
    assert (status, problem["error"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/keys/theirs"), ("POST", "/keys/theirs/rotation"), ("POST", "/users/anna/disable")]
)
def test_no_right_reaches_what_is_somebody_elses(tmp_path: Path, method: str, path: str) -> None:
    create(tmp_path, tenant="acme", name="theirs")
    access.add_person(tmp_path, "anna", 1.0, actor=operator(0), tenant="acme")
    stranger = create(tmp_path, tenant="evil", name="stranger")
    assert call(app_of(tmp_path), stranger, method, path, {})[0] == 404
