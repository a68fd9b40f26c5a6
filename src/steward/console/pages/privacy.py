"""Privacy: what guards replaced, what is masked and what is not, for whom which rules hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import show_page
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


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return await show_page(source, request, who, "privacy.html", lambda: _describe(source, request, who), tabs=TABS)

    return Page(
        (page_endpoint("/privacy", "usage.read", show, tenancy="principal"), *list_rights_endpoints(source)),
        title="Privacy",
        group="Govern",
        words="guards masking personal data export erase holds breaches",
    )


def _describe(source: ConsoleSource, request: Request, who: Principal) -> dict[str, Any]:
    query = dict(request.query_params)
    plan = source.plan() if (source.home / "run" / "plan.json").exists() else None
    counts = count_masked(source.store.meters.read(tenant=find_scope(who)))
    policy = plan.privacy if plan is not None else None
    scans: list[Evidence] = []
    if who.has("evidence.read"):
        scans = source.store.evidence.list_evidence(200, "privacy.scan", tenant=find_scope(who))
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


def list_kinds(policy: PrivacyPolicy | None, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every kind of personal data, with what is done to it everywhere; what is masked first."""
    actions = policy.actions if policy is not None else {}
    rows = [
        {
            "name": kind.plural[:1].upper() + kind.plural[1:],
            "entity": name,
            "action": actions.get(name, "allow"),
            "count": counts.get(label_entity(name), 0),
            "written": kind.written,
        }
        for name, kind in KINDS.items()
    ]
    return sorted(rows, key=lambda row: (row["action"] == "allow", -row["count"]))


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
