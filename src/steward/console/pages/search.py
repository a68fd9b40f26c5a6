"""Search: jumps to a page, a key, a model, a route or a request. The command palette of the script asks here, too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from steward.console.paging import MOST_LETTERS
from steward.console.shell import NavigationItem, Page, page_endpoint, redirect, render_page
from steward.console.source import ConsoleSource, find_scope
from steward.core.identity import DEFAULT_TENANT, Principal

MOST: Final = 20
LEAST_OF_AN_ID: Final = 6


class SearchHit(NamedTuple):
    """Somewhere to go. `kind` is the word before it."""

    kind: str
    title: str
    path: str
    note: str = ""


def page(navigation: Sequence[NavigationItem], source: ConsoleSource | None) -> Page:
    async def search(request: Request, who: Principal) -> Response:
        text = request.query_params.get("q", "")[:MOST_LETTERS].strip()
        hits = match_pages(navigation, who, text)
        if source is not None and text:
            hits += await source.read(request, who, lambda: find_hits(source, who, text))
        if request.query_params.get("go") == "1" and len(hits) == 1:
            return redirect(hits[0].path)
        return render_page(request, "search.html", q=text, hits=hits[:MOST], more=max(0, len(hits) - MOST))

    return Page((page_endpoint("/search", "console.read", search, tenancy="principal"),))


def match_pages(navigation: Sequence[NavigationItem], who: Principal, text: str) -> list[SearchHit]:
    """Pages whose title or words have all words of `text`; all pages without it. Titles first."""
    words = text.casefold().split()
    open_items = [item for item in navigation if item.is_open_to(who)]
    by_title = [item for item in open_items if all(word in item.title.casefold() for word in words)]
    by_words = [
        item
        for item in open_items
        if item not in by_title and all(word in f"{item.title} {item.words}".casefold() for word in words)
    ]
    return [SearchHit("Page", item.title, item.path, item.group) for item in (*by_title, *by_words)]


def find_hits(source: ConsoleSource, who: Principal, text: str) -> list[SearchHit]:
    """Models, routes, keys and the request of an id, as far as `who` may see them. It blocks."""
    wanted, scope = text.casefold(), find_scope(who)
    hits = []
    if who.has("usage.read") and len(text) >= LEAST_OF_AN_ID and " " not in text:
        trace = source.store.traces.find(text, tenant=scope)
        if trace is not None:
            note = f"{trace.model or 'no model'}, {trace.outcome}"
            hits.append(SearchHit("Request", trace.request_id, f"/requests/{quote(trace.request_id, safe='')}", note))
    if who.tenant == DEFAULT_TENANT:
        plan = source.plan()
        for kind, names in (
            ("model", [model.name for model in plan.models]),
            ("route", [route.name for route in plan.routes]),
        ):
            hits += [
                SearchHit(kind.capitalize(), name, f"/traffic?{urlencode({kind: name})}")
                for name in names
                if wanted in name.casefold()
            ]
    if who.has("keys.read"):
        hits += [
            SearchHit("Key", key.name, f"/traffic?{urlencode({'key': key.id})}", key.id)
            for key in source.keys.list_keys(tenant=scope)
            if wanted in key.name.casefold() or key.id.startswith(text)
        ]
    return hits
