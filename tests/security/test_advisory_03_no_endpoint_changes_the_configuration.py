"""Advisory 3, CVE-2026-35029: `/config/update` asked for no role."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask
from steward.console.operations import list_operations
from steward.core.identity import KEY_RIGHTS
from steward.workflows.serve.endpoints import list_gateway_endpoints

OPERATIONS = list_operations(Path("nowhere"))


def test_no_operation_writes_settings() -> None:
    paths = [*(item.path for item in OPERATIONS), *(item.path for item in list_gateway_endpoints())]
    assert not [path for path in paths if any(word in path for word in ("config", "settings", "reload"))]
    assert "config.manage" not in {item.permission for item in OPERATIONS if item.method != "GET"}


def test_no_ordinary_key_may_change_anything() -> None:
    assert not [item.path for item in OPERATIONS if item.permission in KEY_RIGHTS]


@pytest.mark.parametrize("path", ["/config/update", "/api/v1/config", "/api/v1/settings"])
def test_paths_of_others_lead_nowhere(tmp_path: Path, path: str) -> None:
    key = create(tmp_path)
    assert ask(app_of(tmp_path), "POST", path, b"{}", authorization=f"Bearer {key}")[0] in (404, 405)
