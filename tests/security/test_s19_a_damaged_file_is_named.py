"""S19: a file of the home that is damaged is named, in words and never with a trace, and passes for nothing else.

Damaged keys: `tests/unit/workflows/test_key_cache.py`, `tests/functional/test_keys.py`; the log's tiles and entries:
`tests/security/test_audit_tampering.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import inside
from steward.core.identity import operator
from steward.workflows import access

GARBAGE = b"\x00\xff garbage {"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    access.add_person(tmp_path, "anna", 1.0, actor=operator(7), role="owner")
    return tmp_path


@pytest.mark.parametrize("name", ["key.pub", "checkpoint"])
@pytest.mark.parametrize("command", [("audit", "verify"), ("audit", "tail"), ("audit", "export")])
def test_a_damaged_log_is_no_intact_one(home: Path, name: str, command: tuple[str, ...]) -> None:
    (home / "audit" / name).write_bytes(GARBAGE)
    out = ("--out", str(home / "copy")) if command[1] == "export" else ()
    done = inside(*command, *out, "--home", str(home))
    said = done.stdout + done.stderr
    assert "Internal error" not in said and "Traceback" not in said
    if command[1] == "verify":
        assert done.returncode == 1 and "ALTERED" in said


def test_nothing_is_recorded_after_a_damaged_checkpoint(home: Path) -> None:
    (home / "audit" / "checkpoint").write_bytes(GARBAGE)
    done = inside("users", "add", "bob", "--home", str(home))
    assert done.returncode not in (0, 5) and "checkpoint" in done.stderr
