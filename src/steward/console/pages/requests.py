"""Finding requests, and one request from its arrival to its end; its content for whoever may read it, with a reason."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from steward.console.csv_file import answer_csv
from steward.console.handlers import NO_FORM, Form, FormProblem, change_endpoint, describe_problem, with_reason
from steward.console.paging import MOST_LETTERS, read_number
from steward.console.reader import Reader
from steward.console.shell import FormTooLarge, Page, page_endpoint, read_form, redirect, render_page
from steward.console.source import ConsoleSource, find_scope, list_key_names
from steward.console.time_range import RANGES, TimeRange
from steward.core.errors import InputError, StewardError, UnknownName
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.core.records import ExchangeDetails, ExchangeFilter, ExchangeMatches
from steward.core.traces import Trace
from steward.web.waterfall import WaterfallBar, draw_waterfall
from steward.workflows.request_content import RequestContent, is_captured, read_request_content
from steward.workflows.request_item import make_request_item

PAGE: Final = 100  # rows
MOST: Final = 500
MOST_SAVED: Final = 10_000  # rows of a CSV file
COLUMNS: Final = (
    *("request_id", "at", "outcome", "status", "model", "route", "key_id", "input_tokens", "output_tokens", "usd"),
    *("ttft_s", "duration_s"),
)
VERSION_WORDS: Final = {
    "model_version": "Model version", "prompt_version": "Prompt version", "route_version": "Route version",
}  # fmt: skip
FIELDS: Final = ("id", "key", "subject", "model", "route", "outcome", "kept", *VERSION_WORDS)
KEPT: Final = {"": "All", "error": "Failed", "slow": "Slow", "flagged": "Flagged by a guard"}
OUTCOMES: Final = ("ok", "upstream_error", "client_closed", "timeout", "refused", "truncated", "lost")


class RequestReport(msgspec.Struct, frozen=True, kw_only=True):
    matches: ExchangeMatches
    key_names: dict[str, str]


class RequestStory(msgspec.Struct, frozen=True, kw_only=True):
    details: ExchangeDetails
    trace: Trace
    key_name: str
    captured: bool


class RequestPages:
    """Handlers of the list of requests and of one request."""

    def __init__(self, source: ConsoleSource) -> None:
        self._source = source

    async def find(self, request: Request, who: Principal) -> Response:
        source = self._source
        time, asked = source.find_range(request), read_fields(request)
        if asked["id"]:
            return redirect(f"/requests/{quote(asked['id'], safe='')}")
        limit = parse_limit(request.query_params.get("limit", ""))
        wanted = make_filter(asked, time)
        report = await source.read(request, who, lambda: read_report(source, who, wanted, limit))
        return render_page(request, "requests.html", time=time, **view(report, asked, time, limit))

    async def save(self, request: Request, who: Principal) -> Response:
        """The newest of what the page lists, with whole ids and numbers as they were measured."""
        wanted = make_filter(read_fields(request), self._source.find_range(request))
        report = await asyncio.to_thread(read_report, self._source, who, wanted, MOST_SAVED)
        rows = ([getattr(row, name) for name in COLUMNS] for row in report.matches.rows)
        return answer_csv("requests.csv", COLUMNS, rows)

    async def show(self, request: Request, who: Principal) -> Response:
        return await self.tell(request, who)

    async def tell(
        self,
        request: Request,
        who: Principal,
        content: RequestContent | None = None,
        problem: FormProblem | None = None,
        form: Form = NO_FORM,
    ) -> Response:
        name = read_name(request)
        story = await self._source.read(request, who, lambda: read_story(self._source, who, name))
        shown = {"content": content, "request_text": indent_json(content.request) if content is not None else ""}
        values = view_story(story, request.state.reader) | shown | {"problem": problem, "form": form}
        return render_page(request, "request.html", problem.code if problem else 200, **values)

    async def read_words(self, request: Request, who: Principal) -> Response:
        source, name, form = self._source, read_name(request), NO_FORM
        try:
            form = await read_form(request)
            actor, now, scope = with_reason(who, form), source.clock(), find_scope(who)
            content = await asyncio.to_thread(
                lambda: read_request_content(source.home, source.store, name, now, actor=actor, tenant=scope)
            )
        except UnknownName:
            raise
        except (FormTooLarge, StewardError) as error:
            return await self.tell(request, who, problem=describe_problem(error), form=form)
        return await self.tell(request, who, content, form=form)

    async def save_item(self, request: Request, who: Principal) -> Response:
        """The case as a line of a suite's items. It is the answer itself: people's words lie in no file of the home."""
        source, name, form = self._source, read_name(request), NO_FORM
        try:
            form = await read_form(request)
            actor, now, answer = with_reason(who, form), source.clock(), form.get("answer", "")
            item = await asyncio.to_thread(
                lambda: make_request_item(
                    source.home, source.store, name, answer, now, actor=actor, tenant=find_scope(who)
                )
            )
        except UnknownName:
            raise
        except (FormTooLarge, StewardError) as error:
            return await self.tell(request, who, problem=describe_problem(error), form=form)
        headers = {"Content-Disposition": 'attachment; filename="evaluation-item.jsonl"'}
        return Response(msgspec.json.encode(item) + b"\n", media_type="application/jsonl", headers=headers)


def page(source: ConsoleSource) -> Page:
    pages = RequestPages(source)
    return Page(
        (
            page_endpoint("/requests", "usage.read", pages.find, tenancy="project"),
            page_endpoint("/requests.csv", "usage.read", pages.save, tenancy="project"),
            page_endpoint("/requests/{request_id}", "usage.read", pages.show, tenancy="project"),
            change_endpoint("/requests/{request_id}/content", "content.read", pages.read_words, "project"),
            change_endpoint("/requests/{request_id}/item", "content.read", pages.save_item, "project"),
        ),
        title="Requests",
        group="Watch",
        words="exchanges traces timeline waterfall errors slow flagged",
    )


def read_name(request: Request) -> str:
    name: str = request.path_params["request_id"]
    return name[:MOST_LETTERS]


def read_fields(request: Request) -> dict[str, str]:
    """What the list is filtered by."""
    return {name: request.query_params.get(name, "").strip()[:MOST_LETTERS] for name in FIELDS}


def indent_json(text: str) -> str:
    """A request's body for a reader; as it is, where it is no JSON.

    >>> print(indent_json('{"model":"m"}'))
    {
      "model": "m"
    }
    """
    try:
        return msgspec.json.format(text)
    except msgspec.DecodeError:
        return text


def parse_limit(text: str) -> int:
    """:raises InputError: no number, or more rows than a page takes"""
    limit = read_number(text, 0) if text else PAGE
    if not 1 <= limit <= MOST:
        raise InputError(
            f"limit {cut_text(text)!r}: expected 1 to {MOST}; narrow the time or the filters, or take them all with "
            "`steward tail --json`"
        )
    return limit


def make_filter(asked: dict[str, str], time: TimeRange) -> ExchangeFilter:
    """:raises InputError: an outcome or a reason that there is not"""
    if asked["outcome"] and asked["outcome"] not in OUTCOMES:
        raise InputError(f"outcome {asked['outcome']!r}: expected one of {', '.join(OUTCOMES)}")
    kept = next((reason for reason in ("error", "slow", "flagged", "sampled") if reason == asked["kept"]), None)
    if asked["kept"] and kept is None:
        raise InputError(f"kept {asked['kept']!r}: expected error, slow or flagged")
    return ExchangeFilter(
        since=time.since,
        until=time.until,
        key_id=asked["key"] or None,
        subject=asked["subject"] or None,
        model=asked["model"] or None,
        route=asked["route"] or None,
        outcome=asked["outcome"] or None,
        kept_for=kept,
        model_version=asked.get("model_version") or None,
        prompt_version=asked.get("prompt_version") or None,
        route_version=read_version(asked.get("route_version", "")),
    )


def read_version(text: str) -> int | None:
    """:raises InputError: no number of a version"""
    version = read_number(text, None)
    if text and version is None:
        raise InputError(f"route version {cut_text(text)!r}: expected a whole number, such as 3")
    return version


def read_report(source: ConsoleSource, who: Principal, wanted: ExchangeFilter, limit: int) -> RequestReport:
    """It blocks. :raises Unavailable: the store does not answer"""
    scope = find_scope(who)
    names = list_key_names(source, who)
    by_name = {name: key for key, name in names.items()}
    wanted = msgspec.structs.replace(wanted, project=who.within)
    if wanted.key_id in by_name:
        wanted = msgspec.structs.replace(wanted, key_id=by_name[wanted.key_id])
    return RequestReport(matches=source.store.exchanges.find(wanted, limit, tenant=scope), key_names=names)


def read_story(source: ConsoleSource, who: Principal, request_id: str) -> RequestStory:
    """:raises UnknownName: there is none of this id that `who` may see, or it has not settled"""
    scope, store = find_scope(who), source.store
    details = store.exchanges.show(request_id, tenant=scope, project=who.within)
    trace = store.traces.find(request_id, tenant=scope, project=who.within)
    if details is None or trace is None:
        newest = [row.request_id for row in store.exchanges.tail(3, tenant=scope, project=who.within)]
        raise UnknownName("request", request_id, newest)
    names = list_key_names(source, who)
    return RequestStory(
        details=details,
        trace=trace,
        key_name=names.get(details.key_id, details.key_id),
        captured=is_captured(store, details, source.clock()),
    )


def view(report: RequestReport, asked: dict[str, str], time: TimeRange, limit: int) -> dict[str, Any]:
    """The values of requests.html."""
    kept = {name: value for name, value in asked.items() if value}
    return {
        "rows": report.matches.rows,
        "looked_at": report.matches.looked_at,
        "key_names": report.key_names,
        "asked": asked,
        "keep": kept,
        "ranges": RANGES,
        "reasons": [(name, words, time.query({**kept, "kept": name})) for name, words in KEPT.items()],
        "outcomes": OUTCOMES,
        "csv": time.query(kept),
        "versions": [
            (words, kept[name], time.query({**kept, name: ""})) for name, words in VERSION_WORDS.items() if name in kept
        ],
        "older": time.query({**kept, "limit": str(MOST)}) if len(report.matches.rows) == limit < MOST else "",
    }


def view_story(story: RequestStory, reader: Reader) -> dict[str, Any]:
    """The values of request.html."""
    trace, details = story.trace, story.details
    bars = [
        WaterfallBar(
            stage.name,
            stage.start_s,
            stage.duration_s,
            stage.detail,
            "d" if ":" in stage.detail or (stage.name == "settle" and details.outcome != "ok") else "a",
        )
        for stage in trace.stages
    ]
    return {
        "one": details,
        "trace": trace,
        "key_name": story.key_name,
        "captured": story.captured,
        "waterfall": Markup(draw_waterfall("Timeline", bars, reader.duration)),
    }
