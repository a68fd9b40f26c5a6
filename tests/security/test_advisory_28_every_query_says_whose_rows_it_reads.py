"""Advisory 28, CVE-2026-41947: a setting of traces without a check of the tenant showed others' chats."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from steward.adapters.stores.sql import SqlStore

OF_ALL = {  # of the deployment, or addressed by an id that was found for a tenant
    "ledger", "alerts", "secrets", "jobs", "audit_heads",
    "exchanges.count_open", "feedback.sums", "minutes.delete_before", "keys.version", "access.list_roles",
    "approvals.list_decisions", "sessions.find", "traces.list_unexported",
    "rollups",  # the keeper's, which makes sums of all tenants good; pages read them through `series`
    "gauges",  # machines and engines, which have no tenant; `query_metrics` answers them to the operator's alone
    "feedback.list_not_sealed_for_subject",  # the keeper's, which seals anew what all tenants have left
    "releases.list_in_effect",  # what a route serves, and routes are of the deployment: a route has one release
    "releases.read_rows",  # of a release's id: whoever asks its route is in it, whichever tenant began it
    "releases.read_ratings",  # as read_rows
    "releases.list_admissions",  # as read_rows: times alone
    "releases.read_durations",  # as list_in_effect: seconds alone
}  # fmt: skip
READING = (
    "list",
    "read",
    "find",
    "usage",
    "tail",
    "series",
    "report",
    "span",
    "first",
    "daily",
    "sums",
    "count",
    "last",
)


def list_methods() -> list[tuple[str, Any]]:
    store = SqlStore("sqlite://")
    methods = []
    for name, family in vars(store).items():
        if name != "database":
            members = inspect.getmembers(family, inspect.ismethod)
            methods += [(f"{name}.{each}", method) for each, method in members if each.startswith(READING)]
    store.close()
    return methods


@pytest.mark.parametrize(("name", "method"), list_methods(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_query_cannot_be_made_without_its_tenant(name: str, method: Any) -> None:
    if name in OF_ALL or name.partition(".")[0] in OF_ALL:
        return
    tenant = inspect.signature(method).parameters.get("tenant")
    assert tenant is not None, f"{name} names no tenant"
    assert tenant.kind is inspect.Parameter.KEYWORD_ONLY and tenant.default is inspect.Parameter.empty
