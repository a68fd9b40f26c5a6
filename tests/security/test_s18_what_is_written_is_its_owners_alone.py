"""S18: whatever a command writes is readable by its owner alone (folders 0700, files 0600), however wide the umask is.

A deployment's home: below. How `main` narrows the mask: `tests/unit/cli/test_main.py`; the warning of the first key's
file: `tests/unit/cli/test_status.py`.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Deployment, inside
from gateway_client import post
from steward.core.files import open_private
from writing_commands import COMMANDS, prepare_place

OTHERS = [
    "init new.yaml",
    "prompts add p --system 'You are kind.'",
    "keys create --name ours",
    "users add anna",
    "tls init",
    "incident open slow",
    "evidence map --html map.html --oscal map.json",
    "audit prove 0 --out proof",
    "policy template internal",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    prepare_place(folder)
    return folder


def list_open(folder: Path, before: set[Path]) -> list[str]:
    """What others may read or enter of what was written since."""
    new = [path for path in folder.rglob("*") if path not in before and not path.is_symlink()]
    modes = {path: path.stat().st_mode for path in new}
    return [f"{stat.filemode(mode)} {path.relative_to(folder)}" for path, mode in modes.items() if mode & 0o077]


@pytest.fixture
def no_mask() -> Iterator[None]:
    os.umask(0)
    yield
    os.umask(0o022)


def test_s18_no_command_writes_for_others(place: Path, no_mask: None) -> None:
    before = set(place.rglob("*"))
    failed = []
    for command in (*(command.replace("sealed x", "sealed y") for _, command in COMMANDS), *OTHERS):
        os.umask(0)
        ended = inside(*shlex.split(command), cwd=place)
        failed += [(command, ended.stderr)] if ended.returncode not in (0, 1, 3) else []
        assert list_open(place, before) == [], command
    assert len(set(place.rglob("*")) - before) > 60, failed
    assert [command for command, _ in failed] == [], failed


def test_s18_no_process_of_a_deployment_writes_for_others(upstream: str, tmp_path: Path, no_mask: None) -> None:
    os.umask(0)
    model = f"models: [{{name: mock, backend: openai, url: '{upstream}'}}]\n"
    settings = f"{model}capture:\n  rules: [{{purpose: support, text: as_sent}}]\n"
    (tmp_path / "steward.yaml").write_text(settings)
    deployed = Deployment(tmp_path / "home", "--workers", "1", "--config", str(tmp_path / "steward.yaml"))
    try:
        body = {"model": "mock", "messages": [{"role": "user", "content": "hello"}]}
        status, _, request_id = post(deployed, "/v1/chat/completions", body)
        assert status == 200
        rating = {"request_id": request_id, "score": 1, "comment": "good"}
        assert post(deployed, "/v1/feedback", rating)[0] == 202
        deployed.settled_usage()
        for command in ("evidence pack pack.zip", "card state system --owner anna", "card system --out card.md"):
            os.umask(0)
            ended = inside(*command.split(), "--home", str(deployed.home), cwd=tmp_path)
            assert ended.returncode in (0, 3), ended.stderr  # 3: the card has gaps
        assert list_open(deployed.home.parent, {tmp_path / "steward.yaml", deployed.log}) == []
        assert (deployed.home / "first-key").stat().st_mode & 0o777 == 0o600
    finally:
        deployed.stop()
    assert list_open(deployed.home.parent, {tmp_path / "steward.yaml", deployed.log}) == []


def test_s18_the_library_writes_answers_for_their_owner_alone(tmp_path: Path, no_mask: None) -> None:
    """`import steward` leaves the umask as it is: it belongs to the program that imports it."""
    (tmp_path / "out").mkdir(mode=0o755)
    os.umask(0)
    with open_private(tmp_path / "out" / "answers.jsonl", "ab") as file:
        file.write(b"{}")
    assert (tmp_path / "out" / "answers.jsonl").stat().st_mode & 0o777 == 0o600
