"""Privacy: what guards replaced, what is masked and what is not, for whom which rules hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.pages.privacy_retention import list_retention_endpoints
from steward.console.pages.privacy_rights import TABS, list_rights_endpoints
from steward.console.paging import match_words, take_page
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core import meters
from steward.core.evidence import Evidence
from steward.core.identity import Principal
from steward.privacy.entities import KINDS, label_entity
from steward.privacy.policy import PrivacyPolicy
from steward.workflows.serve.plan import ServePlan

MOST_SCANS: Final = 200  # the newest
COLUMNS: Final = ("entity", "name", "action", "count", "written")


class MaskedKind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of personal data, with what is done to it everywhere."""

    name: str
    entity: str
    action: str
    count: int  # values replaced so far
    written: bool  # found by the words around it


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return await show_page(source, request, who, "privacy.html", lambda: _describe(source, request, who), tabs=TABS)

    def list_rows(request: Request, who: Principal) -> list[MaskedKind]:
        plan = _read_plan(source)
        counts = count_masked(source.store.meters.read(tenant=find_scope(who)))
        return list_kinds(plan.privacy if plan is not None else None, counts)

    return Page(
        (
            page_endpoint("/privacy", "usage.read", show, tenancy="principal"),
            csv_endpoint("/privacy", "usage.read", "principal", COLUMNS, list_rows),
            *list_rights_endpoints(source),
            *list_retention_endpoints(source, TABS),
        ),
        title="Privacy",
        group="Govern",
        words="guards masking personal data export erase holds breaches retention",
    )


def _read_plan(source: ConsoleSource) -> ServePlan | None:
    return source.plan() if (source.home / "run" / "plan.json").exists() else None


def _describe(source: ConsoleSource, request: Request, who: Principal) -> dict[str, Any]:
    query, plan = dict(request.query_params), _read_plan(source)
    counts = count_masked(source.store.meters.read(tenant=find_scope(who)))
    policy = plan.privacy if plan is not None else None
    scans: list[Evidence] = []
    if who.has("evidence.read"):
        scans = source.store.evidence.list_evidence(MOST_SCANS, "privacy.scan", tenant=find_scope(who))
    rules = list_rules(policy, plan) if policy is not None else []
    kept = [rule for rule in rules if match_words(query.get("words", ""), rule["of"], rule["name"])]
    return {
        "policy": policy,
        "kinds": list_kinds(policy, counts),
        "masked": sum(counts.values()),
        "page": take_page(kept, query, "/privacy"),
        "rules": len(rules),
        "scans": take_page(scans, {"page": query.get("scans", "")}, "/privacy"),
    }


def count_masked(rows: list[meters.MeterRow]) -> Counter[str]:
    """How many values guards have replaced, by kind as counts name it."""
    counts: Counter[str] = Counter()
    for row in rows:
        if row.meter == meters.MASKED:
            counts[dict(row.labels).get("kind", "")] += int(row.value)
    return counts


def list_kinds(policy: PrivacyPolicy | None, counts: Mapping[str, int]) -> list[MaskedKind]:
    """Every kind; what is masked first."""
    actions = policy.actions if policy is not None else {}
    rows = [
        MaskedKind(
            name=kind.plural[:1].upper() + kind.plural[1:],
            entity=name,
            action=actions.get(name, "allow"),
            count=counts.get(label_entity(name), 0),
            written=kind.written,
        )
        for name, kind in KINDS.items()
    ]
    return sorted(rows, key=lambda row: (row.action == "allow", -row.count))


def list_rules(policy: PrivacyPolicy, plan: ServePlan | None) -> list[dict[str, Any]]:
    """Where other rules hold than everywhere. `plan` is asked for nothing but the names that are served."""
    served: set[str] = set()
    if plan is not None:
        served = {*(model.name for model in plan.models), *(route.name for route in plan.routes)}
    rows = [("route", name, actions) for name, actions in sorted(policy.routes.items())]
    rows += [("key", name, actions) for name, actions in sorted(policy.keys.items())]
    return [
        {
            "of": of,
            "name": name,
            "masked": sorted(actions),
            "open": sorted(set(policy.actions) - set(actions)),
            "served": of == "key" or name in served,
        }
        for of, name, actions in rows
    ]
