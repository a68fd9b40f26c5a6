"""Every operation that changes something is an entry of the audit log before it is done, and is not done without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from admin_client import app_of, create
from console_client import ask
from steward.console.api import PREFIX, REASON_HEADER
from steward.console.operations import list_operations
from steward.core.approvals import ApprovalRequest
from steward.core.identity import operator
from steward.core.records import Admitted, Settled
from steward.core.rights import Breach, LegalHold
from steward.workflows import access, keys
from steward.workflows.approvals import list_approvals
from steward.workflows.audit import list_acts
from steward.workflows.audit_proof import verify_deployment
from steward.workflows.rights.home import open_rights_home
from steward.workflows.serve.deployment import find_deployment

OPERATIONS = list_operations(Path("nowhere"))
CHANGES: dict[str, tuple[str, Any, str]] = {  # operation → path, body, the act that is recorded
    "POST /keys": ("/keys", {"name": "new"}, "keys.create"),
    "POST /keys/{key}/rotation": ("/keys/web/rotation", {"overlap": "0s"}, "keys.rotate"),
    "DELETE /keys/{key}": ("/keys/web", None, "keys.revoke"),
    "POST /users": ("/users", {"name": "bob"}, "people.add"),
    "POST /users/{user}/disable": ("/users/anna/disable", None, "people.disable"),
    "POST /users/{user}/enable": ("/users/carl/enable", None, "people.enable"),
    "POST /grants": ("/grants", {"subject": "anna", "role": "developer"}, "access.grant"),
    "POST /approvals/{approval}/approve": ("/approvals/ap_1/approve", None, "approvals.approve"),
    "POST /approvals/{approval}/reject": ("/approvals/ap_1/reject", None, "approvals.reject"),
    "POST /privacy/exports": ("/privacy/exports", {"subject": "anna"}, "privacy.export"),
    "POST /privacy/erasures": ("/privacy/erasures", {"subject": "anna"}, "privacy.erase"),
    "POST /privacy/corrections": ("/privacy/corrections", {"subject": "anna", "note": "no"}, "privacy.correct"),
    "POST /privacy/holds": ("/privacy/holds", {"reason": "case 1"}, "privacy.hold"),
    "POST /privacy/holds/{hold}/release": ("/privacy/holds/hold_1/release", None, "privacy.release"),
    "POST /privacy/breaches": ("/privacy/breaches", {"summary": "lost", "since": "1h"}, "privacy.breach.open"),
    "POST /privacy/breaches/{breach}/close": (
        "/privacy/breaches/breach_1/close",
        {"outcome": "told"},
        "privacy.breach.close",
    ),
    "DELETE /grants": ("/grants?subject=anna&role=viewer", None, "access.remove"),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create(tmp_path, name="web")
    access.add_person(tmp_path, "anna", 1.0, actor=operator(0), role="viewer")
    access.add_person(tmp_path, "carl", 1.0, actor=operator(0))
    access.disable_person(tmp_path, "carl", 2.0, actor=operator(0))
    store = find_deployment(tmp_path).open_store()
    request = ApprovalRequest(
        id="ap_1", tenant="default", kind="settings", subject="settings", digest="sha256:0", content="", before="",
        authors=("person:anna",), requested_by="person:anna", requested_at=1.0, expires_at=4e9,
    )  # fmt: skip
    store.approvals.add_request(request)
    store.close()
    plant_person(tmp_path)
    return tmp_path


def plant_person(home: Path) -> None:
    """A request of anna's, a legal hold of somebody else, and a breach."""
    with open_rights_home(home, 3.0) as opened:
        subject = opened.keys.find_subject("default", "default", "anna")
        asked = Admitted(
            request_id="req_1", at=4.0, key_id="k", project="default", endpoint="/v1/chat/completions", route="m",
            streamed=False, subject=subject,
        )  # fmt: skip
        answered = Settled(request_id="req_1", at=5.0, outcome="ok", status=200, model="m")
        opened.store.ledger.drain("w", "s", 1, [asked, answered])
        hold = LegalHold(id="hold_1", subject="f" * 32, reason="case 0", created_at=1.0, created_by="operator:0")
        opened.store.rights.add_hold(hold)
        breach = Breach(id="breach_1", summary="lost", known_at=1.0, since=0.0, until=9.0, opened_by="operator:0")
        opened.store.rights.put_breach(breach)


def send(app: Any, key: str, name: str, reason: str = "") -> int:
    path, body, _ = CHANGES[name]
    data = msgspec.json.encode(body) if body is not None else b""
    headers = {"authorization": f"Bearer {key}", "content_type": "application/json"}
    headers[REASON_HEADER.lower().replace("-", "_")] = reason
    return ask(app, name.split()[0], PREFIX + path, data, **headers)[0]


def state(home: Path) -> tuple[Any, ...]:
    me = operator(0)
    shown = [(key.id, key.revoked_at, key.expires_at) for key in keys.list_keys(home, actor=me) if key.name != "admin"]
    decided = [view.decisions for view in list_approvals(home, 1.0, 9, actor=me, all_states=True)]
    with open_rights_home(home, 3.0) as opened:
        rights = opened.store.rights
        person = rights.find([str(opened.keys.find_subject("default", "default", "anna"))], tenant="default").counts()
        accounts = person, rights.list_holds(tenant=None), rights.list_breaches(tenant=None)
    return decided, shown, accounts, access.list_people(home, 1.0, actor=me), access.list_grants(home, 1.0, actor=me)


def test_no_operation_is_forgotten() -> None:
    assert set(CHANGES) == {f"{item.method} {item.path}" for item in OPERATIONS if item.audit == "administrative"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_recorded_with_who_and_why(home: Path, name: str) -> None:
    before, admin = state(home), create(home, name="admin")
    assert send(app_of(home), admin, name, "ticket 7") in (200, 201)
    act = list_acts(home, 1)[0]
    assert (act.action, act.reason) == (CHANGES[name][2], "ticket 7")
    assert act.actor.startswith("key:") and act.tenant == "default" and act.subject
    assert (state(home) != before) is (name != "POST /privacy/exports")  # which changes nothing
    assert verify_deployment(home).error is None


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_changed_that_cannot_be_recorded(home: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, app = create(home, name="admin"), app_of(home)
    before, recorded = state(home), list_acts(home, 99)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steward.security.audit.log.write_file", full)
    assert send(app, admin, name) == 503
    monkeypatch.undo()
    assert state(home) == before and list_acts(home, 99) == recorded
