"""Models and routes: how they are, what shares their requests, and other weights, shown before they serve."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import NO_FORM, Form, FormProblem, describe_problem, show_page
from steward.console.pages.releases import STATES
from steward.console.pages.settings import preview_edits
from steward.console.paging import match_words, take_page
from steward.console.settings_edits import SettingEdit
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.gateway.queue_records import QueueDepth
from steward.gateway.route_records import BreakerReport, Route
from steward.workflows import history
from steward.workflows.serve.plan import ModelPlan, ServePlan
from steward.workflows.serve.worker_reports import list_worker_pids, read_breakers, read_queue_depths

DONE: Final = {
    "applied": "The new weights serve. Requests that run now end where they began.",
    "undone": "The version before serves again.",
}
MOST_RELEASES: Final = 10
MOST_ROUTES: Final = 100
MOST_WEIGHT: Final = 1_000_000.0


class TargetRow(NamedTuple):
    """One model of a route, and its share of the requests."""

    model: str
    weight: str
    share: float


class RouteRow(NamedTuple):
    """A name that clients ask for."""

    name: str
    targets: list[TargetRow]
    others: str
    waiting: int
    running: int
    prompt: str


def page(source: ConsoleSource) -> Page:
    async def show(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "models.html", lambda: _describe(source, request, who), problem, form=form, done=done
        )

    async def preview(request: Request, who: Principal) -> Response:
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            edits = read_weights(form, _find_route(source.plan(), form.get("route", "")))
            values = await asyncio.to_thread(preview_edits, source, edits, "/models")
        except (FormTooLarge, StewardError) as error:
            return await show(request, who, form, describe_problem(error))
        return render_page(request, "settings_preview.html", tabs=(), **values)

    return Page(
        (
            page_endpoint("/models", "console.read", show, tenancy="deployment"),
            page_endpoint("/models/weights", "config.manage", preview, "POST", tenancy="deployment"),
        ),
        title="Models & routes",
        group="Run",
        words="weights routes breakers queue canary health",
    )


def read_weights(form: Form, route: Route) -> list[SettingEdit]:
    """What the form changes of a route's weights.

    :raises InputError: a weight that is no number above 0, or none at all
    """
    edits = []
    for target in route.targets:
        text = form.get(f"weight:{target.model}", "").strip()
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not 0 < weight <= MOST_WEIGHT:
            raise InputError(f"weight of {target.model} {cut_text(text)!r}: expected a number above 0, such as 95")
        if weight != target.weight:
            number = int(weight) if weight.is_integer() else weight
            edits.append(SettingEdit(f"routes[{route.name}].targets[{target.model}].weight", str(number)))
    if not edits:
        raise InputError(f"the weights of {route.name} are these already; nothing to change")
    return edits


def _find_route(plan: ServePlan, name: str) -> Route:
    for route in plan.routes:
        if route.name == name:
            return route
    raise UnknownName("route", name, [route.name for route in plan.routes])


def _describe(source: ConsoleSource, request: Request, who: Principal) -> dict[str, Any]:
    query, plan = dict(request.query_params), source.plan()
    words, pids = query.get("words", ""), list_worker_pids(source.home)
    depths = read_queue_depths(plan, pids)
    breakers = read_breakers(source.home / "run", pids)
    states = {item.name: item.state for item in source.snapshot().models}
    models = [_describe_model(one, states, breakers, depths) for one in plan.models if match_words(words, one.name)]
    routes = [
        _describe_route(one, depths, plan) for one in plan.routes if match_words(words, one.name, *one.reachable())
    ]
    accepted = history.list_accepted(source.home)
    return {
        "page": take_page(models, query, "/models"),
        "routes": routes[:MOST_ROUTES],
        "route_count": len(routes),
        "release_states": STATES,
        "releases": source.store.releases.list_releases(MOST_RELEASES, tenant=find_scope(who)),
        "plan": plan,
        "newest": accepted[-1] if accepted else None,
        "before": accepted[-2].version if len(accepted) > 1 else None,
    }


def _describe_model(
    model: ModelPlan,
    states: Mapping[str, str],
    breakers: Mapping[str, Sequence[BreakerReport]],
    depths: Mapping[str, QueueDepth],
) -> dict[str, Any]:
    reports = breakers.get(model.name, ())
    depth = depths.get(model.name, QueueDepth())
    return {
        "name": model.name,
        "state": states.get(model.name, "unknown"),
        "backend": model.backend,
        "version": model.upstream_model,
        "breaker": describe_breakers(reports),
        "open": any(report.state != "closed" for report in reports),
        "recent": sum(report.requests for report in reports),
        "failures": sum(report.failures for report in reports),
        "direct": model.direct,
        "waiting": depth.waiting,
        "running": depth.running,
        "prices": model.prices,
    }


def describe_breakers(reports: Sequence[BreakerReport]) -> str:
    """
    >>> describe_breakers([BreakerReport("open"), BreakerReport()]), describe_breakers([BreakerReport()])
    ('open in 1 of 2 workers', 'closed')
    >>> describe_breakers([])
    'not known yet'
    """
    if not reports:
        return "not known yet"
    for state, words in (("open", "open"), ("half_open", "trying again")):
        count = sum(report.state == state for report in reports)
        if count:
            return words if len(reports) == 1 else f"{words} in {count} of {len(reports)} workers"
    return "closed"


def _describe_route(route: Route, depths: Mapping[str, QueueDepth], plan: ServePlan) -> RouteRow:
    whole = sum(target.weight for target in route.targets)
    depth = depths.get(route.name, QueueDepth())
    others = [f"then {', '.join(route.fallback)}"] if route.fallback else []
    if route.shadow is not None:
        others.append(f"copies of {route.shadow.sample:.0%} go to {route.shadow.model}")
    if route.choice != "weighted":
        others.append(f"chosen by {route.choice.replace('_', ' ')}, not by weight")
    prompt = plan.prompts.get(route.name)
    return RouteRow(
        name=route.name,
        targets=[
            TargetRow(target.model, f"{target.weight:g}", target.weight / whole if whole else 0.0)
            for target in route.targets
        ],
        others="; ".join(others),
        waiting=depth.waiting,
        running=depth.running,
        prompt=prompt.version if prompt is not None else "",
    )
