"""Advisory 1, CVE-2026-42208: SQL in the Authorization header, before the key was checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_client import app_of, create
from console_client import ask
from source_facts import list_calls, scans_source
from steward.security.keys import parse_key

INJECTED = [
    "' OR '1'='1",
    "stw_live_' UNION SELECT 1--",
    "stw_live_x'; DROP TABLE keys;--",
    "%27%20OR%201=1",
    "\\'; --",
]


@given(st.text() | st.sampled_from(INJECTED).map(lambda text: f"stw_live_{text}"))
def test_what_is_no_key_is_refused_before_anything_is_looked_up(text: str) -> None:
    assert parse_key(text) is None


@pytest.mark.parametrize("text", INJECTED)
def test_the_console_refuses_it_and_keeps_its_tables(tmp_path: Path, text: str) -> None:
    key = create(tmp_path)
    app = app_of(tmp_path)
    assert ask(app, "GET", "/api/v1/keys", authorization=f"Bearer {text}")[0] == 401
    assert (
        ask(app, "GET", f"/api/v1/keys/{text.replace('%', '').replace('/', '')}", authorization=f"Bearer {key}")[0]
        == 404
    )
    assert ask(app, "GET", "/api/v1/keys", authorization=f"Bearer {key}")[0] == 200


@scans_source
def test_no_statement_is_put_together_from_text() -> None:
    """Queries are SQLAlchemy's; the few texts are literals."""
    import ast

    from source_facts import list_trees

    for path, tree in list_trees("adapters/stores").items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sa.text", "text"):
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
    assert any(call == "sa.select" for _, call in list_calls("adapters/stores"))
