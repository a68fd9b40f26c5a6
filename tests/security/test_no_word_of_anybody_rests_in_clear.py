"""Canary strings that clients send are nowhere in clear: database, WAL, spools, ledger, temporary files, logs, backup.

Captured exchanges, comments, stored answers and batches are on, so that all of it is written somewhere.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, until
from steward.security.rootkey import derive, load_root_key
from steward.workflows.backup import USE
from steward.workflows.backup_archive import read_archive

WORDS = (
    "canary-Prompt-7431",
    "canary-Comment-7431",
    "canary-Correction-7431",
    "canary-Person-7431",
    "canary-Batch-7431",
)
SETTINGS = """
models:
  - {{name: echo, backend: openai, url: '{scripted}'}}
gateway:
  responses_store: {{keep_s: 3600}}
capture:
  rules:
    - {{purpose: support, route: echo, text: as_sent}}
"""


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def canaries(scripted: str, tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("canaries")
    (folder / "steward.yaml").write_text(SETTINGS.format(scripted=scripted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        deployment = Deployment(folder / "home", "--workers", "2", "--config", str(folder / "steward.yaml"))
    yield deployment
    deployment.stop()


def post(deployment: Deployment, path: str, body: dict[str, Any]) -> str:
    headers = {"Authorization": f"Bearer {deployment.key}", "Content-Type": "application/json"}
    request = urllib.request.Request(deployment.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
        return str(answer.headers["x-request-id"])


def upload(deployment: Deployment, line: str) -> None:
    boundary = "cut"
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="b.jsonl"\r\n\r\n{line}\n\r\n'
        f"--{boundary}--\r\n"
    )
    headers = {"Authorization": f"Bearer {deployment.key}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{deployment.url}/v1/files", parts.encode(), headers), timeout=60
    ) as answer:
        assert answer.status == 200


def write_everywhere(deployment: Deployment) -> None:
    prompt, comment, correction, person, batch = WORDS
    chat = {"model": "echo", "messages": [{"role": "user", "content": prompt}], "user": person}
    name = post(deployment, "/v1/chat/completions", chat)
    post(deployment, "/v1/responses", {"model": "echo", "input": prompt, "user": person, "store": True})
    rating = {"request_id": name, "score": -1, "comment": comment, "correction": correction}
    post(deployment, "/v1/feedback", rating)
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {**chat, "user": batch}}
    upload(deployment, json.dumps(line))
    until(lambda: comment in inside("feedback", "--show-content", "--home", str(deployment.home)).stdout or None)


def find_canaries(*places: Path) -> list[str]:
    files = [path for place in places for path in ([place] if place.is_file() else place.rglob("*")) if path.is_file()]
    assert files
    return [
        f"{word} in {path}"
        for path in files
        for word in WORDS
        if word.encode() in path.read_bytes() or word in path.name
    ]


def test_they_are_in_no_file_of_the_home_no_log_and_no_temporary_file(canaries: Deployment, temporary: Path) -> None:
    write_everywhere(canaries)
    folders = {path.parent.name for path in canaries.home.rglob("*") if path.is_file()}
    assert {"spool", "captures", "ledger", "run", "files"} <= folders  # there was something to look into
    assert find_canaries(canaries.home, canaries.log) == [] and (
        not any(temporary.iterdir()) or not find_canaries(temporary)
    )


def test_they_are_in_no_backup_even_for_whoever_opens_the_archive(canaries: Deployment, tmp_path: Path) -> None:
    write_everywhere(canaries)
    archive, keys = tmp_path / "a.backup", tmp_path / "keys"
    done = inside("backup", str(archive), "--keys", str(keys), "--home", str(canaries.home))
    assert done.returncode == 0, done.stderr
    assert find_canaries(archive, keys) == []
    (tmp_path / "opened").mkdir()
    read_archive(archive, derive(load_root_key(canaries.home, None), USE), tmp_path / "opened", lambda *_: None)
    assert find_canaries(tmp_path / "opened") == []


def test_every_folder_with_content_is_its_owners_alone(canaries: Deployment) -> None:
    folders = [canaries.home, *(path for path in canaries.home.iterdir() if path.is_dir())]
    assert not [f"{path}: {path.stat().st_mode & 0o777:o}" for path in folders if path.stat().st_mode & 0o077]
