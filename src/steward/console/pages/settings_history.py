"""What served when: versions of the settings, how two differ, going back to one; and changes that wait for approval."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import Form, FormProblem, change_endpoint, csv_endpoint, show_page, take_form
from steward.console.paging import match_words, read_number, take_page
from steward.console.shell import Handler, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.workflows import approvals, change_settings, history, reload
from steward.workflows.history import ConfigVersion

TABS: Final = (("Values", "/settings"), ("History", "/settings/history"), ("Approvals", "/settings/approvals"))
DONE: Final = {
    "applied": "The change is saved, and all workers serve it.",
    "rolled-back": "The earlier version serves again.",
    "approved": "You approved the change.",
    "rejected": "You rejected the change.",
}
COLUMNS: Final = ("version", "at", "by", "outcome", "note", "digest")
_MOST: Final = 1000


def list_history_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    def list_rows(request: Request, who: Principal) -> list[ConfigVersion]:
        return _filter(history.list_versions(source.home)[::-1], request.query_params.get("words", ""))

    async def show(request: Request, who: Principal, problem: FormProblem | None = None) -> Response:
        def compute() -> dict[str, Any]:
            query = dict(request.query_params)
            versions = history.list_versions(source.home)[::-1]
            kept = _filter(versions, query.get("words", ""))
            served = [one.version for one in versions if one.outcome == "serving"]
            before = dict(pairwise(served))
            page = take_page(kept, query, "/settings/history")
            return {"page": page, "serving": served[0] if served else 0, "before": before, "total": len(versions)}

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(source, request, who, "settings_history.html", compute, problem, tabs=TABS, done=done)

    async def diff(request: Request, who: Principal) -> Response:
        first, second = (read_number(request.query_params.get(name, ""), 0) for name in ("from", "to"))

        def compute() -> dict[str, Any]:
            return {"lines": history.diff_versions(source.home, first, second), "first": first, "second": second}

        return await show_page(source, request, who, "settings_diff.html", compute, tabs=TABS)

    async def roll_back(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            version = read_number(form.get("version", ""), 0)
            change_settings.roll_back(source.home, version, actor=actor)
            return "/models?done=undone" if form.get("back") == "/models" else "/settings/history?done=rolled-back"

        return await take_form(request, who, act, lambda form, problem: show(request, who, problem))

    return (
        page_endpoint("/settings/history", "console.read", show, tenancy="deployment"),
        csv_endpoint("/settings/history", "console.read", "deployment", COLUMNS, list_rows),
        page_endpoint("/settings/diff", "config.manage", diff, tenancy="deployment"),
        change_endpoint("/settings/rollback", "config.manage", roll_back, "deployment"),
        *_list_approval_endpoints(source),
    )


def _filter(versions: Sequence[ConfigVersion], words: str) -> list[ConfigVersion]:
    return [one for one in versions if match_words(words, str(one.version), one.by, one.note)]


def _list_approval_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    async def show_all(request: Request, who: Principal) -> Response:
        def compute() -> dict[str, Any]:
            query = dict(request.query_params)
            views = approvals.list_approvals(
                source.home, source.clock(), _MOST, actor=who, all_states=query.get("state") == "all"
            )
            rules = source.plan().approval_policy if (source.home / "run" / "plan.json").exists() else None
            return {"page": take_page(views, query, "/settings/approvals"), "rules": rules}

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(source, request, who, "settings_approvals.html", compute, tabs=TABS, done=done)

    async def show_one(request: Request, who: Principal, problem: FormProblem | None = None) -> Response:
        def compute() -> dict[str, Any]:
            name = request.path_params["approval"]
            return {"view": approvals.show_approval(source.home, name, source.clock(), actor=who)}

        return await show_page(source, request, who, "settings_approval.html", compute, problem, tabs=TABS)

    async def decide(request: Request, who: Principal) -> Response:
        name = request.path_params["approval"]

        def act(actor: Principal, form: Form) -> str:
            verdict = form.get("verdict", "")
            if verdict not in ("approve", "reject"):
                raise InputError(f"verdict {cut_text(verdict)!r}: expected approve or reject")
            approvals.decide(
                source.home, name, "approve" if verdict == "approve" else "reject", source.clock(), actor=actor
            )
            return f"/settings/approvals?state=all&done={'approved' if verdict == 'approve' else 'rejected'}"

        return await take_form(request, who, act, lambda form, problem: show_one(request, who, problem))

    async def apply(request: Request, who: Principal) -> Response:
        name = request.path_params["approval"]

        def act(actor: Principal, form: Form) -> str:
            config = reload.read_source(source.home)
            change_settings.apply_approved(config, source.home, name, source.clock(), actor=actor)
            return "/settings?done=applied"

        return await take_form(request, who, act, lambda form, problem: show_one(request, who, problem))

    return (
        page_endpoint("/settings/approvals", "approvals.read", show_all, tenancy="principal"),
        page_endpoint("/settings/approvals/{approval}", "approvals.read", show_one, tenancy="principal"),
        change_endpoint("/settings/approvals/{approval}/decide", "approvals.decide", decide, "principal"),
        change_endpoint("/settings/approvals/{approval}/apply", "config.manage", apply, "deployment"),
    )
