"""The matrix of a home, the proof that is kept of it, and the check that reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.access import Place
from steward.core.approvals import ApprovalDecision, ApprovalRequest, ApprovalVerdict
from steward.core.identity import ALL_RIGHTS, operator
from steward.core.records import LimitSpec
from steward.workflows import access, keys
from steward.workflows.access_matrix import digest_store, list_matrix
from steward.workflows.serve.deployment import find_deployment

ME = operator(1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / ".steward"
    home.mkdir()
    policy = {"people": {"anna": ["operator:1000"]}}
    (tmp_path / "steward.yaml").write_text(json.dumps({"approval_policy": policy}))
    keys.create(home, "web", LimitSpec(), 1.0, actor=ME)
    access.add_person(home, "anna", 1.0, actor=ME, role="owner")
    return home


def open_store(home: Path) -> SqlStore:
    return find_deployment(home).open_store()


def test_the_matrix_shows_people_keys_and_anybody(home: Path) -> None:
    matrix = list_matrix(home, 5.0)
    anna, web, anybody = matrix.rows
    assert (anna.who, anna.at, set(anna.rights)) == ("person:anna", "default", set(ALL_RIGHTS))
    assert web.who.startswith("key:") and web.who.endswith(" (web)")
    assert web.rights == ("feedback", "infer", "models.read", "public") and web.at == "default/default"
    assert (anybody.who, anybody.rights) == ("anonymous", ("public",))
    assert (matrix.faults, matrix.apart) == ((), ())


def test_a_role_of_somebody_who_left_is_a_fault(home: Path) -> None:
    access.disable_person(home, "anna", 2.0, actor=ME)
    (fault,) = list_matrix(home, 5.0).faults
    assert (fault.rule, fault.fix) == ("left", "steward access remove person:anna owner --at default")
    access.remove_grants(home, "person:anna", "owner", Place("default"), 3.0, actor=ME)
    assert list_matrix(home, 5.0).faults == ()


def test_the_digest_changes_with_a_grant_and_not_with_a_key(home: Path) -> None:
    before = list_matrix(home, 5.0).digest
    assert before == digest_store(open_store(home))
    keys.create(home, "other", LimitSpec(), 2.0, actor=ME)
    assert list_matrix(home, 5.0).digest == before
    access.grant_role(home, "group:ml", "viewer", Place("default"), 3.0, actor=ME)
    assert list_matrix(home, 5.0).digest != before


def test_an_approval_by_another_account_of_the_author_is_a_fault(home: Path) -> None:
    store = open_store(home)
    request = ApprovalRequest(
        id="ap_1", tenant="default", kind="settings", subject="settings", digest="d", content="", before="",
        authors=("operator:1000",), requested_by="operator:1000", requested_at=1.0, expires_at=9.0,
    )  # fmt: skip
    store.approvals.add_request(request)

    def decide(person: str, verdict: ApprovalVerdict, at: float) -> None:
        store.approvals.add_decision(
            ApprovalDecision(request_id="ap_1", person=person, actor=person, verdict=verdict, digest="d", at=at)
        )

    decide("person:bert", "approve", 2.0)
    assert list_matrix(home, 5.0).faults == ()
    decide("person:anna", "approve", 3.0)
    (fault,) = list_matrix(home, 5.0).faults
    assert (fault.rule, fault.who, fault.fix) == ("own approval", "person:anna", "steward reject ap_1")
    assert len(list_matrix(home, 9.0).faults) == 1 and list_matrix(home, 9.1).faults == ()  # it has expired
    decide("person:carl", "reject", 4.0)
    assert list_matrix(home, 5.0).faults == ()
