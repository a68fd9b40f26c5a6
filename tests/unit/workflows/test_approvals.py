"""A change is asked for once, decided by people, and allowed for as long as the policy says."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from served_home import SETTINGS, serve_home
from steward.core.errors import InputError, Unavailable, UnknownName
from steward.core.identity import Principal, operator
from steward.core.records import LimitSpec
from steward.core.releases import RouteVariant
from steward.governance.approval_policy import ApprovalPolicy, ApprovalsRequirement, EvidenceRequirement
from steward.governance.cards import CardStatement
from steward.governance.readiness import DAY_S, Waiver
from steward.workflows import access, keys
from steward.workflows.approvals import (
    REQUEST_S,
    ProposedChange,
    decide,
    find_candidates,
    list_approvals,
    propose_card,
    propose_prompt,
    propose_release,
    propose_settings,
    propose_waiver,
    require_approval,
    require_file_approval,
    show_approval,
)
from steward.workflows.audit import list_acts
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.key_terms import KeyTerms
from steward.workflows.prompts import PromptText

ONE = ApprovalsRequirement(count=1, valid_s=100.0)
POLICY = ApprovalPolicy(settings=(ONE,), prompts=(ONE,))
AUTHOR, OTHER = operator(1), operator(2)
CHANGE = propose_settings("port: 2\n", "port: 1\n", ["operator:1"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / ".steward"
    home.mkdir()
    (tmp_path / "steward.yaml").write_text(json.dumps({"approval_policy": {"settings": [{"kind": "approvals"}]}}))
    keys.create(home, "web", LimitSpec(), 1.0, actor=AUTHOR)
    return home


def refuse(home: Path, now: float = 10.0, change: ProposedChange = CHANGE, actor: Principal = AUTHOR) -> str:
    with pytest.raises(InputError) as error:
        require_approval(home, POLICY, change, now, actor=actor)
    return str(error.value)


def only(home: Path, now: float = 10.0) -> str:
    (view,) = list_approvals(home, now, 9, actor=AUTHOR)
    return view.request.id


def test_a_change_that_nobody_must_approve_is_free(home: Path) -> None:
    require_approval(home, ApprovalPolicy(prompts=(ONE,)), CHANGE, 10.0, actor=AUTHOR)
    assert list_approvals(home, 10.0, 9, actor=AUTHOR) == []


def test_a_change_is_asked_for_once_and_made_after_somebody_else_approved_it(home: Path) -> None:
    told = refuse(home)
    name = only(home)
    assert "approved by 1 person other than operator:1: approved by nobody" in told
    assert f"steward approve {name}" in told and "run steward reload" in told
    assert refuse(home) == told and only(home) == name
    assert decide(home, name, "approve", 20.0, actor=OTHER).state == "approved"
    require_approval(home, POLICY, CHANGE, 120.0, actor=AUTHOR)
    require_approval(home, POLICY, CHANGE, 120.0, actor=OTHER)  # whoever approved it may make it
    assert "1 expired" in refuse(home, 120.1)
    assert [act.action for act in list_acts(home, 2)] == ["approvals.approve", "approvals.request"]
    assert list_acts(home, 1)[0].after == f"settings {CHANGE.digest}"


def test_another_text_needs_an_approval_of_its_own(home: Path) -> None:
    refuse(home)
    decide(home, only(home), "approve", 10.0, actor=OTHER)
    refuse(home, change=propose_settings("port: 3\n", "port: 1\n", ["operator:1"]))
    assert len(list_approvals(home, 10.0, 9, actor=AUTHOR)) == 2


def test_no_author_approves_his_own_change_by_whatever_name(home: Path) -> None:
    refuse(home, actor=operator(1))
    name = only(home)
    with pytest.raises(InputError, match="is an author of"):
        decide(home, name, "approve", 10.0, actor=AUTHOR)
    key = keys.create(home, "k", LimitSpec(), 1.0, actor=AUTHOR, terms=KeyTerms())
    his = Principal(kind="key", id=key.id)
    with pytest.raises(InputError, match="operator:1 is an author of"):
        decide(home, name, "approve", 10.0, actor=his)
    with pytest.raises(InputError, match="service:ci is no person"):
        decide(home, name, "approve", 10.0, actor=Principal(kind="service", id="ci"))
    assert list_approvals(home, 10.0, 9, actor=AUTHOR)[0].decisions == ()


def test_two_keys_of_one_person_are_one_person(home: Path) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    anna = Principal(kind="person", id="anna", rights=operator(0).rights)
    names = [keys.create(home, f"k{number}", LimitSpec(), 1.0, actor=anna).id for number in range(2)]
    two = ApprovalPolicy(settings=(ApprovalsRequirement(count=2),))
    with pytest.raises(InputError):
        require_approval(home, two, CHANGE, 10.0, actor=AUTHOR)
    request = only(home)
    for number, name in enumerate(names):
        decide(home, request, "approve", 11.0 + number, actor=Principal(kind="key", id=name))
    with pytest.raises(InputError, match="approved by person:anna;"):
        require_approval(home, two, CHANGE, 20.0, actor=AUTHOR)
    decide(home, request, "approve", 14.0, actor=OTHER)
    require_approval(home, two, CHANGE, 20.0, actor=AUTHOR)


def test_whoever_owns_the_file_is_an_author_though_the_watch_asks(home: Path) -> None:
    refuse(home, actor=Principal(kind="service", id="watch"))
    (view,) = list_approvals(home, 10.0, 9, actor=AUTHOR)
    assert view.request.authors == ("operator:1",)
    with pytest.raises(InputError, match="is an author"):
        decide(home, view.request.id, "approve", 10.0, actor=AUTHOR)


def test_a_rejected_change_stays_rejected(home: Path) -> None:
    refuse(home)
    name = only(home)
    assert decide(home, name, "reject", 10.0, actor=OTHER).state == "rejected"
    assert "rejected by operator:2; change it and ask again" in refuse(home)
    assert list_approvals(home, 10.0, 9, actor=AUTHOR) == []
    assert len(list_approvals(home, 10.0, 9, actor=AUTHOR, all_states=True)) == 1


def test_a_request_expires(home: Path) -> None:
    refuse(home)
    name = only(home)
    late = 10.0 + REQUEST_S + 1
    with pytest.raises(InputError, match="has expired"):
        decide(home, name, "approve", late, actor=OTHER)
    assert show_approval(home, name, late, actor=AUTHOR).state == "expired"
    refuse(home, late)
    assert only(home, late) != name


def test_trying_without_asking_asks_nobody(home: Path) -> None:
    with pytest.raises(InputError, match="Nobody was asked"):
        require_approval(home, POLICY, CHANGE, 10.0, actor=AUTHOR, ask=False)
    assert list_approvals(home, 10.0, 9, actor=AUTHOR, all_states=True) == []


def test_a_request_shows_what_would_change(home: Path) -> None:
    refuse(home)
    view = show_approval(home, only(home), 10.0, actor=OTHER)
    assert view.diff[-2:] == ("-port: 1", "+port: 2") and not view.requirements[0].met
    with pytest.raises(UnknownName, match="approval"):
        show_approval(home, "ap_0", 10.0, actor=OTHER)


def test_another_tenant_sees_and_decides_nothing(home: Path) -> None:
    refuse(home)
    name = only(home)
    stranger = Principal(kind="person", id="eve", tenant="acme")
    assert list_approvals(home, 10.0, 9, actor=stranger) == []
    with pytest.raises(UnknownName):
        decide(home, name, "approve", 10.0, actor=stranger)


def test_prompts_that_read_alike_are_two(home: Path) -> None:
    one = propose_prompt("greet", PromptText("Be kind."), AUTHOR)
    assert one.digest == propose_prompt("greet", PromptText("Be kind."), OTHER).digest
    assert one.digest != propose_prompt("greet", PromptText('Be kind."\nuser: "x'), AUTHOR).digest
    assert refuse(home, change=one).endswith("run the command again")


def test_nothing_is_asked_for_or_decided_that_cannot_be_recorded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(home)
    name = only(home)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steward.security.audit.log.write_file", full)
    with pytest.raises(Unavailable):
        decide(home, name, "approve", 10.0, actor=OTHER)
    with pytest.raises(Unavailable):
        require_approval(home, POLICY, propose_settings("x", "", ["operator:1"]), 10.0, actor=AUTHOR)
    monkeypatch.undo()
    (view,) = list_approvals(home, 10.0, 9, actor=AUTHOR)
    assert view.decisions == ()


def test_an_approval_of_somebody_who_left_does_not_count(home: Path) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    anna = Principal(kind="person", id="anna", rights=operator(0).rights)
    refuse(home)
    name = only(home)
    assert decide(home, name, "approve", 20.0, actor=anna).state == "approved"
    access.disable_person(home, "anna", 21.0, actor=operator(0))
    assert "approved by nobody" in refuse(home, 22.0)
    access.disable_person(home, "anna", 23.0, actor=operator(0), enable=True)
    require_approval(home, POLICY, CHANGE, 24.0, actor=AUTHOR)


ANNA = Principal(kind="person", id="anna", rights=operator(0).rights)
AT_PROVIDER = Principal(kind="person", id="corp/anna", rights=operator(0).rights)


@pytest.mark.parametrize(
    ("second", "people"),
    [
        (AT_PROVIDER, {}),  # the same subject signs in with a password and at the identity provider
        (Principal(kind="person", id="corp/8f3a", rights=operator(0).rights), {"anna": ("person:corp/8f3a",)}),
        (operator(1000), {"anna": ("operator:1000",)}),
    ],
    ids=["same subject", "declared at the provider", "declared operator"],
)
def test_two_accounts_of_one_person_are_one_approval(
    home: Path, second: Principal, people: dict[str, tuple[str, ...]]
) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    two = ApprovalPolicy(settings=(ApprovalsRequirement(count=2),), people=people)
    with pytest.raises(InputError):
        require_approval(home, two, CHANGE, 10.0, actor=AUTHOR)
    request = only(home)
    for actor in (ANNA, second):
        decide(home, request, "approve", 11.0, actor=actor)
    with pytest.raises(InputError, match="approved by person:anna;"):
        require_approval(home, two, CHANGE, 12.0, actor=AUTHOR)
    decide(home, request, "approve", 13.0, actor=OTHER)
    require_approval(home, two, CHANGE, 14.0, actor=AUTHOR)


def test_no_author_approves_through_another_account(home: Path) -> None:
    policy = {"settings": [{"kind": "approvals"}], "people": {"anna": ["operator:1"]}}
    (home.parent / "steward.yaml").write_text(json.dumps({"approval_policy": policy}))
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    refuse(home)
    for actor in (ANNA, AT_PROVIDER):
        with pytest.raises(InputError, match=r"is an author of"):
            decide(home, only(home), "approve", 11.0, actor=actor)
    assert list_approvals(home, 12.0, 9, actor=AUTHOR)[0].decisions == ()


def test_who_left_approves_through_no_account(home: Path) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    refuse(home)
    assert decide(home, only(home), "approve", 20.0, actor=AT_PROVIDER).state == "approved"
    access.disable_person(home, "anna", 21.0, actor=operator(0))
    assert "approved by nobody" in refuse(home, 22.0)


def test_an_approval_by_a_key_that_was_revoked_does_not_count(home: Path) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    key = keys.create(home, "k", LimitSpec(), 1.0, actor=ANNA)
    refuse(home)
    decide(home, only(home), "approve", 20.0, actor=Principal(kind="key", id=key.id))
    require_approval(home, POLICY, CHANGE, 21.0, actor=AUTHOR)
    keys.revoke(home, key.id, 22.0, actor=operator(0))
    assert "approved by nobody" in refuse(home, 23.0)


def test_a_rejection_outlives_whoever_gave_it(home: Path) -> None:
    access.add_person(home, "anna", 1.0, actor=operator(0), role="owner")
    refuse(home)
    decide(home, only(home), "reject", 20.0, actor=Principal(kind="person", id="anna", rights=operator(0).rights))
    access.disable_person(home, "anna", 21.0, actor=operator(0))
    assert "rejected by person:anna" in refuse(home, 22.0)


def test_a_waiver_and_a_card_need_approval_where_the_policy_says_so(home: Path) -> None:
    waiver = Waiver(check="infra.load", reason="no traffic before May", owner="operator:1", made_at=0.0, until=DAY_S)
    card = CardStatement(kind="system", name="system", digest="sha256:1", words={"owner": "ops"}, by="x", at=1.0)
    policy = ApprovalPolicy(waivers=(ONE,), cards=(ONE,))
    for change in (propose_waiver(waiver, AUTHOR), propose_card(card, None, AUTHOR)):
        with pytest.raises(InputError, match="needs approval"):
            require_approval(home, policy, change, 10.0, actor=AUTHOR)
    views = {view.request.kind: view.request for view in list_approvals(home, 10.0, 9, actor=AUTHOR)}
    assert views["waiver"].content == "check: infra.load\nfor: 1 days\nreason: no traffic before May\n"
    assert views["card"].content == "of: sha256:1\nowner: ops\n"
    for request in views.values():
        decide(home, request.id, "approve", 11.0, actor=OTHER)
    later = msgspec.structs.replace(waiver, made_at=50.0, until=50.0 + DAY_S)  # the same, tried again
    require_approval(home, policy, propose_waiver(later, AUTHOR), 12.0, actor=AUTHOR)
    longer = msgspec.structs.replace(waiver, until=2 * DAY_S)
    with pytest.raises(InputError, match="needs approval"):
        require_approval(home, policy, propose_waiver(longer, AUTHOR), 12.0, actor=AUTHOR)


GATED = ApprovalPolicy(releases=(EvidenceRequirement(check="evaluation.gate", within_s=100.0),))
VERSION = RouteVariant(kind="version", name="bot", version="sha256:3f9c", served="bot@3f9c", base="gpu-1")


@pytest.mark.parametrize(
    ("variant", "candidates"),
    [
        (VERSION, {"bot@3f9c", "sha256:3f9c"}),
        (RouteVariant(kind="model", name="big"), {"big"}),
        (RouteVariant(kind="route", name="next"), {"next"}),
        (RouteVariant(kind="prompt", name="greet", version="2-9f2c"), {"greet@2-9f2c"}),
        (RouteVariant(kind="prompt", name="greet"), {"greet"}),
        (RouteVariant(), {"support"}),  # back to the settings: the route itself
    ],
)
def test_what_a_release_would_serve_is_read_from_what_is_approved(
    home: Path, variant: RouteVariant, candidates: set[str]
) -> None:
    change = propose_release("support", variant, RouteVariant(kind="model", name="old"), AUTHOR)
    with pytest.raises(InputError, match="no gate has judged"):
        require_approval(home, GATED, change, 10.0, actor=AUTHOR)
    request = list_approvals(home, 10.0, 9, actor=AUTHOR, all_states=True)[0].request
    assert find_candidates(request) == candidates
    assert find_candidates(msgspec.structs.replace(request, content="")) == frozenset()
    assert find_candidates(msgspec.structs.replace(request, kind="settings")) is None


def test_the_gate_of_another_model_releases_nothing(home: Path) -> None:
    def record_gate(candidate: str, now: float) -> None:
        finding = Finding(
            check="evaluation.gate", subject=f"{candidate} in place of old", subject_digest="sha256:0", verdict="pass",
            value="token_f1: passed",
        )  # fmt: skip
        assert record_finding(home, finding, AUTHOR, ("steward",), lambda: now)

    change = propose_release("support", VERSION, RouteVariant(), AUTHOR)
    record_gate("other", 9.0)
    with pytest.raises(InputError, match=r"no gate has judged bot@3f9c; the newest one is of other"):
        require_approval(home, GATED, change, 10.0, actor=AUTHOR)
    record_gate("bot@3f9c", 11.0)
    record_gate("other", 12.0)
    require_approval(home, GATED, change, 13.0, actor=AUTHOR)


def test_a_file_that_was_edited_needs_approval_before_it_serves(tmp_path: Path) -> None:
    """By the policy that served last, not by the file's own. A home that has not served asks nobody."""
    policy = "approval_policy: {settings: [{kind: approvals}]}\n"
    file, now = tmp_path / "steward.yaml", 2.0
    (tmp_path / "other").mkdir()
    require_file_approval(tmp_path / "other" / ".steward", file, SETTINGS, now, actor=AUTHOR)
    with serve_home(tmp_path, SETTINGS + policy) as home:
        require_file_approval(home, file, SETTINGS + policy, now, actor=AUTHOR)
        with pytest.raises(InputError, match="needs approval"):
            require_file_approval(home, file, SETTINGS, now, actor=AUTHOR)
