"""Access: keys, people, roles, sessions, and why somebody may do something."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import NO_FORM, Form, FormProblem, change_endpoint, csv_endpoint, show_page, take_form
from steward.console.pages.access_keys import TABS, list_key_endpoints
from steward.console.paging import MOST_LETTERS, match_words, take_page, write_address
from steward.console.shell import Handler, Page, page_endpoint
from steward.console.source import ConsoleSource
from steward.core.access import Grant, PersonSession, Place
from steward.core.endpoint import Endpoint
from steward.core.identity import Principal
from steward.security.access import merge_roles, parse_place
from steward.workflows import access, people
from steward.workflows.explain_access import explain_access
from steward.workflows.serve.endpoints import list_gateway_endpoints

PEOPLE_COLUMNS = ("id", "tenant", "groups", "roles", "created_at", "created_by", "disabled_at")
SESSION_COLUMNS = ("subject", "tenant", "groups", "method", "created_at", "expires_at")
GRANT_COLUMNS = ("subject", "role", "place", "created_at", "created_by")
DONE = {
    "added": "The user is added. Set a password with: steward users password NAME",
    "disabled": "The user is disabled, and so are the keys that the user created.",
    "enabled": "The user is enabled again.",
    "granted": "The role is granted.",
    "removed": "The role is removed. Its rights end within a second.",
    "ended": "The session is ended.",
}


def page(source: ConsoleSource) -> Page:
    endpoints = (
        *list_key_endpoints(source),
        *_list_people_endpoints(source),
        *_list_role_endpoints(source),
        *_list_session_endpoints(source),
        _explain_endpoint(source),
    )
    return Page(endpoints, title="Access", group="Govern", words="keys people roles sessions explain")


def _list_people_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    def list_people(request: Request, who: Principal, words: str) -> list[access.PersonView]:
        tenant = None if who.kind == "operator" else who.tenant
        grants = source.store.access.list_grants(tenant=tenant)
        persons = [access.view_person(one, grants) for one in source.store.access.list_people(tenant=tenant)]
        return [one for one in persons if match_words(words, one.id, *one.groups, *one.roles)]

    def list_rows(request: Request, who: Principal) -> list[access.PersonView]:
        return list_people(request, who, request.query_params.get("words", ""))

    async def show(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        def compute() -> dict[str, object]:
            query, persons = dict(request.query_params), list_people(request, who, "")
            kept = list_people(request, who, query.get("words", ""))
            roles = list(merge_roles(source.store.access.list_roles()))
            return {"page": take_page(kept, query, "/access/people"), "total": len(persons), "roles": roles}

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "access_people.html", compute, problem, form=form, tabs=TABS, done=done
        )

    async def add(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            groups = [part.strip() for part in form.get("groups", "").split(",") if part.strip()]
            role = form.get("role", "") or None
            name = form.get("name", "").strip()
            access.add_person(source.home, name, source.clock(), actor=actor, groups=groups, role=role)
            return "/access/people?done=added"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    async def switch(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            enable = form.get("act") == "enable"
            access.disable_person(source.home, form.get("name", ""), source.clock(), actor=actor, enable=enable)
            return f"/access/people?done={'enabled' if enable else 'disabled'}"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    return (
        page_endpoint("/access/people", "access.read", show, tenancy="principal"),
        csv_endpoint("/access/people", "access.read", "principal", PEOPLE_COLUMNS, list_rows),
        change_endpoint("/access/people", "people.manage", add, "principal"),
        change_endpoint("/access/people/state", "people.manage", switch, "principal"),
    )


def _list_role_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    def list_grants(who: Principal, words: str) -> list[Grant]:
        grants = source.store.access.list_grants(tenant=None if who.kind == "operator" else who.tenant)
        return [one for one in grants if match_words(words, one.subject, one.role, str(one.place))]

    def list_rows(request: Request, who: Principal) -> list[Grant]:
        return list_grants(who, request.query_params.get("words", ""))

    async def show(
        request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        def compute() -> dict[str, object]:
            query, grants = dict(request.query_params), list_grants(who, "")
            kept = list_grants(who, query.get("words", ""))
            roles = sorted(merge_roles(source.store.access.list_roles()).values(), key=lambda role: not role.built_in)
            return {"page": take_page(kept, query, "/access/roles"), "total": len(grants), "roles": roles}

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(
            source, request, who, "access_roles.html", compute, problem, form=form, tabs=TABS, done=done
        )

    async def grant(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            place = _read_place(actor, form)
            subject = form.get("subject", "").strip()
            access.grant_role(source.home, subject, form.get("role", ""), place, source.clock(), actor=actor)
            return "/access/roles?done=granted"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    async def remove(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            place, subject = _read_place(actor, form), form.get("subject", "")
            access.remove_grants(source.home, subject, form.get("role", ""), place, source.clock(), actor=actor)
            return "/access/roles?done=removed"

        return await take_form(request, who, act, lambda form, problem: show(request, who, form, problem))

    return (
        page_endpoint("/access/roles", "access.read", show, tenancy="principal"),
        csv_endpoint("/access/roles", "access.read", "principal", GRANT_COLUMNS, list_rows),
        change_endpoint("/access/grants", "access.manage", grant, "principal"),
        change_endpoint("/access/grants/remove", "access.manage", remove, "principal"),
    )


def _read_place(actor: Principal, form: Form) -> Place:
    text = form.get("at", "").strip()
    return parse_place(text, actor.tenant) if text else Place(actor.tenant)


def _list_session_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    def list_sessions(who: Principal, words: str) -> list[PersonSession]:
        sessions = people.list_sessions(source.store, source.clock(), actor=who)
        return [one for one in sessions if match_words(words, one.subject, one.method)]

    def list_rows(request: Request, who: Principal) -> list[PersonSession]:
        return list_sessions(who, request.query_params.get("words", ""))

    async def show(request: Request, who: Principal, problem: FormProblem | None = None) -> Response:
        def compute() -> dict[str, object]:
            query, sessions = dict(request.query_params), list_sessions(who, "")
            kept = list_sessions(who, query.get("words", ""))
            return {"page": take_page(kept, query, "/access/sessions"), "total": len(sessions)}

        done = DONE.get(request.query_params.get("done", ""), "")
        return await show_page(source, request, who, "access_sessions.html", compute, problem, tabs=TABS, done=done)

    async def end(request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            people.end_session(source.home, form.get("session", ""), source.clock(), actor=actor)
            return "/access/sessions?done=ended"

        return await take_form(request, who, act, lambda form, problem: show(request, who, problem))

    return (
        page_endpoint("/access/sessions", "access.read", show, tenancy="principal"),
        csv_endpoint("/access/sessions", "access.read", "principal", SESSION_COLUMNS, list_rows),
        change_endpoint("/access/sessions/end", "people.manage", end, "principal"),
    )


def _explain_endpoint(source: ConsoleSource) -> Endpoint[Handler[Principal]]:
    """The question stands in the address, so that an answer can be shared."""
    endpoints = list_gateway_endpoints()

    async def show(request: Request, who: Principal) -> Response:
        whom, what = (request.query_params.get(name, "").strip()[:MOST_LETTERS] for name in ("subject", "what"))

        def compute() -> dict[str, object]:
            if not (whom and what):
                return {"answer": None}
            return {
                "answer": explain_access(source.home, whom, what, source.clock(), actor=who, endpoints=endpoints),
                "trail": write_address("/audit", {"words": whom}),
            }

        return await show_page(source, request, who, "access_explain.html", compute, tabs=TABS, whom=whom, what=what)

    return page_endpoint("/access/explain", "access.read", show, tenancy="principal")
