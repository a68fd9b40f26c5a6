"""Is everything all right, and if not, what is it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.capacity.gpu_health import assess_gpus
from steward.console.headline import list_open_alerts
from steward.console.pages.first_run import DISMISSED
from steward.console.reader import Reader
from steward.console.shell import Page, page_endpoint, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.console.time_range import COMPARISONS, RANGES, TimeRange
from steward.console.traffic_view import TrafficCharts, list_figures
from steward.core.acts import RecordedAct
from steward.core.alerts import Alert
from steward.core.errors import InputError
from steward.core.gpus import GpuStatus
from steward.core.identity import Principal
from steward.monitoring.slo import SloPlan, SloStatus
from steward.monitoring.traffic import Traffic
from steward.workflows.audit import list_acts
from steward.workflows.plan.home import read_plan

MOST_ACTS: int = 300  # that are looked through
SHOWN_ACTS: int = 8


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    traffic: Traffic
    before: Traffic | None
    slos: tuple[SloPlan, ...]
    objectives: list[SloStatus]
    alerts: list[Alert]  # open ones
    acts: list[RecordedAct]  # in the time that is shown, newest first
    gpus: GpuStatus
    planned_gib: float | None  # of each GPU, by the plan in force
    new: bool  # the first steps stand on the page


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        time, reader = source.find_range(request), request.state.reader
        overview = await source.read(request, who, lambda: read_overview(source, who, time))
        return render_page(request, "overview.html", time=time, **view(overview, reader, source.clock()))

    endpoint = page_endpoint("/", "console.read", show, tenancy="principal")
    return Page((endpoint,), title="Overview", words="home start slo budget status health")


def read_overview(source: ConsoleSource, who: Principal, time: TimeRange) -> Overview:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope = find_scope(who)
    slos = source.plan().monitoring.slos
    shift_s = time.shift_s()
    earlier = None
    if shift_s:
        earlier = source.read_traffic(time.since - shift_s, time.until - shift_s, time.step_s(), tenant=scope)
    return Overview(
        traffic=source.read_traffic(time.since, time.until, time.step_s(), tenant=scope),
        before=earlier,
        slos=slos,
        objectives=source.objectives.read(source, scope),
        alerts=list_open_alerts(source) if scope is None else [],
        acts=read_acts(source, who, time.since) if who.has("audit.read") else [],
        gpus=source.gpus() if scope is None else GpuStatus(),
        planned_gib=find_planned_gib(source.home) if scope is None else None,
        new=scope is None and not (source.home / DISMISSED).exists(),
    )


def read_acts(source: ConsoleSource, who: Principal, since: float) -> list[RecordedAct]:
    """What was changed since then, signing in left out; newest first. A log that is not there has no acts."""
    scope = find_scope(who)
    try:
        acts = list_acts(source.home, MOST_ACTS, tenant=scope)
    except InputError:
        return []
    acts.sort(key=lambda act: -act.at)
    return [act for act in acts if act.at >= since and not act.action.startswith("people.sign_")]


def view(overview: Overview, reader: Reader, now: float) -> dict[str, Any]:
    """The values of overview.html."""
    traffic, before = overview.traffic, overview.before
    charts = TrafficCharts(traffic, before, reader, acts=overview.acts, slos=overview.slos)
    drawn = [charts.requests(), charts.latency(), charts.errors()]
    if any(point.rated for point in traffic.points):
        drawn.append(charts.satisfaction())
    if any(point.usd for point in traffic.points):
        drawn.append(charts.spend())
    return {
        "figures": list_figures(traffic.total, before.total if before is not None else None, reader),
        "charts": drawn if traffic.total.requests else [],
        "objectives": overview.objectives,
        "alerts": overview.alerts,
        "acts": overview.acts[:SHOWN_ACTS],
        "gpus": list_gpus(overview.gpus, reader, overview.planned_gib),
        "new": overview.new,
        "ranges": RANGES,
        "comparisons": COMPARISONS,
        "now": now,
    }


def find_planned_gib(home: Path) -> float | None:
    """What weights, activations, overhead and cache take of each GPU by the plan in force; None: there is no plan, or
    none that fits."""
    try:
        plan = read_plan(home)
    except InputError:
        return None
    return None if plan.chosen is None else plan.chosen.memory.usable_gib


def list_gpus(status: GpuStatus, reader: Reader, planned_gib: float | None = None) -> list[dict[str, Any]]:
    """Memory of each GPU as a share and beside the plan, and what is wrong with it."""
    if status.reading is None:
        return []
    issues = assess_gpus(status.reading).issues
    return [
        {
            "name": f"GPU {gpu.index} {gpu.name.removeprefix('NVIDIA ')}".strip(),
            "share": 100 * gpu.memory_used_bytes / gpu.memory_total_bytes
            if gpu.memory_used_bytes is not None and gpu.memory_total_bytes
            else None,
            "memory": "–"
            if gpu.memory_used_bytes is None or gpu.memory_total_bytes is None
            else f"{reader.number(gpu.memory_used_bytes / 2**30, 1)} of "
            f"{reader.number(gpu.memory_total_bytes / 2**30, 1)} GiB",
            "planned": f"{reader.number(planned_gib, 1)} GiB" if planned_gib is not None else "",
            "beyond": planned_gib is not None
            and gpu.memory_used_bytes is not None
            and gpu.memory_used_bytes > planned_gib * 2**30,
            "issues": [issue.text for issue in issues if issue.index == gpu.index],
        }
        for gpu in status.reading.gpus
    ]
