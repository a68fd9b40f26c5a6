"""Advisory 8, CVE-2026-47101, litellm#8029, #7336, #8031: a key with more routes, more models, or of somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from admin_client import app_of, call
from steward.core.identity import Caller, Right, operator
from steward.core.records import LimitSpec
from steward.security.authenticator import KeyAuthenticator
from steward.workflows import keys
from steward.workflows.key_terms import KeyTerms
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.worker_keys import WorkerKeys


class Sender:
    def __init__(self, key: str) -> None:
        self.headers = {"authorization": f"Bearer {key}"}
        self.certificate = None

    def list_hops(self) -> list[str]:
        return ["10.0.0.1"]


def who(home: Path, key: str) -> Caller:
    return KeyAuthenticator(WorkerKeys(find_deployment(home)).find).authenticate(Sender(key))


def make_manager(home: Path, **terms: Any) -> str:
    rights: frozenset[Right] = frozenset({"infer", "feedback", "models.read", "keys.manage", "keys.read"})
    return keys.create(
        home, "manager", LimitSpec(), 1.0, actor=operator(0), terms=KeyTerms(rights=rights, **terms), tenant="acme"
    ).key


def test_no_right_is_given_that_the_creator_lacks(tmp_path: Path) -> None:
    manager = make_manager(tmp_path)
    app = app_of(tmp_path)
    for right in ("people.manage", "access.manage", "config.manage", "audit.read"):
        assert call(app, manager, "POST", "/keys", {"name": "more", "rights": ["infer", right]})[0] == 400


def test_what_the_creator_may_not_use_the_key_may_not_either(tmp_path: Path) -> None:
    manager = make_manager(tmp_path, models=frozenset({"small"}))
    made = call(app_of(tmp_path), manager, "POST", "/keys", {"name": "wide", "models": ["small", "big"]})[1]
    assert who(tmp_path, made["key"]).models == frozenset({"small"})
    free = call(app_of(tmp_path), manager, "POST", "/keys", {"name": "free"})[1]
    assert who(tmp_path, free["key"]).models == frozenset({"small"})


@pytest.mark.parametrize("name", ["tenant", "owner", "user_id", "created_by", "key", "allowed_routes", "id"])
def test_nobody_says_whose_a_key_is(tmp_path: Path, name: str) -> None:
    manager = make_manager(tmp_path)
    assert call(app_of(tmp_path), manager, "POST", "/keys", {"name": "x", name: "default"})[0] == 400
    made = call(app_of(tmp_path), manager, "POST", "/keys", {"name": "y"})[1]
    assert who(tmp_path, made["key"]).principal.tenant == "acme"


def test_a_key_ends_with_its_creator(tmp_path: Path) -> None:
    manager = make_manager(tmp_path)
    made = call(app_of(tmp_path), manager, "POST", "/keys", {"name": "child"})[1]
    keys.revoke(tmp_path, "manager", 2.0, actor=operator(0))
    assert who(tmp_path, made["key"]).principal.rights <= {"public"}
