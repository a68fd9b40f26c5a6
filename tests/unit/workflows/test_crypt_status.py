"""Which keys are in use, and whether each still opens something."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.identity import operator
from steward.core.records import Feedback
from steward.core.stores import WrappedSecret
from steward.security.rootkey import derive, fingerprint, load_root_key
from steward.security.seal import encode_owner, seal
from steward.workflows.crypt_status import ContentSample, TenantKeyStatus, read_crypt_status
from steward.workflows.keys import open_keys
from steward.workflows.root_rotation import rotate_root
from steward.workflows.sealing import make_content_keys
from steward.workflows.serve.deployment import HomeDeployment
from steward.workflows.subject_keys import TENANT_KEY

RECORD = Feedback(id="fb_1", at=10.0, key_id="k", project="p", request_id="req_1", score=1.0, subject="anna")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    deployment = HomeDeployment(home=home)
    with open_keys(deployment, 1.0) as (store, _, _):
        keys = make_content_keys(store, deployment.follow_roots())
        store.ledger.drain("w", "s", 1, [msgspec.structs.replace(RECORD, sealed=keys.seal(RECORD, b"words"))])
    return home


def test_a_new_home_has_a_root_key_and_nothing_sealed(tmp_path: Path) -> None:
    status = read_crypt_status(tmp_path / "home")
    assert status.root == fingerprint(load_root_key(tmp_path / "home", None)) and status.reference is None
    assert (status.tenant_keys, status.samples, status.oldest_in_use, status.retired) == ((), (), None, ())
    assert status.is_sound and status.erasures == 0


def test_each_version_is_tried_and_what_took_its_place_is_named(home: Path) -> None:
    old = fingerprint(load_root_key(home, None))
    rotate_root(home, actor=operator(1000))
    status = read_crypt_status(home)
    assert status.retired == (old,) and status.oldest_in_use == 1 and status.is_sound
    assert status.tenant_keys == (TenantKeyStatus(tenant="default", version=1, subject_keys=1, opens=True),)
    assert status.samples == (ContentSample(sealed_under="subject key", record="feedback fb_1", opens=True),)


def test_what_older_releases_sealed_is_tried_too(home: Path) -> None:
    root = load_root_key(home, None)
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, _):
        owner = encode_owner("feedback", "p", "req_1", "fb_0")
        for name, key in (("fb_0", root),):
            sealed = seal(derive(key, "feedback content"), b"x", owner)
            store.ledger.drain("w", name, 1, [msgspec.structs.replace(RECORD, id=name, sealed=sealed)])
    samples = {item.sealed_under: item.opens for item in read_crypt_status(home).samples}
    assert samples["root key"] is True


def test_a_key_that_is_lost_is_found(home: Path) -> None:
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, _):
        assert store.secrets.delete(WrappedSecret(TENANT_KEY, "default", 1, b""))
    status = read_crypt_status(home)
    assert status.tenant_keys[0].opens is False and not status.is_sound
    assert not status.samples[0].opens and "version 1 of the key of tenant default" in (status.samples[0].problem or "")


def test_content_that_was_erased_says_nothing(home: Path) -> None:
    with open_keys(HomeDeployment(home=home), 1.0) as (store, _, _):
        keys = make_content_keys(store, HomeDeployment(home=home).follow_roots())
        keys.keys.shred("default", "anna", at=20.0, actor="operator:1000")
    status = read_crypt_status(home)
    assert status.samples == () and status.is_sound and status.erasures == 1
    assert status.tenant_keys == (TenantKeyStatus(tenant="default", version=1, subject_keys=0, opens=None),)
