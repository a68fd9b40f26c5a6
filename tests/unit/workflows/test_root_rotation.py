"""Another root key, or another key of a tenant: what was sealed opens, the old key opens nothing that is in use."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.files import try_lock
from steward.core.identity import DEFAULT_TENANT, operator
from steward.core.keys import KeyRecord
from steward.core.records import Feedback
from steward.gateway.feedback import FeedbackContent
from steward.security.rootkey import RootKeys, fingerprint, load_root_key, read_retired
from steward.workflows import people
from steward.workflows.access import add_person
from steward.workflows.audit import list_acts, verify_home
from steward.workflows.crypt_status import read_crypt_status
from steward.workflows.keys import open_keys
from steward.workflows.root_keys import LOCK, FollowedRoots, recover_rotation
from steward.workflows.root_rotation import rotate_root, rotate_tenant
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.serve.worker_keys import WorkerKeys
from steward.workflows.shared_secrets import PEPPER, unwrap_all

ACTOR = operator(1000)
RECORD = Feedback(id="fb_1", at=10.0, key_id="k", project="p", request_id="req_1", score=1.0, subject="anna")
STEPS = ("audit", "retired", "next", "store", "file", "codes")


def write(home: Path, name: str, subject: str = "anna") -> None:
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, publisher, _):
        keys = make_content_keys(store, deployment.follow_roots())
        record = msgspec.structs.replace(RECORD, id=name, subject=subject)
        text = msgspec.msgpack.encode(FeedbackContent(f"words of {name}", None))
        record = msgspec.structs.replace(record, sealed=keys.seal(record, text))
        store.ledger.drain("w", f"{name}.seg", 1, [record])
        publisher.publish()


def read(home: Path, *names: str) -> list[str | None]:
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, _, _):
        keys = make_content_keys(store, deployment.follow_roots())
        records = store.feedback.read_sealed(names, tenant=None)
        return [content.comment if (content := keys.open_feedback(item)) else None for item in records]


def pepper(home: Path) -> bytes:
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, _, root):
        return unwrap_all(RootKeys(root), store.secrets.list_secrets(PEPPER))["", 1]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "home", "fb_1")
    return tmp_path / "home"


def test_what_was_sealed_opens_and_the_old_key_opens_nothing(home: Path) -> None:
    old, before = load_root_key(home, None), pepper(home)
    result = rotate_root(home, actor=ACTOR)
    new = load_root_key(home, None)
    assert (result.root, result.replaced) == (fingerprint(new), fingerprint(old)) and new != old
    assert result.secrets == 3 and result.reference is None  # pepper, subject index, the tenant's key
    assert read(home, "fb_1") == ["words of fb_1"] and pepper(home) == before
    assert read_retired(home, new) == (old,) and not list(home.glob("*.next"))
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, _):
        for secret in store.secrets.list_secrets(PEPPER):
            with pytest.raises(InputError):
                unwrap_all(RootKeys(old), [secret])
    (home / "root-key").write_bytes(old)
    with pytest.raises(InputError, match=f"made with root key {fingerprint(new)}, but this machine has"):
        read(home, "fb_1")


def test_it_can_be_done_again_and_again(home: Path) -> None:
    roots = [load_root_key(home, None)]
    for number in range(2, 5):
        rotate_root(home, actor=ACTOR)
        roots.insert(0, load_root_key(home, None))
        write(home, f"fb_{number}")
    assert read(home, *(f"fb_{number}" for number in range(1, 5))) == [f"words of fb_{n}" for n in range(1, 5)]
    assert read_retired(home, roots[0]) == tuple(roots[1:])


def test_it_is_recorded_and_the_log_still_verifies(home: Path) -> None:
    old = fingerprint(load_root_key(home, None))
    result = rotate_root(home, actor=ACTOR)
    rotate_root(home, actor=ACTOR)
    acts = [act for act in list_acts(home, 9) if act.action == "crypt.rotate"]
    assert len(acts) == 2 and (acts[1].before, acts[1].after) == (old, result.root)
    assert verify_home(home).error is None


KILLED = """
import os, sys
from pathlib import Path
from steward.core.identity import operator
from steward.workflows import root_rotation

