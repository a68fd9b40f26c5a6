"""The first steps of a new operator, each with what is done of it and the command that does it."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from steward.console.shell import Page, act_endpoint, page_endpoint, redirect, render_page
from steward.console.source import ConsoleSource
from steward.core.files import write_file
from steward.core.identity import Principal
from steward.workflows.audit import make_act
from steward.workflows.serve.deployment import find_deployment

DISMISSED: Final = "first-run-done"  # a file in the home


class FirstStep(NamedTuple):
    """`done` None: nobody can tell from here."""

    title: str
    done: bool
    command: str
    why: str
    page: str  # where to do or to see it


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        steps = await source.read(request, who, lambda: list_steps(source))
        hidden = (source.home / DISMISSED).exists()
        return render_page(
            request, "first_run.html", steps=steps, dismissed=hidden, left=sum(not step.done for step in steps)
        )

    async def dismiss(request: Request, who: Principal) -> Response:
        audit = find_deployment(source.home).open_audit_log()
        audit.record(make_act(who, "console.first_run", "first run", after="dismissed"))
        write_file(source.home / DISMISSED, b"")
        return redirect("/")

    return Page(
        (
            page_endpoint("/first-run", "console.read", show, tenancy="deployment"),
            act_endpoint("/first-run/dismiss", "alerts.manage", dismiss, tenancy="deployment"),
        ),
        title="First steps",
        group="Run",
        words="start begin setup onboarding help",
    )


def list_steps(source: ConsoleSource) -> list[FirstStep]:
    """In the order in which they are taken. It blocks. :raises Unavailable: the store does not answer"""
    store, plan = source.store, source.plan()
    keys = [key for key in source.keys.list_keys(tenant=None) if key.revoked_at is None]
    budget = any(key.usd_per_day is not None or key.usd_per_month is not None for key in keys)

    def has_evidence(check: str) -> bool:
        return bool(store.evidence.list_evidence(1, check, tenant=None))

    return [
        *_list_traffic_steps(bool(plan.models), bool(keys), bool(store.exchanges.tail(1, tenant=None)), budget),
        *_list_care_steps(
            bool(plan.monitoring.channels),
            bool(plan.monitoring.slos),
            has_evidence("evaluation.gate"),
            has_evidence("backup.made"),
        ),
    ]


def _list_traffic_steps(model: bool, key: bool, request: bool, budget: bool) -> list[FirstStep]:
    return [
        FirstStep(
            "Connect a model",
            model,
            "steward init",
            "A file, or the URL of a server that speaks OpenAI's or Anthropic's dialect: models in steward.yaml.",
            "/status",
        ),
        FirstStep("Make a key", key, "steward keys create shop --rpm 600", "Each application has its own.", "/access"),
        FirstStep(
            "Send the first request",
            request,
            'steward chat "where is my order?"',
            "It stands under Requests within a second.",
            "/requests",
        ),
        FirstStep(
            "Set a budget",
            budget,
            "steward keys create shop --usd-per-month 200",
            "What is beyond it is refused, so that a mistake costs no fortune.",
            "/usage",
        ),
    ]


def _list_care_steps(channel: bool, objective: bool, gate: bool, backup: bool) -> list[FirstStep]:
    return [
        FirstStep(
            "Be told of alerts",
            channel,
            "steward alerts test",
            "Name a channel under monitoring.channels: Slack, PagerDuty, mail or any webhook.",
            "/alerts",
        ),
        FirstStep(
            "State an objective",
            objective,
            "steward slo status",
            "Under slos in steward.yaml, such as {name: answers, kind: availability, objective: 0.995}.",
            "/alerts",
        ),
        FirstStep(
            "Evaluate the model",
            gate,
            "steward eval gate --help",
            "A gate says whether a new model is as good as the one that serves.",
            "/evaluations",
        ),
        FirstStep(
            "Make a backup",
            backup,
            "steward backup steward-backup.tar",
            "And restore it once, somewhere else.",
            "/readiness",
        ),
    ]
