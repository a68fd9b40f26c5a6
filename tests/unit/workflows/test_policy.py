"""What a change needs by the policy that serves, and who may still approve it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.records import LimitSpec
from steward.governance.approval_policy import ApprovalPolicy, ApprovalsRequirement
from steward.workflows import access, keys
from steward.workflows.approvals import decide, list_approvals, propose_settings, require_approval
from steward.workflows.policy import check_policy, check_request

AUTHOR, OTHER = operator(1), operator(2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / ".steward"
    home.mkdir()
    policy = {"settings": [{"kind": "approvals"}], "releases": [{"kind": "gate"}]}
    (tmp_path / "steward.yaml").write_text(json.dumps({"approval_policy": policy}))
    keys.create(home, "web", LimitSpec(), 1.0, actor=AUTHOR)
    return home


def test_what_the_policy_asks_for_is_judged_before_anybody_is_asked(home: Path) -> None:
    settings, prompt, release = (
        check_policy(home, kind, 10.0, actor=AUTHOR) for kind in ("settings", "prompt", "release")
    )
    assert (settings.allowed, settings.free) == (False, False)
    assert settings.requirements[0].requirement == "approved by 1 person other than operator:1"
    assert (prompt.allowed, prompt.free, prompt.requirements) == (True, True, ())
    assert not release.allowed and release.requirements[0].because == "there is no such proof"


def test_a_request_says_what_is_missing_and_is_allowed_after_it_was_approved(home: Path) -> None:
    change = propose_settings("port: 2\n", "port: 1\n", ["operator:1"])
    with pytest.raises(InputError):
        require_approval(home, ApprovalPolicy(settings=(ApprovalsRequirement(),)), change, 10.0, actor=AUTHOR)
    request = list_approvals(home, 10.0, 9, actor=AUTHOR)[0].request.id
    before = check_request(home, request, 11.0, actor=AUTHOR)
    assert (before.change, before.allowed, before.free) == (request, False, False)
    decide(home, request, "approve", 12.0, actor=OTHER)
    assert check_request(home, request, 13.0, actor=AUTHOR).allowed
    decide(home, request, "reject", 14.0, actor=OTHER)
    rejected = check_request(home, request, 15.0, actor=AUTHOR)
    assert not rejected.allowed and rejected.may_approve == ()
    with pytest.raises(UnknownName):
        check_request(home, "ap_none", 15.0, actor=AUTHOR)


def test_people_who_hold_the_right_may_still_approve(home: Path) -> None:
    for name, role in (("anna", "owner"), ("bert", "auditor"), ("cora", "operator"), ("dora", "owner"), ("emil", None)):
        access.add_person(home, name, 1.0, actor=AUTHOR, role=role)
    access.disable_person(home, "dora", 2.0, actor=AUTHOR)
    assert check_policy(home, "settings", 10.0, actor=AUTHOR).may_approve == ("person:anna", "person:cora")
    change = propose_settings("port: 2\n", "port: 1\n", ["person:cora"])
    with pytest.raises(InputError):
        require_approval(home, ApprovalPolicy(settings=(ApprovalsRequirement(),)), change, 10.0, actor=AUTHOR)
    request = list_approvals(home, 10.0, 9, actor=AUTHOR)[0].request.id
    assert check_request(home, request, 11.0, actor=AUTHOR).may_approve == ("person:anna",)
