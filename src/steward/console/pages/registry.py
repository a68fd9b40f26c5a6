"""The registry: versions of models by what they hold, the aliases that name them, and who moved which."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import show_page
from steward.console.paging import match_words, take_page
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.identity import Principal
from steward.workflows.registry import VersionView, list_views

MOST_MOVES: Final = 50


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return await show_page(
            source, request, who, "registry.html", lambda: describe(source, dict(request.query_params), who)
        )

    return Page(
        (page_endpoint("/registry", "console.read", show, tenancy="principal"),),
        title="Model registry",
        group="Improve",
        words="versions aliases champion digest lineage tainted",
    )


def describe(source: ConsoleSource, query: dict[str, str], who: Principal) -> dict[str, Any]:
    """The values of registry.html."""
    tenant, words = find_scope(who), query.get("words", "")
    views = [
        one
        for one in list_views(source.home, source.store, tenant=tenant)
        if match_words(words, one.served, one.version.kind, *one.aliases)
    ]
    moves = sorted(source.store.registry.list_moves(tenant=tenant), key=lambda move: -move.at)
    return {
        "page": take_page(views, query, "/registry"),
        "made_from": {one.served: describe_origin(one) for one in views},
        "moves": [move for move in moves if match_words(words, move.name, move.alias)][:MOST_MOVES],
    }


def describe_origin(view: VersionView) -> str:
    """What a version was made from, in a few words; empty where nobody said."""
    details = view.version.details
    base, data = details.get("base"), details.get("dataset")
    parts = [str(details.get("trainer") or "")]
    parts += [f"base {base['name']}"] if isinstance(base, dict) and base.get("name") else []
    digest = str(data.get("digest") or "").removeprefix("sha256:")[:12] if isinstance(data, dict) else ""
    parts += [f"data {digest}"] if digest else []
    return ", ".join(part for part in parts if part)
