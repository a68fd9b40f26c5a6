"""The registry: versions of models by what they hold, the aliases that name them, and who moved which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from steward.console.handlers import csv_endpoint, show_page
from steward.console.paging import match_words, take_page
from steward.console.shell import Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.excerpts import cut_digest
from steward.core.identity import Principal
from steward.workflows.registry import VersionView, list_views

COLUMNS: Final = (
    *("served", "version.name", "version.digest", "version.kind", "aliases", "in_use", "version.created_at"),
    *("version.created_by", "version.tainted", "version.held"),
)
MOST_MOVES: Final = 50


def page(source: ConsoleSource) -> Page:
    async def show(request: Request, who: Principal) -> Response:
        return await show_page(
            source, request, who, "registry.html", lambda: describe(source, dict(request.query_params), who)
        )

    def list_rows(request: Request, who: Principal) -> list[VersionView]:
        return filter_versions(source, request.query_params, who)

    return Page(
        (
            page_endpoint("/registry", "console.read", show, tenancy="principal"),
            csv_endpoint("/registry", "console.read", "principal", COLUMNS, list_rows),
        ),
        title="Model registry",
        group="Improve",
        words="versions aliases champion digest lineage tainted",
    )


def describe(source: ConsoleSource, query: dict[str, str], who: Principal) -> dict[str, Any]:
    """The values of registry.html."""
    tenant, words = find_scope(who), query.get("words", "")
    views = filter_versions(source, query, who)
    moves = sorted(source.store.registry.list_moves(tenant=tenant), key=lambda move: -move.at)
    return {
        "page": take_page(views, query, "/registry"),
        "made_from": {one.served: describe_origin(one) for one in views},
        "moves": [move for move in moves if match_words(words, move.name, move.alias)][:MOST_MOVES],
    }


def filter_versions(source: ConsoleSource, query: Mapping[str, str], who: Principal) -> list[VersionView]:
    words = query.get("words", "")
    return [
        one
        for one in list_views(source.home, source.store, tenant=find_scope(who))
        if match_words(words, one.served, one.version.kind, *one.aliases)
    ]


def describe_origin(view: VersionView) -> str:
    """What a version was made from, in a few words; empty where nobody said."""
    details = view.version.details
    base, data = details.get("base"), details.get("dataset")
    parts = [str(details.get("trainer") or "")]
    parts += [f"base {base['name']}"] if isinstance(base, dict) and base.get("name") else []
    digest = cut_digest(str(data.get("digest") or "")) if isinstance(data, dict) else ""
    parts += [f"data {digest}"] if digest else []
    return ", ".join(part for part in parts if part)
