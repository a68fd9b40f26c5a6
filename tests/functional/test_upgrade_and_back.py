"""A home with sealed data, served by the version before, by this one, by the one before again: nothing is lost.

The version before cannot open what this one seals under its subject's key, and says so; forth again, all of it opens.

The version before is the code of `PREVIOUS`, from the repository's history; move it on with every release.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, STEWARD, Deployment, served, until

PREVIOUS = "9eb9ba5"  # the store's revision 0015, before content had keys of its subjects
SECRET = "Quirin-is-ill"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source folder of the version before."""
    folder = tmp_path_factory.mktemp("previous")
    command = ["git", "-C", str(ROOT), "archive", "--output", str(folder / "src.tar"), PREVIOUS, "src"]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("needs the repository's history")
    with tarfile.open(folder / "src.tar") as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


class Version:
    """The commands of one version of the code."""

    def __init__(self, source: Path, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.source, self.home, self._patch = source, home, patch

    def serve(self) -> Deployment:
        self._patch.setenv("PYTHONPATH", str(self.source))
        return Deployment(self.home, "--workers", "1")

    def which(self) -> Path:
        """The code that its commands run."""
        command = [sys.executable, "-c", "import steward; print(steward.__file__)"]
        environment = {**os.environ, "PYTHONPATH": str(self.source)}
        return Path(subprocess.run(command, capture_output=True, text=True, env=environment).stdout.strip())

    def run(self, *arguments: str) -> str:
        done = self.try_run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.source)}
        command = [*STEWARD, *arguments, "--home", str(self.home)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def post(url: str, key: str, path: str, body: Any) -> str:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status in (200, 202)
        name: str = answer.headers["x-request-id"]
        return name


def serve_once(version: Version, key: str, number: int) -> str:
    """Serve a request and a comment on it; -> the key, which the first version made."""
    running = version.serve()
    try:
        key = key or running.key
        before = count_rows(version.home, "exchanges")
        body = {"model": "right", "messages": [{"role": "user", "content": f"q {number}"}]}
        name = post(running.url, key, "/v1/chat/completions", body)
        post(running.url, key, "/v1/feedback", {"request_id": name, "score": 1, "comment": f"{SECRET}-{number}"})
        until(lambda: count_rows(version.home, "exchanges") == before + 1)
        until(lambda: count_rows(version.home, "feedback") == number)
        assert json.loads(version.run("feedback", "--json"))["count"] == number
    finally:
        running.stop()
    return key


def count_rows(home: Path, table: str) -> int:
    """How many rows both versions see, for a hundredth of what a command costs."""
    with contextlib.closing(sqlite3.connect(home / "steward.db")) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


def running_count(version: Version) -> int:
    count: int = json.loads(version.run("usage", "--json"))["requests"]
    return count


@pytest.mark.timeout(300)
def test_a_home_goes_forth_and_back(
    previous: Path, upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "steward.yaml").write_text(f"models:\n  - {{name: right, backend: openai, url: '{upstream}'}}\n")
    old = Version(previous, tmp_path / "home", monkeypatch)
    new = Version(ROOT / "src", tmp_path / "home", monkeypatch)
    for version in (old, new):
        assert version.which() == version.source / "steward" / "__init__.py"
    key = serve_once(old, "", 1)
    assert f"{SECRET}-1" in old.run("feedback", "--show-content")
    for number, version in enumerate((new, old, new), 2):
        assert serve_once(version, key, number) == key
        assert running_count(version) == number
        if version is new:
            said = version.run("feedback", "--show-content")
            assert [f"{SECRET}-{each}" in said for each in range(1, number + 1)] == [True] * number
        else:
            refused = version.try_run("feedback", "--show-content")
            assert refused.returncode == 2 and SECRET not in refused.stdout
            assert "sealed data of version 02, expected 01; open it with a newer version of steward" in refused.stderr
        assert json.loads(version.run("keys", "list", "--json"))[0]["revoked_at"] is None
    verified = subprocess.run(
        [sys.executable, "-m", "steward", "audit", "verify", "--home", str(tmp_path / "home"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=60,
    )
    assert json.loads(verified.stdout)["error"] is None
