"""All runs, one run's items, two runs side by side, and a search through all of them.

What is marked up here was escaped by the functions of the reports that made it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from steward.console.paging import read_number
from steward.console.shell import Handler, page_endpoint, render
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError
from steward.core.identity import Principal
from steward.evaluation.item_list import ListedItem, render_item
from steward.evaluation.numbers import format_number
from steward.evaluation.report import COMPARISON_COLUMNS, comparison_row
from steward.evaluation.run_page import render_facts
from steward.evaluation.run_shelf import RunShelf, ShelvedRun, filter_items
from steward.evaluation.score import Score
from steward.evaluation.spend import format_date
from steward.web.page import table

PAGE: Final = 50  # items
MOST_FOUND: Final = 200
_LENGTH: Final = 20_000  # characters of a text


def endpoints(shelf: RunShelf) -> list[Endpoint[Handler[Principal]]]:
    """All of them read, in threads: a large run takes a while to score."""

    def page(path: str, make: Callable[[Request], Response]) -> Endpoint[Handler[Principal]]:
        async def show(request: Request, _: Principal) -> Response:
            try:
                return await asyncio.to_thread(make, request)
            except InputError as error:
                return render("view_message.html", 404, heading="This cannot be shown", words=str(error))

        return page_endpoint(path, "console.read", show)

    def show_runs(request: Request) -> Response:
        return render("view_runs.html", rows=[_run_row(one) for one in shelf.list_runs()])

    def show_run(request: Request) -> Response:
        opened = shelf.open_run(request.query_params.get("name", ""))
        return render(
            "view_run.html",
            name=opened.name,
            title=f"{opened.run.manifest.model} on {opened.run.manifest.suite.name}",
            scores=[_score_row(score) for score in opened.results.scores],
            facts=Markup(render_facts([opened.run])),
            warnings=opened.results.warnings,
            **_choose_items(request, opened.items, "/run", {"name": opened.name}),
        )

    def show_comparison(request: Request) -> Response:
        names = {side: request.query_params.get(side, "") for side in ("baseline", "candidate")}
        both = shelf.compare(names["baseline"], names["candidate"])
        wholes = table(COMPARISON_COLUMNS, [comparison_row(row) for row in both.found.wholes])
        slices = table(COMPARISON_COLUMNS, [comparison_row(row) for row in both.found.slices])
        return render(
            "view_comparison.html",
            wholes=Markup(wholes),
            slices=Markup(slices) if both.found.slices else "",
            same_prompts=both.found.same_prompts,
            **names,
            **_choose_items(request, both.items, "/compare", names),
        )

    def show_search(request: Request) -> Response:
        words = request.query_params.get("words", "")
        found = shelf.search(words, MOST_FOUND) if words.split() else []
        rows = [(one.run, _render(one.item)) for one in found]
        return render("view_search.html", words=words, rows=rows, most=MOST_FOUND)

    return [
        page("/", show_runs),
        page("/run", show_run),
        page("/compare", show_comparison),
        page("/search", show_search),
    ]


def _run_row(one: ShelvedRun) -> dict[str, object]:
    if one.results is None:
        return {"name": one.name, "problem": one.problem}
    return {
        "name": one.name,
        "query": urlencode({"name": one.name}),
        "suite": one.results.suite,
        "model": one.results.model,
        "asked": format_date(one.asked_at) if one.asked_at else "",
        "items": one.results.items,
        "failed": len(one.results.errored),
        "scores": [_score_row(score) for score in one.results.scores],
    }


def _score_row(score: Score) -> dict[str, object]:
    ends = [format_number(end) for end in (score.low, score.high)]
    return {
        "metric": score.metric,
        "value": format_number(score.value) or "–",
        "interval": f"{ends[0]} to {ends[1]}" if None not in ends else "no interval",
        "n": score.n,
    }


def _choose_items(request: Request, items: Sequence[ListedItem], path: str, fixed: dict[str, str]) -> dict[str, object]:
    """What a list of items shows: those that the filter keeps, a page of them, and links to the pages beside it."""
    words, state = request.query_params.get("words", ""), request.query_params.get("state", "")
    kept = filter_items(items, words, state)
    last = max(1, math.ceil(len(kept) / PAGE))
    at = min(max(1, read_number(request.query_params.get("page", ""), 1)), last)
    query = {**fixed, "words": words, "state": state}
    states = list(dict.fromkeys(item.state for item in items))
    return {
        "items": [_render(item) for item in kept[(at - 1) * PAGE : at * PAGE]],
        "shown": len(kept),
        "total": len(items),
        "states": [(each, sum(item.state == each for item in items)) for each in states],
        "state": state,
        "words": words,
        "fixed": fixed,
        "path": path,
        "at": at,
        "last": last,
        "before": f"{path}?{urlencode({**query, 'page': at - 1})}" if at > 1 else "",
        "after": f"{path}?{urlencode({**query, 'page': at + 1})}" if at < last else "",
    }


def _render(item: ListedItem) -> Markup:
    return Markup(render_item(item, _LENGTH))