def step(name):
    if name == sys.argv[3]:
        os.kill(os.getpid(), 9)

home = Path(sys.argv[2])
if sys.argv[1] == "root":
    root_rotation.rotate_root(home, actor=operator(1000), step=step)
else:
    root_rotation.rotate_tenant(home, "default", actor=operator(1000), step=step)
"""


def kill_at(home: Path, what: str, step: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, what, str(home), step], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr.decode()


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_the_old_key_or_the_new_one(home: Path, step: str) -> None:
    old = load_root_key(home, None)
    kill_at(home, "root", step)
    assert read(home, "fb_1") == ["words of fb_1"]
    now = load_root_key(home, None)
    assert (now == old) == (step in ("audit", "retired", "next")) and not list(home.glob("*.next"))
    write(home, "fb_2")
    rotate_root(home, actor=ACTOR)
    assert read(home, "fb_1", "fb_2") == ["words of fb_1", "words of fb_2"] and verify_home(home).error is None


@pytest.mark.parametrize("step", ["audit", "added", "wrapped", "deleted"])
def test_a_kill_while_a_tenants_key_is_rotated_loses_nothing(home: Path, step: str) -> None:
    kill_at(home, "tenant", step)
    assert read(home, "fb_1") == ["words of fb_1"]
    result = rotate_tenant(home, DEFAULT_TENANT, actor=ACTOR)
    assert read(home, "fb_1") == ["words of fb_1"] and result.subject_keys == 1
    (only,) = read_crypt_status(home).tenant_keys
    assert only.version == result.version and only.opens


def test_a_tenants_keys_are_wrapped_anew_and_its_old_key_is_gone(home: Path) -> None:
    write(home, "fb_2", "ben")
    result = rotate_tenant(home, DEFAULT_TENANT, actor=ACTOR)
    assert (result.tenant, result.version, result.subject_keys, result.replaced) == (DEFAULT_TENANT, 2, 2, None)
    assert read(home, "fb_1", "fb_2") == ["words of fb_1", "words of fb_2"]
    (only,) = read_crypt_status(home).tenant_keys
    assert (only.version, only.subject_keys, only.opens) == (2, 2, True)
    with pytest.raises(UnknownName, match="nobody"):
        rotate_tenant(home, "nobody", actor=ACTOR)


def test_a_process_that_runs_follows_another_tenant_key(home: Path) -> None:
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, _, _):
        keys = make_content_keys(store, deployment.follow_roots())
        records = store.feedback.read_sealed(["fb_1"], tenant=None)
        assert keys.open_feedback(records[0]) is not None
        rotate_tenant(home, DEFAULT_TENANT, actor=ACTOR)
        fresh = msgspec.structs.replace(RECORD, id="fb_2", subject="ben")
        fresh = msgspec.structs.replace(fresh, sealed=keys.seal(fresh, b"x"))
        assert keys.open(fresh) == b"x" and keys.open_feedback(records[0]) is not None
        key = store.subject_keys.find_subject("ben", tenant=DEFAULT_TENANT)
        assert key is not None and key.tenant_version == 2


def test_processes_that_run_follow_another_root_key(home: Path) -> None:
    """A worker that holds the old one reads the copy of the keys that was made after the rotation."""
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, time.time()) as (store, publisher, root):
        record = KeyRecord(
            id="k1", name="n", digest="d" * 64, tenant=DEFAULT_TENANT, created_at=1.0, created_by="operator:1000",
            rights=frozenset({"infer"}),
        )  # fmt: skip
        store.keys.add([record])
        publisher.publish()
        worker, roots = WorkerKeys(deployment), FollowedRoots(home, None)
        subject_key = worker.subject_key(DEFAULT_TENANT)
        rotate_root(home, actor=ACTOR)
        assert roots().current == load_root_key(home, None) != root and roots().retired == (root,)
        publisher.publish()
        worker._load(worker._stamps())
        assert worker.find_lack() is None and worker.subject_key(DEFAULT_TENANT) == subject_key
        assert WorkerKeys(deployment).subject_key(DEFAULT_TENANT) == subject_key


def test_codes_of_people_go_on(home: Path) -> None:
    add_person(home, "anna", 1.0, actor=ACTOR, role="viewer")
    people.set_password(home, "anna", "correct horse battery staple", 1.0, actor=ACTOR)
    secret = people.enroll_code(home, "anna", 1.0, actor=ACTOR).secret
    rotate_root(home, actor=ACTOR)
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, root):
        (person,) = store.access.list_people(tenant=None)
    assert people.open_code(RootKeys(root), person) == secret  # without the one before


def test_the_key_can_move_to_another_place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = bytes(range(32))
    monkeypatch.setenv("STEWARD_NEW_ROOT", key.hex())
    result = rotate_root(home, actor=ACTOR, to="env:STEWARD_NEW_ROOT")
    assert result.reference == "env:STEWARD_NEW_ROOT" and result.root == fingerprint(key)
    moved = HomeDeployment(home=home, root="env:STEWARD_NEW_ROOT")
    with open_keys(moved, 1.0) as (store, _, root):
        keys = make_content_keys(store, moved.follow_roots())
        assert root == key and keys.open(store.feedback.read_sealed(["fb_1"], tenant=None)[0])


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("nonsense", "expected file:PATH, env:NAME"),
        ("env:STEWARD_NO_ROOT", "is not set"),
        ("file:/no/root", "no root key there"),
    ],
)
def test_a_place_without_a_key_changes_nothing(home: Path, to: str, message: str) -> None:
    old = load_root_key(home, None)
    with pytest.raises(InputError, match=message):
        rotate_root(home, actor=ACTOR, to=to)
    assert load_root_key(home, None) == old and read(home, "fb_1") == ["words of fb_1"]


def test_the_same_key_is_no_rotation(home: Path, tmp_path: Path) -> None:
    (tmp_path / "same").write_bytes(load_root_key(home, None))
    (tmp_path / "same").chmod(0o600)
    with pytest.raises(InputError, match="in use already"):
        rotate_root(home, actor=ACTOR, to=f"file:{tmp_path / 'same'}")


def test_a_rotation_that_another_process_is_at_is_waited_for(home: Path) -> None:
    """Whoever opens the home between the store's change and the file's sees the new key, not a contradiction."""
    seen: list[list[str | None]] = []

    def step(name: str) -> None:
        if name == "next":
            assert recover_is_held(home)
        if name == "file":
            seen.append([HomeDeployment(home=home).root_key().hex()])

    rotate_root(home, actor=ACTOR, step=step)
    assert seen == [[load_root_key(home, None).hex()]]


def recover_is_held(home: Path) -> bool:
    return try_lock(home / LOCK) is None


def test_a_leftover_that_the_store_does_not_know_is_forgotten(home: Path) -> None:
    (home / "root-key.next").write_bytes(bytes(32))
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, _):
        assert not (home / "root-key.next").exists()
        (home / "root-key.next").write_bytes(b"torn")
        assert not recover_rotation(home, None, store.secrets) and not (home / "root-key.next").exists()


def test_a_root_key_elsewhere_is_refused_while_steward_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes would go on with the one that they know."""
    monkeypatch.setattr("steward.workflows.root_rotation.is_running", lambda _: True)
    before = load_root_key(home, None)
    with pytest.raises(InputError, match="know only the file in the home; stop it first"):
        rotate_root(home, actor=ACTOR, to="env:NEW_ROOT")
    assert load_root_key(home, None) == before
