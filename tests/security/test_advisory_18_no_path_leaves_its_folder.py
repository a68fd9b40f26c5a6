"""Advisory 18, CVE-2023-6977, CVE-2024-1483, CVE-2024-3848: paths that left a folder, and again by `#`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from admin_client import app_of, create
from console_client import ask
from steward.core.errors import InputError
from steward.core.identity import operator
from steward.workflows import access, prompts
from steward.workflows.backup_archive import is_safe
from steward.workflows.serve.deployment import find_deployment

CORPUS = [
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd",
    "/etc/passwd", "file:///etc/passwd", "..\\..\\etc\\passwd", "x#/../../etc/passwd", "x?/../../etc/passwd",
    "./../etc/passwd", "..;/etc/passwd", "%252e%252e%252fetc%252fpasswd", "..%c0%afetc", "a/../../etc/passwd", "..",
    "x\x00/../etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("path", CORPUS)
def test_no_file_from_outside_is_sent(tmp_path: Path, path: str) -> None:
    key = create(tmp_path)
    app = app_of(tmp_path)
    for prefix in ("/static/", "/api/v1/keys/", "/api/v1/approvals/"):
        status, _, text = ask(app, "GET", prefix + path, authorization=f"Bearer {key}")
        assert status in (400, 404) and "root:" not in text, prefix


@pytest.mark.parametrize("name", CORPUS)
def test_names_lead_into_no_other_folder(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    create(home)
    audit = find_deployment(home).open_audit_log()
    with pytest.raises(InputError):
        prompts.add(home, name, prompts.PromptText("x"), 1.0, actor=operator(0), audit=audit)
    assert prompts.list_versions(home, name) == []
    with pytest.raises(InputError):
        access.add_person(home, name, 1.0, actor=operator(0))
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "x\x00", "", ".", "a//b"])
def test_an_archive_puts_nothing_beside_its_folder(name: str) -> None:
    assert not is_safe(name)
    assert json.dumps(name)
