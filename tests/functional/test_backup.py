"""The restore drill: a home is backed up while it serves, restored elsewhere, and serves there with the same keys."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import Deployment, inside, served, until

SECRET = "Quirin-is-ill"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    yield from served("tests/answering_upstream.py")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, upstream: str) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("backed-up")
    (folder / "steward.yaml").write_text(
        f"models:\n  - {{name: right, backend: openai, url: '{upstream}', price: {{input: 1000, output: 1000}}}}\n"
    )
    running = Deployment(folder / "home", "--workers", "2")
    try:
        yield running
    finally:
        running.stop()


def ask(url: str, key: str, number: int) -> tuple[int, str]:
    body = {"model": "right", "messages": [{"role": "user", "content": f"q {number}"}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return answer.status, answer.headers["x-request-id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


def command(*arguments: str) -> Any:
    done = inside(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def rows(home: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(home / "steward.db")) as connection:
        return connection.execute(query).fetchall()


def back_up_under_load(running: Deployment, archive: Path) -> tuple[Any, list[str]]:
    """The result, and the requests that had been answered before it began."""
    answered = [ask(running.url, running.key, number)[1] for number in range(1, 31)]
    stop = threading.Event()

    def load() -> None:
        number = 100
        while not stop.is_set():
            ask(running.url, running.key, number := number + 1)

    senders = [threading.Thread(target=load) for _ in range(4)]
    for sender in senders:
        sender.start()
    try:
        result = command("backup", str(archive), "--home", str(running.home))
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    return result, answered


def test_a_restored_home_serves_with_the_same_keys_and_its_ledger_balances(
    deployment: Deployment, tmp_path: Path
) -> None:
    feedback = json.dumps({"request_id": ask(deployment.url, deployment.key, 1)[1], "score": 1, "comment": SECRET})
    headers = {"Authorization": f"Bearer {deployment.key}", "Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{deployment.url}/v1/feedback", feedback.encode(), headers), timeout=60
    ).close()
    archive, home = tmp_path / "home.backup", tmp_path / "restored" / "home"
    made, answered = back_up_under_load(deployment, archive)
    assert made["store"] == "sqlite" and made["rows"]["keys"] == 1
    result = command("restore", str(archive), "--home", str(home))
    assert result["open_requests"] == 0 and result["problems"] == [] and result["audit_entries"] >= 2
    assert Path(result["settings"]) == home.parent / "steward.yaml"

    ids = {row[0] for row in rows(home, "SELECT request_id FROM exchanges")}
    assert set(answered) <= ids and len(ids) == result["rows"]["exchanges"]
    until(lambda: ids <= {row[0] for row in rows(deployment.home, "SELECT request_id FROM exchanges")})
    restored = dict(rows(home, "SELECT request_id, usd FROM exchanges WHERE outcome = 'ok'"))
    original = dict(rows(deployment.home, "SELECT request_id, usd FROM exchanges"))
    assert all(original[name] == usd for name, usd in restored.items())

    again = Deployment(home, "--workers", "1")
    try:
        status, request_id = ask(again.url, deployment.key, 2)
        assert status == 200
        until(lambda: rows(home, f"SELECT 1 FROM exchanges WHERE request_id = '{request_id}'"))
        assert SECRET in inside("feedback", "--home", str(home), "--show-content").stdout
        assert command("usage", "--home", str(home))["requests"] == len(ids) + 1
    finally:
        again.stop()
    evidence = rows(home, "SELECT subject, verdict, value, command FROM evidence WHERE \"check\" = 'restore drill'")
    assert [(row[0], row[1]) for row in evidence] == [("backup home.backup", "pass")]
    audit = json.loads(inside("audit", "verify", "--home", str(home), "--json").stdout)
    assert audit["error"] is None and audit["verified"] == audit["entries"] >= 3


def test_the_archive_holds_no_key_and_nothing_readable(deployment: Deployment, tmp_path: Path) -> None:
    made = command("backup", str(tmp_path / "a"), "--home", str(deployment.home))
    root = (deployment.home / "root-key").read_bytes()
    assert root not in (tmp_path / "a").read_bytes() and b"CREATE TABLE" not in (tmp_path / "a").read_bytes()
    assert (tmp_path / "a").stat().st_mode & 0o777 == Path(made["key_backup"]).stat().st_mode & 0o777 == 0o600
    from steward.security.rootkey import derive
    from steward.workflows.backup import USE
    from steward.workflows.backup_archive import read_archive

    (tmp_path / "out").mkdir()
    manifest = read_archive(tmp_path / "a", derive(root, USE), tmp_path / "out", lambda *_: None)
    names = set(manifest.files)
    assert not {name for name in names if "root-key" in name or "first-key" in name or "/run/" in name}
    wrapped = [row[0] for row in rows(deployment.home, "SELECT wrapped FROM secrets")]
    copy = (tmp_path / "out" / "home" / "steward.db").read_bytes()
    assert wrapped and not [secret for secret in wrapped if secret in copy]
    assert rows(tmp_path / "out" / "home", "SELECT count(*) FROM secrets") == [(0,)]
    assert not list(deployment.home.glob(".backup-*"))


@pytest.fixture(scope="module")
def backed_up(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    command("backup", str(folder / "a"), "--home", str(deployment.home))
    return folder


def refused(archive: Path, home: Path, words: str, *more: str) -> None:
    done = inside("restore", str(archive), "--home", str(home), *more)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not home.exists() or not any(home.iterdir())


def test_a_damaged_or_foreign_archive_is_refused(backed_up: Path, tmp_path: Path) -> None:
    data = (backed_up / "a").read_bytes()
    keys = ("--keys", str(backed_up / "keys"))
    for name, content, words in (
        ("changed", data[:-100] + bytes([data[-100] ^ 1]) + data[-99:], "does not open"),
        ("cut", data[:-1], "does not open"),
        ("empty", b"", "not a backup"),
        ("foreign", b"PK\x03\x04" + data, "not a backup"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, tmp_path / "home", words, *keys)
    refused(tmp_path / "gone", tmp_path / "home", "no such file", *keys)
    assert not list(tmp_path.glob(".home.*"))


def test_another_deployments_keys_are_refused(backed_up: Path, tmp_path: Path) -> None:
    inside("keys", "create", "--name", "x", "--home", str(tmp_path / "other"))
    command("backup", str(tmp_path / "b"), "--home", str(tmp_path / "other"))
    refused(backed_up / "a", tmp_path / "home", "another root key", "--keys", str(tmp_path / "keys"))
    (tmp_path / "none").mkdir()
    refused(backed_up / "a", tmp_path / "home", "no key backup there", "--keys", str(tmp_path / "none"))


def test_a_home_in_use_is_not_overwritten(backed_up: Path, deployment: Deployment, tmp_path: Path) -> None:
    done = inside("restore", str(backed_up / "a"), "--home", str(deployment.home))
    assert done.returncode == 2 and "not empty" in done.stderr
    assert inside("backup", str(backed_up / "a"), "--home", str(deployment.home)).returncode == 2
    assert "lies in the home" in inside("backup", str(deployment.home / "a"), "--home", str(deployment.home)).stderr


def test_a_passphrase_seals_the_keys(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    phrase = f"file:{tmp_path / 'words'}"
    made = command("backup", str(tmp_path / "a"), "--home", str(deployment.home), "--passphrase", phrase)
    root = (deployment.home / "root-key").read_bytes()
    sealed = Path(made["key_backup"]).read_bytes()
    assert root not in sealed and sealed.startswith(b"STWKEYS")
    refused(tmp_path / "a", tmp_path / "home", "give --passphrase")
    refused(tmp_path / "a", tmp_path / "home", "another passphrase", "--passphrase", f"file:{tmp_path / 'wrong'}")
    assert command("restore", str(tmp_path / "a"), "--home", str(tmp_path / "home"), "--passphrase", phrase)
