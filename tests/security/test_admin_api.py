"""The administrative API: its rights and tenants, and schemathesis, which makes up requests from the document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.config import SchemathesisConfig

from admin_client import app_of, call, create
from console_client import ask
from steward.console.api import PREFIX
from steward.console.operations import list_operations
from steward.core.identity import ALL_RIGHTS, operator
from steward.security.access import BUILT_IN_ROLES
from steward.settings import Settings
from steward.workflows import access, keys, prompts
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.from_settings import make_plan

OPERATIONS = list_operations(Path("nowhere"))
READS = [operation for operation in OPERATIONS if operation.method == "GET" and "{" not in operation.path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create(tmp_path)
    return tmp_path


def test_a_key_is_created_rotated_and_revoked(home: Path) -> None:
    admin = create(home, name="boss")
    app = app_of(home)
    status, made = call(app, admin, "POST", "/keys", {"name": "web", "rights": ["infer"], "models": ["a"]})
    assert status == 201 and made["key"].startswith("stw_live_")
    shown = call(app, admin, "GET", f"/keys/{made['id']}")[1]
    assert (shown["models"], shown["state"]) == (["a"], "valid") and shown["created_by"].startswith("key:")
    status, turned = call(app, admin, "POST", f"/keys/{made['id']}/rotation", {"overlap": "0s"})
    assert status == 201 and turned["replaces"] == made["id"]
    assert call(app, admin, "DELETE", f"/keys/{turned['id']}")[0] == 200
    assert call(app, turned["key"], "GET", "/keys")[0] == 401


def test_a_key_gives_no_right_that_it_lacks(home: Path) -> None:
    weak = create(home, frozenset({"keys.manage", "infer"}), name="weak")
    app = app_of(home)
    status, problem = call(app, weak, "POST", "/keys", {"name": "web", "rights": ["infer", "people.manage"]})
    assert status == 400 and "people.manage" in problem["message"]
    assert call(app, weak, "POST", "/keys", {"name": "web", "rights": ["infer"]})[0] == 201


def test_a_key_that_is_revoked_is_refused_at_once(home: Path) -> None:
    admin = create(home, name="gone")
    app = app_of(home)
    assert call(app, admin, "GET", "/keys")[0] == 200
    keys.revoke(home, "gone", 2.0, actor=operator(0))
    status, problem = call(app, admin, "GET", "/keys")
    assert (status, problem["error"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: f"{item.method} {item.path}")
def test_each_operation_needs_its_right(operation: Any, home: Path) -> None:
    app, path = app_of(home), re.sub(r"{[^}]*}", "x", operation.path)
    without = create(home, ALL_RIGHTS - {operation.permission}, name="without")
    alone = create(home, frozenset({operation.permission}), name="alone")
    assert call(app, without, operation.method, path)[0] == 403
    assert call(app, alone, operation.method, path)[0] not in (401, 403)
    assert ask(app, operation.method, PREFIX + path)[0] == 401
    assert ask(app, operation.method, PREFIX + path, authorization="Bearer stw_live_x")[0] == 401
    assert operation.method == "GET" or operation.audit == "administrative"


@pytest.mark.parametrize("role", BUILT_IN_ROLES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: f"{item.method} {item.path}")
def test_each_role_does_what_its_rights_say(operation: Any, role: str, shared: tuple[Any, dict[str, str]]) -> None:
    app, by_role = shared
    path = re.sub(r"{[^}]*}", "x", operation.path)
    allowed = operation.permission in BUILT_IN_ROLES[role].rights
    assert (call(app, by_role[role], operation.method, path)[0] != 403) == allowed


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, str]]:
    """An application, and a key for each role."""
    folder = tmp_path_factory.mktemp("roles")
    made = {name: create(folder, role.rights, name=name) for name, role in BUILT_IN_ROLES.items()}
    return app_of(folder), made


def test_a_tenant_sees_nothing_of_another(home: Path) -> None:
    mark = "canary"
    create(home, tenant="one", name=f"{mark}-key")
    access.add_person(
        home, f"{mark}-user", 1.0, actor=operator(0), tenant="one", role="viewer", groups=[f"{mark}-group"]
    )
    one, two = create(home, tenant="one", name="one"), create(home, tenant="two", name="two")
    app = app_of(home)
    texts = {key: [json.dumps(call(app, key, "GET", item.path)[1]) for item in READS] for key in (one, two)}
    assert sum(mark in text for text in texts[one]) == 3  # keys, users, grants
    assert not any(mark in text for text in texts[two])
    assert call(app, two, "GET", f"/keys/{mark}-key")[0] == 404
    assert call(app, two, "POST", f"/users/{mark}-user/disable")[0] == 404
    assert call(app, two, "DELETE", f"/keys/{mark}-key")[0] == 404


def test_proofs_are_a_tenants_own_and_prompts_the_deployments(home: Path) -> None:
    audit = find_deployment(home).open_audit_log()
    prompts.add(home, "greet", prompts.PromptText("Be kind."), 1.0, actor=operator(0), audit=audit)
    finding = Finding(
        check="data.contract", subject="files a", subject_digest="sha256:0", verdict="pass", value="1 row"
    )
    (home / "steward.db").touch()
    kept = record_finding(home, finding, operator(0))
    own, other = create(home, name="own"), create(home, tenant="acme", name="other")
    app = app_of(home)
    assert [one["id"] for one in call(app, own, "GET", "/evidence")[1]] == [kept.id if kept else ""]
    assert call(app, own, "GET", "/evidence?check=other")[1] == [] == call(app, other, "GET", "/evidence")[1]
    assert [one["system"] for one in call(app, own, "GET", "/prompts")[1]] == ["Be kind."]
    assert call(app, other, "GET", "/prompts")[1] == []


def test_the_pages_of_all_tenants_open_to_the_deployments_own_alone(home: Path) -> None:
    own, other = create(home, name="own"), create(home, tenant="acme", name="other")
    app = app_of(home)
    for path in ("/status", "/metrics", "/api/status", "/api/snapshot"):
        assert ask(app, "GET", path, authorization=f"Bearer {own}")[0] == 200
        assert ask(app, "GET", path, authorization=f"Bearer {other}")[0] in (303, 401)


# -- schemathesis --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str]:
    folder = tmp_path_factory.mktemp("api")
    key = create(folder)
    (folder / "run" / "plan.json").write_bytes(msgspec.json.encode(make_plan(Settings(), folder, "0")))  # it has served
    # What no schema says is a 400 too: a role or a place that does not exist, an expiry before its start.
    accepted = {"positive_data_acceptance": {"expected-statuses": ["2XX", "400", "404", "409", "422"]}}
    config = SchemathesisConfig.from_dict({"checks": accepted})
    return schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app_of(folder), config=config), key


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: f"{item.method} {item.path}")
def test_schemathesis_finds_nothing(operation: Any, schema: tuple[Any, str]) -> None:
    document, key = schema
    found = document[PREFIX + operation.path][operation.method]

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=found.as_strategy())
    def check(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {key}"})

    check()
