"""A home whose root key is lost says so at start, and what docs/how-to/recover-from-a-lost-root-key.md says goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import Admitted, Feedback, Settled
from steward.security.rootkey import fingerprint, load_root_key
from steward.workflows.audit import make_act, verify_home
from steward.workflows.keys import open_keys, prepare_home
from steward.workflows.root_rotation import rotate_root
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import HomeDeployment


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, _, _):
        keys = make_content_keys(store, deployment.follow_roots())
        record = Feedback(id="fb_1", at=2.0, key_id="k", project="p", request_id="r1", score=1.0, label="good")
        admitted = Admitted(
            request_id="r1", at=1.0, key_id="k", project="p", endpoint="/v1/chat/completions", route="m", streamed=False
        )
        settled = Settled(request_id="r1", at=2.0, outcome="ok", status=200, model="m", usd=1.5)
        rating = msgspec.structs.replace(record, sealed=keys.seal(record, b"words"))
        store.ledger.drain("w", "s", 1, [admitted, settled, rating])
        deployment.open_audit_log().record(make_act(operator(1000), "keys.create", "key:k"))
    return home


def test_it_does_not_start_and_names_the_key_that_it_needs(home: Path) -> None:
    needed = fingerprint(load_root_key(home, None))
    (home / "root-key").unlink()
    for _ in range(2):  # nor does the first try leave another key that the second would take
        with pytest.raises(InputError, match=f"the root key is missing, and the store needs .* {needed}"):
            prepare_home(home, 2.0)
        assert not (home / "root-key").exists()


def test_another_key_is_told_apart(home: Path) -> None:
    needed = fingerprint(load_root_key(home, None))
    (home / "root-key").write_bytes(bytes(32))
    with pytest.raises(InputError, match=f"made with root key {needed}, but this machine has {fingerprint(bytes(32))}"):
        prepare_home(home, 2.0)


def test_the_key_of_another_machine_is_enough_also_after_rotations(home: Path, tmp_path: Path) -> None:
    rotate_root(home, actor=operator(1000))
    kept = {path.name: path.read_bytes() for path in (home / "root-key", *(home / "retired-roots").iterdir())}
    (home / "root-key").unlink()
    (home / "root-key").write_bytes(kept["root-key"])
    (home / "root-key").chmod(0o600)
    with open_keys(HomeDeployment(home=home), 2.0) as (store, _, _):
        keys = make_content_keys(store, HomeDeployment(home=home).follow_roots())
        assert keys.open(store.feedback.read_sealed(["fb_1"], tenant=None)[0]) == b"words"


def test_without_it_numbers_and_the_audit_log_stay_readable(home: Path, tmp_path: Path) -> None:
    (home / "root-key").unlink()
    home.rename(tmp_path / "home.lost")
    assert not prepare_home(tmp_path / "home", 3.0)  # a new home, without keys
    with closing(sqlite3.connect(tmp_path / "home.lost" / "steward.db")) as connection:
        assert connection.execute("SELECT usd FROM exchanges").fetchall() == [(1.5,)]
        ((score, label, sealed),) = connection.execute("SELECT score, label, sealed FROM feedback").fetchall()
    assert (score, label) == (1.0, "good") and b"words" not in sealed
    assert verify_home(tmp_path / "home.lost").error is None
