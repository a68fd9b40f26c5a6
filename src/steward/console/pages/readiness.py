"""Readiness: go or no-go, every check with what was seen and what mends it, and who answers for one that waits."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import NO_FORM, Form, FormProblem, change_endpoint, show_page, take_form
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.durations import parse_span_s
from steward.core.errors import UnknownName
from steward.core.identity import Principal
from steward.governance.checks import CHECKS
from steward.governance.controls import describe_states, map_controls
from steward.governance.frameworks import FRAMEWORKS
from steward.governance.readiness import LEVELS, PITFALLS, Level, ReadinessReport, list_evidence_kinds
from steward.governance.readiness_report import WORDS
from steward.workflows import readiness
from steward.workflows.fairness_schedule import list_states
from steward.workflows.gateway_probe import ask_gateway

FRESH_S: Final = 30.0  # a check verifies the audit log and reads every key
DONE: Final = {"waived": "The check waits until then, with your name on it.", "ended": "The check counts again."}
STATE_STYLES: Final = {
    "evidence for": "pass", "evidence in part": "waived", "evidence against": "bad", "no evidence": "tell",
    "kept elsewhere": "na", "people only": "na",
}  # fmt: skip
RECORD_STYLES: Final = {"pass": "pass", "fail": "bad", "cannot tell": "tell"}
STYLES: Final = {"pass": "pass", "fail": "bad", "cannot tell": "tell", "waived": "waived", "not applicable": "na"}


def page(source: ConsoleSource) -> Page:
    async def show(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source,
            request,
            who,
            "readiness.html",
            lambda: _check(source, read_level(request)),
            problem,
            fresh_s=0.0 if done or problem else FRESH_S,
            form=form,
            done=done,
            levels=LEVELS,
        )

    async def waive(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            now = source.clock()
            until = now + parse_span_s(form.get("until", ""), "until")
            readiness.waive(source.home, form.get("check", ""), form.get("why", ""), until, now, actor)
            return f"/readiness?level={read_level(request)}&done=waived"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    async def end(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            readiness.end_waiver(source.home, form.get("check", ""), actor)
            return f"/readiness?level={read_level(request)}&done=ended"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    async def show_controls(request: Request, who: Principal) -> Response:
        return await show_page(
            source,
            request,
            who,
            "controls.html",
            lambda: _map(source, request.query_params.get("framework") or FRAMEWORKS[0].name),
            fresh_s=FRESH_S,
        )

    async def show_record(request: Request, who: Principal) -> Response:
        name = request.path_params["record"]
        return await show_page(source, request, who, "evidence.html", lambda: _find_record(source, name))

    return Page(
        (
            page_endpoint("/readiness", "evidence.read", show, tenancy="deployment"),
            page_endpoint("/readiness/evidence/{record}", "evidence.read", show_record, tenancy="deployment"),
            page_endpoint("/readiness/controls", "evidence.read", show_controls, tenancy="deployment"),
            change_endpoint("/readiness/waive", "config.manage", waive, "deployment"),
            change_endpoint("/readiness/end-waiver", "config.manage", end, "deployment"),
        ),
        title="Readiness",
        group="Govern",
        words="check go no-go waivers",
    )


def _find_record(source: ConsoleSource, name: str) -> dict[str, Any]:
    """The raw record, as it was written and as a pack holds it. :raises UnknownName: there is none of this id"""
    record = source.store.evidence.find(name, tenant=None)
    if record is None:
        raise UnknownName("evidence", name, ())
    return {
        "record": record,
        "raw": msgspec.json.format(msgspec.json.encode(record)).decode(),
        "checks": [check.id for check in CHECKS if record.check in list_evidence_kinds([check])],
        "styles": RECORD_STYLES,
        "now": source.clock(),
    }


def _map(source: ConsoleSource, framework: str) -> dict[str, Any]:
    now = source.clock()
    answers, problem = ask_gateway(source.home)
    controls = map_controls(readiness.check_home(source.home, "regulated", now, answers, problem), now, framework)
    return {
        "framework": controls.frameworks[0],
        "summary": describe_states(controls.frameworks[0]),
        "disclaimer": controls.disclaimer,
        "frameworks": [(one.name, one.title) for one in FRAMEWORKS],
        "styles": STATE_STYLES,
    }


def read_level(request: Request) -> Level:
    asked = request.query_params.get("level", "production")
    return next((level for level in LEVELS if level == asked), "production")


def _check(source: ConsoleSource, level: Level) -> dict[str, Any]:
    now = source.clock()
    answers, problem = ask_gateway(source.home)
    report = readiness.check_home(source.home, level, now, answers, problem)
    groups = [(name, [one for one in report.checks if one.pitfall == name]) for name in PITFALLS]
    return {
        "report": report,
        "word": WORDS[report.verdict],
        "sentence": describe_report(report),
        "groups": [(name, lines) for name, lines in groups if lines],
        "styles": STYLES,
        "audits": list_states(source.home, now),
        "waivable": [one.id for one in report.checks if one.verdict in ("fail", "cannot tell")],
        "now": now,
    }


def describe_report(report: ReadinessReport) -> str:
    """
    >>> describe_report(ReadinessReport(verdict="cannot tell", level="internal", checks=(), waivers=()))
    'No check applies.'
    """
    counts = Counter[str](one.verdict for one in report.checks)
    words = {"pass": "passed", "fail": "failed", "cannot tell": "cannot be told", "waived": "waived"}
    parts = [f"{counts[verdict]} {name}" for verdict, name in words.items() if counts[verdict]]
    return f"{', '.join(parts)}." if parts else "No check applies."
