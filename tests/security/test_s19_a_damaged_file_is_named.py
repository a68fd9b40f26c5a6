"""S19: a file of the home that is damaged is named, in words and never with a trace, and passes for nothing else.

Damaged keys: `tests/unit/workflows/test_key_cache.py`, `tests/functional/test_keys.py`; the log's tiles and entries:
`tests/security/test_audit_tampering.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import inside, run
from served_home import serve_home
from steward.core.identity import operator
from steward.workflows import access
from steward.workflows.keys import open_keys
from steward.workflows.serve.deployment import find_deployment

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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a home that has served, and serves no more."""
    with serve_home(tmp_path_factory.mktemp("served")) as home:
        pass
    (home / "run" / "state.json").unlink()
    yield home.parent


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda data: GARBAGE,
    "empty": lambda data: b"",
    "cut in the middle": lambda data: data[: len(data) // 2],
    "altered": lambda data: data[:-7] + b"\xff" * 7,
}
COMMANDS = ("status", "keys list", "config check", "config history", "usage", "users list")


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["steward.db", "root-key", "run/plan.json", "run/source.json", "config/0001.json", "run/state.json"]
)
def test_s19_no_command_ends_in_a_trace(served: Path, tmp_path: Path, name: str, damage: str) -> None:
    shutil.copytree(served, tmp_path / "copy")
    file = tmp_path / "copy" / ".steward" / name
    file.write_bytes(DAMAGE[damage](file.read_bytes() if file.exists() else b'{"pid": 1, "processes": []}'))
    before = file.read_bytes()
    for command in COMMANDS:
        done = inside(*command.split(), cwd=tmp_path / "copy")
        said = done.stdout + done.stderr
        assert done.returncode != 5 and "Internal error" not in said and "Traceback" not in said, (command, said)
        assert file.read_bytes() == before, command  # what is damaged may still be mended


def test_s19_an_emptied_store_is_no_new_one(served: Path, tmp_path: Path) -> None:
    """SQLite begins a new database in a file of no bytes: every key would be gone, and nothing said."""
    shutil.copytree(served, tmp_path / "copy")
    store = tmp_path / "copy" / ".steward" / "steward.db"
    for file in store.parent.glob("steward.db*"):
        file.write_bytes(b"")
    ended = run("up", cwd=tmp_path / "copy")
    assert ended.returncode == 2 and store.stat().st_size == 0
    assert f"the store {store} is empty, though this home has served" in ended.stderr
    checked = inside("config", "check", cwd=tmp_path / "copy")
    assert checked.returncode == 2 and "is empty, though this home has served" in checked.stderr


def test_s19_a_store_that_never_was_is_made(tmp_path: Path) -> None:
    (tmp_path / ".steward").mkdir()
    (tmp_path / ".steward" / "steward.db").touch(0o600)
    with open_keys(find_deployment(tmp_path / ".steward"), 1.0):
        pass
    assert (tmp_path / ".steward" / "steward.db").stat().st_size
