"""Keys: all of them, one, and what is done with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from steward.console.cached_keys import CachedKeys
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
from steward.console.paging import match_words, take_page
from steward.console.shell import FormTooLarge, Handler, page_endpoint, read_form, render_page
from steward.console.source import ConsoleSource
from steward.core.durations import parse_span_s
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import KEY_RIGHTS, Principal
from steward.core.keys import KeyRecord
from steward.core.records import LimitSpec, Priority
from steward.workflows import keys
from steward.workflows.key_terms import make_terms
from steward.workflows.key_views import find_state, is_visible

TABS: Final = (
    ("Keys", "/access"),
    ("People", "/access/people"),
    ("Roles", "/access/roles"),
    ("Sessions", "/access/sessions"),
    ("Explain", "/access/explain"),
)
STATES: Final = ("valid", "expired", "not yet valid", "revoked")
PRIORITIES: Final[tuple[Priority, ...]] = ("normal", "high", "low")
DONE: Final = {
    "revoked": "The key is revoked. Workers refuse it within a second.",
}


COLUMNS: Final = (
    *("id", "name", "tenant", "project", "team", "rights", "models", "networks", "created_by", "created_at"),
    *("expires_at", "revoked_at", "revoked_by", "usd_per_day", "usd_per_month"),
)


class KeyPages:
    """Handlers of the pages of keys."""

    def __init__(self, source: ConsoleSource) -> None:
        self._source, self._keys = source, source.keys

    async def show_keys(
        self, request: Request, who: Principal, form: Form = NO_FORM, problem: FormProblem | None = None
    ) -> Response:
        return await show_page(
            self._source,
            request,
            who,
            "access_keys.html",
            lambda: _list_keys(self._source, self._keys, request, who),
            problem,
            form=form,
            tabs=TABS,
            done=DONE.get(request.query_params.get("done", ""), ""),
            offered=sorted(who.rights - {"public"}),
            usual=KEY_RIGHTS,
            priorities=PRIORITIES,
        )

    async def show_key(self, request: Request, who: Principal, problem: FormProblem | None = None) -> Response:
        source, name = self._source, request.path_params["key"]

        def compute() -> dict[str, Any]:
            return {"key": keys.show(source.home, name, source.clock(), actor=who), "now": source.clock()}

        return await show_page(source, request, who, "access_key.html", compute, problem, tabs=TABS)

    async def create(self, request: Request, who: Principal) -> Response:
        """The new key is part of the answer itself: it is shown once, and stands in no address."""
        form: Form = NO_FORM
        try:
            form = await read_form(request)
            created = await asyncio.to_thread(_create, self._source, with_reason(who, form), form)
        except (FormTooLarge, StewardError) as error:
            return await self.show_keys(request, who, form, describe_problem(error))
        return render_page(request, "access_new_key.html", 201, created=created, tabs=TABS)

    async def rotate(self, request: Request, who: Principal) -> Response:
        source, name = self._source, request.path_params["key"]
        try:
            form = await read_form(request)
            actor, overlap_s = with_reason(who, form), parse_span_s(form.get("overlap", "24h"), "overlap")
            rotated = await asyncio.to_thread(
                lambda: keys.rotate(source.home, name, source.clock(), overlap_s, actor=actor)
            )
        except (FormTooLarge, StewardError) as error:
            return await self.show_key(request, who, describe_problem(error))
        return render_page(request, "access_new_key.html", 201, created=rotated, tabs=TABS)

    async def revoke(self, request: Request, who: Principal) -> Response:
        def act(actor: Principal, form: Form) -> str:
            keys.revoke(self._source.home, request.path_params["key"], self._source.clock(), actor=actor)
            return "/access?done=revoked"

        return await take_form(request, who, act, lambda form, problem: self.show_key(request, who, problem))


def list_key_endpoints(source: ConsoleSource) -> tuple[Endpoint[Handler[Principal]], ...]:
    pages = KeyPages(source)

    def list_rows(request: Request, who: Principal) -> list[KeyRecord]:
        return [one for _, one in _filter_keys(source.keys, request.query_params, source.clock(), who)[1]]

    return (
        page_endpoint("/access", "keys.read", pages.show_keys, tenancy="project"),
        csv_endpoint("/access", "keys.read", "project", COLUMNS, list_rows),
        change_endpoint("/access/keys", "keys.manage", pages.create, "project"),
        page_endpoint("/access/keys/{key}", "keys.read", pages.show_key, tenancy="project"),
        change_endpoint("/access/keys/{key}/rotate", "keys.manage", pages.rotate, "project"),
        change_endpoint("/access/keys/{key}/revoke", "keys.manage", pages.revoke, "project"),
    )


def _list_keys(source: ConsoleSource, keys: CachedKeys, request: Request, who: Principal) -> dict[str, Any]:
    """Newest first, without what each may do now: that takes the rights of all creators."""
    query, now = dict(request.query_params), source.clock()
    total, kept = _filter_keys(keys, query, now, who)
    page = take_page(kept, query, "/access")
    used = source.store.keys.last_uses(tenant=None if who.kind == "operator" else who.tenant)
    rows = [
        {
            "state": state,
            "path": f"/access/keys/{quote(one.id, safe='')}",
            "id": one.id,
            "name": one.name,
            "team": one.team or "–",
            "project": one.project,
            "tenant": one.tenant,
            "created_by": one.created_by,
            "expires_at": one.expires_at,
            "last_used_at": used.get(one.id),
        }
        for state, one in page.rows
    ]
    return {"page": page, "rows": rows, "total": total, "states": STATES, "now": now}


def _filter_keys(
    keys: CachedKeys, query: Mapping[str, str], now: float, who: Principal
) -> tuple[int, list[tuple[str, KeyRecord]]]:
    """How many there are, and those that the query asks for, with their states."""
    records = keys.list_keys(tenant=None if who.kind == "operator" else who.tenant)
    mine = [(find_state(one, now), one) for one in reversed(records) if is_visible(one, who)]
    words, wanted = query.get("words", ""), query.get("state", "")
    kept: list[tuple[str, KeyRecord]] = [
        (state, one)
        for state, one in mine
        if (not wanted or state == wanted)
        and match_words(words, one.id, one.name, one.team, one.project, one.created_by)
    ]
    return len(mine), kept


def _create(source: ConsoleSource, actor: Principal, form: Form) -> keys.CreatedKey:
    """As `steward keys create`. :raises InputError: what is written in the form is no such thing"""
    now = source.clock()
    limits = LimitSpec(
        requests_per_minute=_read_count(form, "rpm"),
        tokens_per_minute=_read_count(form, "tpm"),
        usd_per_day=_read_usd(form, "usd_per_day"),
        usd_per_month=_read_usd(form, "usd_per_month"),
    )
    terms = make_terms(
        now,
        expires=form.get("expires", "").strip() or None,
        rights=[name.removeprefix("right:") for name in form if name.startswith("right:")],
        models=_split(form, "models") or None,
        networks=_split(form, "networks"),
    )
    priority = next((one for one in PRIORITIES if one == form.get("priority", "normal")), None)
    if priority is None:
        raise UnknownName("priority", form.get("priority", ""), PRIORITIES)
    return keys.create(
        source.home,
        form.get("name", "").strip(),
        limits,
        now,
        actor=actor,
        project=form.get("project", "").strip() or None,
        team=form.get("team", "").strip() or None,
        priority=priority,
        terms=terms,
    )


def _split(form: Form, name: str) -> list[str]:
    return [part.strip() for part in form.get(name, "").split(",") if part.strip()]


def _read_count(form: Form, name: str) -> int | None:
    text = form.get(name, "").strip().replace(",", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InputError(f"{name} {cut_text(text)!r}: expected a whole number, such as 600, or nothing for no limit")
    return int(text)


def _read_usd(form: Form, name: str) -> float | None:
    text = form.get(name, "").strip().replace(",", "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(
            f"{name} {cut_text(text)!r}: expected an amount in US dollars, such as 25, or nothing for no limit"
        )
    return value
