"""Advisory 10, CVE-2026-12772, -12795, -12796: sessions went on after what they came from was revoked.

Sessions of people who sign in are tested where they sign in; here, keys, the console's own session, and what a person
whose role changed may still do."""

from __future__ import annotations

from pathlib import Path

from admin_client import app_of, call, create
from steward.console.sessions import Sessions
from steward.core.identity import operator
from steward.workflows import access, keys
from steward.workflows.serve.deployment import find_deployment


def test_a_session_that_was_ended_is_worthless_also_after_a_restart(tmp_path: Path) -> None:
    sessions = Sessions("token", tmp_path / "ended")
    cookie = sessions.issue(1.0)
    assert sessions.is_valid(cookie, 2.0)
    sessions.end(cookie, 3.0)
    assert not sessions.is_valid(cookie, 4.0) and not Sessions("token", tmp_path / "ended").is_valid(cookie, 4.0)
    assert not Sessions("another token").is_valid(sessions.issue(1.0), 2.0)


def test_a_revoked_key_administers_nothing_from_the_next_request_on(tmp_path: Path) -> None:
    key = create(tmp_path, name="gone")
    app = app_of(tmp_path)
    assert call(app, key, "GET", "/keys")[0] == 200
    keys.revoke(tmp_path, "gone", 2.0, actor=operator(0))
    assert call(app, key, "GET", "/keys")[0] == 401


def test_a_change_of_roles_makes_earlier_sign_ins_worthless(tmp_path: Path) -> None:
    create(tmp_path)
    access.add_person(tmp_path, "anna", 1.0, actor=operator(0), role="viewer")

    def changed_at() -> float:
        store = find_deployment(tmp_path).open_store()
        (person,) = store.access.list_people(tenant=None)
        store.close()
        return person.changed_at

    place = access.find_place(tmp_path, "anna", None, 2.0, actor=operator(0))
    access.grant_role(tmp_path, "anna", "developer", place, 3.0, actor=operator(0))
    assert changed_at() == 3.0
    access.disable_person(tmp_path, "anna", 4.0, actor=operator(0))
    assert changed_at() == 4.0
