"""Appeals: who objects to an answer, by when a person decides, and what was decided."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import (
    NO_FORM,
    Form,
    FormProblem,
    change_endpoint,
    csv_endpoint,
    describe_problem,
    show_page,
    take_form,
    with_reason,
)
from steward.console.paging import take_page
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form
from steward.console.source import ConsoleSource, find_scope
from steward.core.appeals import OUTCOMES
from steward.core.errors import StewardError
from steward.core.identity import Principal
from steward.workflows import appeals
from steward.workflows.appeals import Appeal, AppealWords

DONE: Final = {"decided": "The decision is kept. Tell the person: steward does not write to people."}
COLUMNS: Final = (
    *("id", "at", "decide_by", "state", "request_id", "model", "route", "project", "key_id", "decided_at"),
    *("decided_by", "outcome"),
)
STYLES: Final = {"open": "tell", "late": "bad", "upheld": "pass", "partly": "pass", "rejected": "na"}


def page(source: ConsoleSource) -> Page:
    async def show(
        request: Request,
        who: Principal,
        form: Form = NO_FORM,
        problem: FormProblem | None = None,
        words: AppealWords | None = None,
    ) -> Response:
        return await show_page(
            source,
            request,
            who,
            "appeals.html",
            lambda: _list(source, request, who),
            problem,
            form=form,
            words=words,
            done=DONE.get(request.query_params.get("done", ""), ""),
            outcomes=OUTCOMES,
            styles=STYLES,
        )

    async def read_words(request: Request, who: Principal) -> Response:
        """What somebody wrote, for whoever may read it and says why; the audit log has both."""
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            words = await asyncio.to_thread(_open, source, with_reason(who, form), form)
        except (FormTooLarge, StewardError) as error:
            return await show(request, who, form, describe_problem(error))
        return await show(request, who, {"appeal": words.id}, None, words)

    async def decide(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            appeals.answer_appeal(
                source.home,
                form.get("appeal", ""),
                form.get("outcome", ""),
                form.get("words", ""),
                source.clock(),
                actor=actor,
                tenant=find_scope(who),
                remedy=form.get("remedy", ""),
            )
            return "/appeals?done=decided"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    return Page(
        (
            page_endpoint("/appeals", "feedback.read", show, tenancy="principal"),
            csv_endpoint("/appeals", "feedback.read", "principal", COLUMNS, lambda _, who: _list_every(source, who)),
            change_endpoint("/appeals/words", "content.read", read_words, "principal"),
            change_endpoint("/appeals/decide", "approvals.decide", decide, "principal"),
        ),
        title="Appeals",
        group="Govern",
        words="complaints objections decide person human review",
    )


def _open(source: ConsoleSource, actor: Principal, form: Form) -> AppealWords:
    return appeals.open_appeal(source.home, form.get("appeal", ""), actor=actor, tenant=find_scope(actor))


def _list_every(source: ConsoleSource, who: Principal) -> list[Appeal]:
    return appeals.find_appeals(source.store, source.clock(), tenant=find_scope(who), every=True)


def _list(source: ConsoleSource, request: Request, who: Principal) -> dict[str, Any]:
    """Those that wait, the most urgent first, and the decided ones."""
    every = _list_every(source, who)
    waiting = sorted((one for one in every if one.outcome is None), key=lambda one: (one.decide_by, one.id))
    query = dict(request.query_params)
    return {
        "waiting": take_page(waiting, query, "/appeals"),
        "late": sum(one.state == "late" for one in waiting),
        "decided": take_page(
            [one for one in every if one.outcome is not None], {"page": query.get("decided", "")}, "/appeals"
        ),
    }
