"""What `steward check` sees of a home, and its waivers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from steward.core.access import Place
from steward.core.errors import InputError, UnknownName
from steward.core.identity import operator
from steward.core.keys import KeyRecord
from steward.core.records import Admitted, LimitSpec, Settled
from steward.governance.checks import CHECKS
from steward.governance.readiness import DAY_S, Facts, KeyFacts, required_at
from steward.settings import Settings
from steward.workflows import access, keys, readiness
from steward.workflows.access_matrix import list_matrix
from steward.workflows.approvals import decide, list_approvals
from steward.workflows.evidence import record_finding
from steward.workflows.findings import describe_access
from steward.workflows.serve.deployment import open_served_store
from steward.workflows.serve.from_settings import make_plan


def test_a_ledger_waits_as_long_as_its_oldest_unread_segment(tmp_path: Path) -> None:
    assert readiness.measure_lag_s(tmp_path, {}, 100.0) == 0.0
    folder = tmp_path / "ledger"
    folder.mkdir()
    for name, age in (("a-1.seg", 40.0), ("a-2.seg", 10.0), ("b.lock", 90.0)):
        (folder / name).write_bytes(b"12345")
        os.utime(folder / name, (100.0 - age, 100.0 - age))
    assert readiness.measure_lag_s(tmp_path, {}, 100.0) == 40.0
    assert readiness.measure_lag_s(tmp_path, {"a-1.seg": 5, "a-2.seg": 4}, 100.0) == 10.0
    assert readiness.measure_lag_s(tmp_path, {"a-1.seg": 5, "a-2.seg": 5}, 100.0) == 0.0


def test_a_home_that_others_may_read_is_seen(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    seen = readiness.collect_situation(tmp_path, 1.0)
    assert seen.facts.home_private is False and seen.facts.keys is None
    assert not seen.evidence and seen.subjects is None
    tmp_path.chmod(0o700)
    assert readiness.collect_situation(tmp_path, 1.0).facts.home_private is True


def test_waivers_are_kept_and_ended(tmp_path: Path) -> None:
    me = operator(7)
    made = readiness.waive(tmp_path, "infra.load", "no traffic before May", 1.0 + DAY_S, 1.0, me)
    assert readiness.list_waivers(tmp_path) == [made] and made.owner == "operator:7"
    with pytest.raises(UnknownName):
        readiness.end_waiver(tmp_path, "infra.plan", me)
    readiness.end_waiver(tmp_path, "infra.load", me)
    assert readiness.list_waivers(tmp_path) == []
    (tmp_path / "waivers" / "infra.load.json").write_text("{")
    with pytest.raises(InputError, match="delete the file, and waive the check again"):
        readiness.list_waivers(tmp_path)


def test_the_last_check_of_a_level_cannot_be_waived(tmp_path: Path) -> None:
    me, (last, *others) = operator(7), [check.id for check in required_at("prototype", CHECKS)]
    for name in others:
        readiness.waive(tmp_path, name, "no traffic before May", 1.0 + DAY_S, 1.0, me)
    with pytest.raises(InputError, match="every check of level prototype would be waived"):
        readiness.waive(tmp_path, last, "no traffic before May", 1.0 + DAY_S, 1.0, me)
    assert len(readiness.list_waivers(tmp_path)) == len(others)
    readiness.waive(tmp_path, last, "no traffic before May", 3 * DAY_S, 1.0 + DAY_S, me)  # the others are over


def test_a_waiver_needs_approval_where_the_policy_says_so(tmp_path: Path) -> None:
    home = tmp_path / ".steward"
    home.mkdir()
    policy = {"approval_policy": {"waivers": [{"kind": "approvals"}]}}
    (tmp_path / "steward.yaml").write_text(json.dumps(policy))
    with pytest.raises(InputError, match=r"infra\.load needs approval"):
        readiness.waive(home, "infra.load", "no traffic before May", 1.0 + DAY_S, 1.0, operator(7))
    assert readiness.list_waivers(home) == []
    (view,) = list_approvals(home, 2.0, 9, actor=operator(8))
    decide(home, view.request.id, "approve", 3.0, actor=operator(8))
    readiness.waive(home, "infra.load", "no traffic before May", 4.0 + DAY_S, 4.0, operator(7))
    assert [waiver.check for waiver in readiness.list_waivers(home)] == ["infra.load"]


def add_plan(home: Path, **fields: Any) -> Facts:
    models = [
        {"name": "own", "backend": "embedded"},
        {"name": "far", "backend": "openai", "url": "http://x", "price": {"input": 1.0, "output": 1.0}},
    ]
    plan = make_plan(Settings.model_validate({"models": models, **fields}), home, "0")
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    return readiness.collect_situation(home, 1.0).facts


def test_what_a_plan_says_of_a_deployment(tmp_path: Path) -> None:
    facts = add_plan(tmp_path)
    assert (facts.loopback, facts.encrypted, facts.proxy_declared) == (True, False, False)
    assert (facts.witness, facts.guard, facts.channels, facts.heartbeat, facts.approvals) == (
        False, False, (), False, False,
    )  # fmt: skip
    assert facts.models is not None
    assert [(one.name, one.hosted, one.priced) for one in facts.models] == [("own", False, False), ("far", True, True)]
    assert facts.lone_routes == ("own", "far")  # without routes each model stands alone


def test_a_key_is_used_however_many_requests_others_sent_since_and_by_the_id_that_it_has_now(tmp_path: Path) -> None:
    now, me = 1_000_000.0, operator(os.getuid())
    add_plan(tmp_path)
    quiet = keys.create(tmp_path, "quiet", LimitSpec(), 9.0, actor=me)
    rotated = keys.rotate(tmp_path, quiet.id, 10.0, actor=me)
    store = open_served_store(tmp_path)
    records: list[Any] = []
    for number in range(2001):
        name, key = f"r{number}", "busy" if number else rotated.id
        admitted = {"at": now - 3000 + number, "key_id": key, "project": "p", "endpoint": "/", "route": "r"}
        records.append(Admitted(request_id=name, streamed=False, **admitted))
        records.append(Settled(request_id=name, at=now - 2999 + number, outcome="ok", status=200, model="far"))
    store.ledger.drain("w", "s", 1, records)
    store.close()
    facts = readiness.collect_situation(tmp_path, now).facts
    assert facts.keys is not None and facts.requests == 2001
    assert [(one.id, one.last_used) for one in facts.keys if one.id == rotated.id] == [(rotated.id, now - 3000)]


@pytest.mark.parametrize(
    ("key", "of_all", "teams", "limited"),
    [
        ({}, {}, {}, False), ({}, {"concurrent": 4}, {}, True), ({"team": "a"}, {}, {"a": 1}, True),
        ({"team": "b"}, {}, {"a": 1}, False), ({"rpm": 1}, {}, {}, True), ({"tpm": 1}, {}, {}, True),
        ({"concurrent": 1}, {}, {}, True), ({"usd_per_day": 0.0}, {}, {}, True), ({"usd_per_month": 0.0}, {}, {}, True),
    ],
)  # fmt: skip
def test_a_key_is_limited_by_itself_by_its_team_or_with_all(
    key: dict[str, Any], of_all: dict[str, Any], teams: dict[str, Any], limited: bool
) -> None:
    [facts] = list_key_facts([KeyRecord(id="k", name="k", digest="d", created_at=1.0, **key)], of_all, teams)
    assert facts.limited is limited


@pytest.mark.parametrize(
    ("ends", "in_force"),
    [({}, True), ({"expires_at": 100.5}, True), ({"expires_at": 100.0}, False), ({"revoked_at": 50.0}, False),
     ({"revoked_at": 50.0, "expires_at": 200.0}, False)],
)  # fmt: skip
def test_a_key_that_has_ended_is_none_that_is_checked(ends: dict[str, Any], in_force: bool) -> None:
    """It ends at its end: at that second it is refused."""
    key = KeyRecord(id="k", name="k", digest="d", created_at=1.0, **ends)
    assert bool(list_key_facts([key], {}, {})) is in_force


def list_key_facts(records: list[KeyRecord], of_all: dict[str, Any], teams: dict[str, Any]) -> tuple[KeyFacts, ...]:
    store: Any = SimpleNamespace(
        keys=SimpleNamespace(last_uses=lambda tenant: {}, list_keys=lambda tenant: list(records))
    )
    plan: Any = SimpleNamespace(limits=SimpleNamespace(default=LimitSpec(**of_all), teams=teams))
    return readiness._list_key_facts(store, plan, 100.0)


def test_what_protects_a_deployment_is_seen(tmp_path: Path) -> None:
    channels = [
        {"name": "night", "kind": "webhook", "url": "http://127.0.0.1:9", "severities": ["page"]},
        {"name": "day", "kind": "webhook", "url": "http://127.0.0.1:9", "severities": ["ticket"]},
    ]
    facts = add_plan(
        tmp_path,
        gateway={"host": "0.0.0.0", "tls": {"insecure_http": True}},
        privacy={"profile": "gdpr"},
        monitoring={"channels": channels},
        routes=[
            {"name": "alone", "targets": [{"model": "own"}]},
            {"name": "both", "targets": [{"model": "own"}], "fallback": ["far"]},
        ],
    )
    assert (facts.loopback, facts.encrypted, facts.proxy_declared) == (False, False, True)
    assert facts.guard and facts.channels == ("night",) and facts.lone_routes == ("alone",)


def test_free_space_is_a_share_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(total=200, used=150, free=50)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert readiness.collect_situation(tmp_path, 1.0).facts.free_disk == 0.25
    usage.total = 0
    assert readiness.collect_situation(tmp_path, 1.0).facts.free_disk is None


def test_a_first_key_that_was_left_lying_is_seen(tmp_path: Path) -> None:
    assert readiness.collect_situation(tmp_path, 1.0).facts.first_key is False
    (tmp_path / "first-key").touch()
    assert readiness.collect_situation(tmp_path, 1.0).facts.first_key is True


def test_the_matrix_of_access_is_stale_as_soon_as_a_grant_changes(tmp_path: Path) -> None:
    me = operator(7)
    access.add_person(tmp_path, "anna", 0.5, actor=me, role="owner")
    add_plan(tmp_path)
    (check,) = (one for one in CHECKS if one.id == "security.access")

    def judge() -> tuple[str, str]:
        outcome = check.decide(readiness.collect_situation(tmp_path, 3.0))
        return outcome.verdict, outcome.value

    assert judge() == ("cannot tell", "never done here")
    record_finding(tmp_path, describe_access(list_matrix(tmp_path, 2.0)), me, ("steward",), lambda: 2.0)
    assert judge() == ("pass", "who may do what: subjects: 1, places: 1; no rule broken")
    access.grant_role(tmp_path, "group:ml", "viewer", Place("default"), 2.5, actor=me)
    assert judge()[0] == "cannot tell" and "changed since" in judge()[1]
