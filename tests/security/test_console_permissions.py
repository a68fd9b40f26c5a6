"""Every endpoint of the console's pages × every role × two tenants: who may open what.

What each endpoint needs is written out by hand, so that one whose permission is lowered, or that opens to all tenants
by mistake, fails here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console_client import source
from console_home import HomeConsole
from served_home import serve_home
from steward.console.home_pages import list_home_pages
from steward.core.identity import Right
from steward.security.access import BUILT_IN_ROLES

NOBODY: frozenset[Right] = frozenset({"public"})
ROLES = {**{name: role.rights for name, role in BUILT_IN_ROLES.items()}, "nobody": NOBODY}
# Whose data: the project's; the tenant's own; of all, so only `default` may see it.
PROJECT, OWN, ALL = "project", "principal", "deployment"
EXPECTED = {
    "GET /models": ("console.read", ALL),
    "POST /models/weights": ("config.manage", ALL),
    "GET /prompts": ("prompts.read", ALL),
    "GET /prompts/{prompt}": ("prompts.read", ALL),
    "POST /prompts": ("prompts.manage", ALL),
    "POST /prompts/{prompt}/use": ("prompts.manage", ALL),
    "GET /playground": ("infer", ALL),
    "POST /playground": ("infer", ALL),
    **{
        f"GET /{page}{path}": ("evidence.read", ALL if path.endswith("report") else OWN)
        for page in ("evaluations", "data", "load")
        for path in ("", ".csv", "/{proof}", "/{proof}/report")
    },
    "GET /usage": ("usage.read", PROJECT),
    "GET /usage.csv": ("usage.read", PROJECT),
    "POST /usage/reconcile": ("usage.read", ALL),
    "GET /access": ("keys.read", PROJECT),
    "GET /access.csv": ("keys.read", PROJECT),
    "GET /access/people.csv": ("access.read", OWN),
    "GET /access/roles.csv": ("access.read", OWN),
    "GET /audit.csv": ("audit.read", OWN),
    "GET /registry.csv": ("console.read", OWN),
    "GET /releases.csv": ("console.read", OWN),
    "GET /appeals.csv": ("feedback.read", OWN),
    "GET /access/sessions.csv": ("access.read", OWN),
    "GET /privacy.csv": ("usage.read", OWN),
    "GET /prompts.csv": ("prompts.read", ALL),
    "GET /settings.csv": ("console.read", ALL),
    "GET /settings/history.csv": ("console.read", ALL),
    "GET /training.csv": ("console.read", ALL),
    "GET /access/keys/{key}": ("keys.read", PROJECT),
    "POST /access/keys": ("keys.manage", PROJECT),
    "POST /access/keys/{key}/rotate": ("keys.manage", PROJECT),
    "POST /access/keys/{key}/revoke": ("keys.manage", PROJECT),
    "GET /access/people": ("access.read", OWN),
    "POST /access/people": ("people.manage", OWN),
    "POST /access/people/state": ("people.manage", OWN),
    "GET /access/roles": ("access.read", OWN),
    "POST /access/grants": ("access.manage", OWN),
    "POST /access/grants/remove": ("access.manage", OWN),
    "GET /access/sessions": ("access.read", OWN),
    "POST /access/sessions/end": ("people.manage", OWN),
    "GET /access/explain": ("access.read", OWN),
    "GET /privacy": ("usage.read", OWN),
    "GET /privacy/retention": ("privacy.read", OWN),
    "GET /privacy/retention.csv": ("privacy.read", OWN),
    "GET /privacy/rights": ("privacy.read", OWN),
    "POST /privacy/rights/export": ("privacy.manage", OWN),
    "POST /privacy/rights/erase": ("privacy.manage", OWN),
    "POST /privacy/rights/hold": ("privacy.manage", OWN),
    "POST /privacy/rights/release": ("privacy.manage", OWN),
    "GET /appeals": ("feedback.read", OWN),
    "POST /appeals/words": ("content.read", OWN),
    "POST /appeals/decide": ("approvals.decide", OWN),
    "GET /audit": ("audit.read", OWN),
    "POST /audit/verify": ("audit.read", ALL),
    "GET /audit/checkpoint": ("audit.read", ALL),
    "GET /settings": ("console.read", ALL),
    "GET /settings/edit": ("config.manage", ALL),
    "POST /settings/preview": ("config.manage", ALL),
    "POST /settings/apply": ("config.manage", ALL),
    "GET /settings/history": ("console.read", ALL),
    "GET /settings/diff": ("config.manage", ALL),
    "POST /settings/rollback": ("config.manage", ALL),
    "GET /settings/approvals": ("approvals.read", OWN),
    "GET /settings/approvals/{approval}": ("approvals.read", OWN),
    "POST /settings/approvals/{approval}/decide": ("approvals.decide", OWN),
    "POST /settings/approvals/{approval}/apply": ("config.manage", ALL),
    "GET /registry": ("console.read", OWN),
    "GET /releases": ("console.read", OWN),
    "GET /releases/{release}": ("console.read", OWN),
    "GET /training": ("console.read", ALL),
    "GET /training/{experiment}": ("console.read", ALL),
    "GET /readiness": ("evidence.read", ALL),
    "GET /readiness/controls": ("evidence.read", ALL),
    "GET /readiness/evidence/{record}": ("evidence.read", ALL),
    "POST /readiness/waive": ("config.manage", ALL),
    "POST /readiness/end-waiver": ("config.manage", ALL),
}
READS = {  # forms that change nothing, so that nothing is recorded
    "POST /models/weights", "POST /settings/preview", "POST /usage/reconcile", "POST /audit/verify",
}  # fmt: skip


def list_endpoints() -> dict[str, tuple[str, str]]:
    pages = list_home_pages(source())
    return {f"{one.method} {one.path}": (one.permission, one.tenancy) for page in pages for one in page.endpoints}


def test_every_endpoint_needs_what_is_written_here() -> None:
    assert list_endpoints() == EXPECTED


def test_whatever_changes_something_says_that_it_is_recorded() -> None:
    endpoints = [one for page in list_home_pages(source()) for one in page.endpoints if one.method == "POST"]
    recorded = {f"{one.method} {one.path}" for one in endpoints if one.audit == "administrative"}
    assert recorded == {name for name in EXPECTED if name.startswith("POST")} - READS


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeConsole]:
    folder: Path = tmp_path_factory.mktemp("home")
    with serve_home(folder) as home:
        yield HomeConsole(home)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tenant", ["default", "acme"])
def test_a_role_opens_what_its_rights_say(console: HomeConsole, tenant: str, role: str) -> None:
    opened = set()
    for name in EXPECTED:
        method, _, path = name.partition(" ")
        status, _, _ = console.ask(method, re.sub(r"{[^}]*}", "x", path), {}, rights=ROLES[role], tenant=tenant)
        assert status in (200, 400, 403, 404, 409, 413), (name, status)
        if status != 403:
            opened.add(name)
    assert opened == {
        name
        for name, (permission, tenancy) in EXPECTED.items()
        if permission in ROLES[role] and (tenancy != ALL or tenant == "default")
    }
