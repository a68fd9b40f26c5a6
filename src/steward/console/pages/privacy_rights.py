"""People's rights: what is kept of one as an archive, erasure, legal holds, and breaches with their clock."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import (
    NO_FORM,
    Form,
    FormProblem,
    change_endpoint,
    describe_problem,
    show_page,
    take_form,
    with_reason,
)
from steward.console.paging import take_page
from steward.console.shell import FormTooLarge, Handler, page_endpoint, read_form, render_page
from steward.console.source import ConsoleSource
from steward.core.acts import RecordedAct
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, StewardError
from steward.core.identity import Principal
from steward.workflows.audit import find_acts
from steward.workflows.rights.breaches import list_breaches
from steward.workflows.rights.erase import erase_person
from steward.workflows.rights.export import export_person, write_export
from steward.workflows.rights.holds import add_hold, list_holds, release_hold

TABS: Final = (("Guards", "/privacy"), ("People's rights", "/privacy/rights"), ("Retention", "/privacy/retention"))
REQUESTS: Final = {
    "privacy.export": "given what is kept",
    "privacy.erase": "erased",
    "privacy.correct": "corrected",
}
DONE: Final = {
    "held": "It is held: neither erased nor swept until it is released.",
    "released": "The hold is released.",
}


MOST_REQUESTS: Final = 20


def find_requests(home: Path, who: Principal) -> list[RecordedAct] | None:
    """What was done for people in the actor's tenant, newest first; None: for whoever may read the audit log."""
    if not who.has("audit.read"):
        return None
    tenant = None if who.kind == "operator" else who.tenant
    return list(find_acts(home, lambda act: act.action in REQUESTS, MOST_REQUESTS, tenant=tenant).acts)


def _read_field(form: Form, name: str) -> str | None:
    """What somebody wrote there; None: nothing."""
    return form.get(name, "").strip() or None


class RightsPages:
    """Handlers of the page of people's rights."""

    def __init__(self, source: ConsoleSource) -> None:
        self._source = source

    async def show(
        self, request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        source = self._source

        def compute() -> dict[str, Any]:
            query, now = dict(request.query_params), source.clock()
            holds = list_holds(source.home, now, actor=who)
            breaches = list_breaches(source.home, now, actor=who)
            return {
                "holds": take_page(holds, query, "/privacy/rights"),
                "breaches": take_page(breaches, {"page": query.get("breaches", "")}, "/privacy/rights"),
                "requests": find_requests(source.home, who),
                "acts": REQUESTS,
                "now": now,
            }

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "privacy_rights.html", compute, problem, form=form, tabs=TABS, done=done
        )

    async def export(self, request: Request, who: Principal) -> Response:
        """The archive itself is the answer; nothing of it stays on this machine."""
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            archive = await asyncio.to_thread(self.make_archive, with_reason(who, form), form)
        except (FormTooLarge, StewardError) as error:
            return await self.show(request, who, form, describe_problem(error))
        headers = {"Content-Disposition": 'attachment; filename="person.zip"'}
        return Response(archive, media_type="application/zip", headers=headers)

    def make_archive(self, actor: Principal, form: Form) -> bytes:
        source = self._source
        export = export_person(
            source.home, form.get("name", ""), source.clock(), actor=actor, project=_read_field(form, "project")
        )
        with tempfile.TemporaryDirectory(prefix="steward-export-") as folder:
            archive = Path(folder) / "person.zip"
            write_export(export, archive)
            return archive.read_bytes()

    async def erase(self, request: Request, who: Principal) -> Response:
        """The name must be typed twice: what is erased does not come back."""
        form, source = NO_FORM, self._source
        try:
            form = await read_form(request)
            if form.get("name", "") != form.get("again", ""):
                raise InputError("the two names differ, and nothing was erased; type the same name twice")
            actor, project = with_reason(who, form), _read_field(form, "project")
            name = form.get("name", "")
            erasure = await asyncio.to_thread(
                lambda: erase_person(source.home, name, source.clock(), actor=actor, project=project)
            )
        except (FormTooLarge, StewardError) as error:
            return await self.show(request, who, form, describe_problem(error))
        return render_page(request, "privacy_erased.html", tabs=TABS, erasure=erasure)

    async def hold(self, request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            name, project = _read_field(form, "name"), _read_field(form, "project")
            add_hold(self._source.home, name, form.get("why", ""), self._source.clock(), actor=actor, project=project)
            return "/privacy/rights?done=held"

        return await take_form(request, who, act, lambda form, problem: self.show(request, who, form, problem))

    async def release(self, request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            release_hold(self._source.home, form.get("hold", ""), self._source.clock(), actor=actor)
            return "/privacy/rights?done=released"

        return await take_form(request, who, act, lambda form, problem: self.show(request, who, form, problem))


def list_rights_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    pages = RightsPages(source)
    return (
        page_endpoint("/privacy/rights", "privacy.read", pages.show, tenancy="principal"),
        change_endpoint("/privacy/rights/export", "privacy.manage", pages.export, "principal"),
        change_endpoint("/privacy/rights/erase", "privacy.manage", pages.erase, "principal"),
        change_endpoint("/privacy/rights/hold", "privacy.manage", pages.hold, "principal"),
        change_endpoint("/privacy/rights/release", "privacy.manage", pages.release, "principal"),
    )
