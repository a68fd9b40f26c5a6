"""Advisory 4, GHSA-69x8-hrgq-fjj8: unsalted hashes of passwords, told by the API and taken at the login.

Signing in with a password and its argon2id hash are tested where people sign in; here, that no answer tells a hash and
that the digest of a key is no key."""

from __future__ import annotations

import json
from pathlib import Path

from admin_client import app_of, call, create
from steward.console.operations import list_operations
from steward.core.identity import operator
from steward.workflows import access
from steward.workflows.serve.deployment import find_deployment


def test_people_and_keys_are_listed_without_their_hashes(tmp_path: Path) -> None:
    admin = create(tmp_path)
    access.add_person(tmp_path, "anna", 1.0, actor=operator(0), password_hash="$argon2id$canary")
    app = app_of(tmp_path)
    store = find_deployment(tmp_path).open_store()
    (record,) = store.keys.list_keys(tenant=None)
    store.close()
    for operation in list_operations(tmp_path):
        if operation.method == "GET" and "{" not in operation.path:
            text = json.dumps(call(app, admin, "GET", operation.path)[1])
            assert "canary" not in text and record.digest not in text, operation.path
    assert call(app, admin, "GET", f"/keys/{record.id}")[1].keys().isdisjoint({"digest", "pepper_version"})


def test_a_digest_is_no_key(tmp_path: Path) -> None:
    create(tmp_path)
    store = find_deployment(tmp_path).open_store()
    (record,) = store.keys.list_keys(tenant=None)
    store.close()
    assert call(app_of(tmp_path), record.digest, "GET", "/keys")[0] == 401
    assert call(app_of(tmp_path), f"stw_live_{record.id}_{record.digest}", "GET", "/keys")[0] == 401
