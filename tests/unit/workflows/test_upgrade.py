"""A home that the code of 892f299 made, before keys stood in the store (tests/homes/892f299)."""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.gateway.middleware.identify import pseudonym
from steward.workflows import keys
from steward.workflows.drain import drain_once
from steward.workflows.keys import open_keys
from steward.workflows.prompts import find
from steward.workflows.serve.deployment import HomeDeployment, find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys

ARCHIVE = Path(__file__).parents[2] / "homes" / "892f299" / "home.tar.gz"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    os.chmod(tmp_path / "home" / "root-key", 0o600)
    return tmp_path / "home"


@pytest.fixture
def facts(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "facts.json").read_text())
    return found


def test_every_key_and_every_pseudonym_stays(home: Path, facts: dict[str, Any]) -> None:
    assert keys.prepare_home(home, 1e9)
    running = WorkerKeys(find_deployment(home), lambda: 0.0)
    found = {name: running.find(text) for name, text in facts["keys"].items()}
    assert found["gone"] is None and found["first"] is not None and found["second"] is not None
    assert (found["second"].rpm, found["second"].team, found["first"].tenant) == (100, "t", "default")
    assert pseudonym(running.subject_key("default"), "default", facts["subject"]) == facts["subjects"][0]


def test_what_was_kept_is_read_and_what_was_under_way_is_settled(home: Path, facts: dict[str, Any]) -> None:
    with open_keys(find_deployment(home), 1e9) as (store, _, _root):
        for name in ("ledger", "spool"):
            drain_once(home / name, store.ledger, 1e9)
        rows = {row.request_id for row in store.exchanges.tail(9, tenant="default")}
        report = store.feedback.report(0, 9, tenant="default")
        assert {*facts["request_ids"], facts["undrained"]} == rows and report.count == 1
    (home / "run").mkdir(exist_ok=True)
    assert find(home, "greet").system == "Be kind."


def test_a_second_start_changes_nothing_and_the_files_can_be_taken_back(home: Path) -> None:
    before = (home / "keys.json").read_bytes(), (home / "pepper").read_bytes()
    for _ in range(2):
        keys.prepare_home(home, 1e9)
    assert not (home / "keys.json").exists() and not (home / "pepper").exists()
    assert ((home / "keys.json.migrated").read_bytes(), (home / "pepper.migrated").read_bytes()) == before
    assert len(keys.list_keys(home, actor=operator(7))) == 3


def test_an_upgrade_that_was_cut_short_goes_on(home: Path) -> None:
    keys.prepare_home(home, 1e9)
    os.rename(home / "pepper.migrated", home / "pepper")  # as if it had ended between the two files
    keys.prepare_home(home, 1e9)
    assert (home / "pepper.migrated").exists() and len(keys.list_keys(home, actor=operator(7))) == 3


def test_the_release_before_reads_the_new_tables(home: Path) -> None:
    keys.prepare_home(home, 1e9)
    with sqlite3.connect(home / "steward.db") as store:  # its statement, as that release compiled it
        store.execute("INSERT INTO outstanding (request_id, writer, record) VALUES ('r', 'w', x'00')")
        grown = "ON CONFLICT (meter, labels, part) DO UPDATE SET value = (meters.value + excluded.value)"
        store.execute(f"INSERT INTO meters (meter, labels, part, value) VALUES ('m', '[]', '', 1) {grown}")
        assert store.execute("SELECT tenant FROM outstanding").fetchall() == [("default",)]
    store.close()


def test_a_store_with_another_pepper_is_refused(home: Path, tmp_path: Path) -> None:
    root = (home / "root-key").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (other / "root-key").write_bytes(root)
    os.chmod(other / "root-key", 0o600)
    keys.prepare_home(other, 1.0)
    (home / "steward.db").unlink()
    os.rename(other / "steward.db", home / "steward.db")
    with pytest.raises(InputError, match="pepper: the store has another key-pepper"):
        keys.prepare_home(home, 1.0)
    assert (home / "keys.json").exists()


def test_a_damaged_key_file_is_named_and_left(home: Path) -> None:
    (home / "keys.json").write_text("[{")
    with pytest.raises(InputError, match=r"keys\.json.*restore it from a backup"):
        keys.prepare_home(home, 1.0)
    assert (home / "keys.json").exists()


def test_keys_of_the_local_store_move_to_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = keys.create(tmp_path / "home", "k", LimitSpec(), 1.0, actor=operator(1))
    monkeypatch.setenv("STORE_URL", f"sqlite:///{tmp_path / 'server.db'}")  # another database stands for the server
    elsewhere = HomeDeployment(home=tmp_path / "home", store="env:STORE_URL")
    for _ in range(2):
        with open_keys(elsewhere, 2.0) as (store, publisher, _):
            publisher.publish()
            assert [record.id for record in store.keys.list_keys(tenant=None)] == [made.id]
    assert WorkerKeys(elsewhere, lambda: 0.0).find(made.key) is not None
