"""Usage and money: who used what, what is left of budgets, what the month will cost, and a provider's bill."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from steward.console.csv_file import answer_csv
from steward.console.handlers import FormProblem, describe_problem, show_page
from steward.console.paging import PAGE_ROWS, match_words, take_page, write_address
from steward.console.reader import Reader
from steward.console.shell import FormTooLarge, Page, page_endpoint
from steward.console.source import ConsoleSource, find_scope
from steward.core.endpoint import Endpoint
from steward.core.errors import InputError, StewardError
from steward.core.excerpts import cut_text
from steward.core.identity import Principal
from steward.core.series import DAY_S, MOST_GROUPS, OTHER, start_of
from steward.gateway.limit_table import LimitTable
from steward.gateway.reconcile import Reconciliation
from steward.monitoring.spend import HISTORY_DAYS, find_month, forecast_month
from steward.web.charts import ChartSeries, bar_chart
from steward.workflows.reconcile import reconcile
from steward.workflows.spend import GROUPS, KeyLister, SpendGroup, SpendRow, list_budgets, sum_spend

SPANS: Final = {"7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days", "month": "This month"}
EXPORT_LIMIT: Final = 16 << 20  # bytes of a provider's export
COLUMNS: Final = ("name", "id", "requests", "failed", "input_tokens", "output_tokens", "usd")


def page(source: ConsoleSource) -> Page:
    keys = source.keys

    async def show(
        request: Request, who: Principal, problem: FormProblem | None = None, check: Reconciliation | None = None
    ) -> Response:
        def compute() -> dict[str, Any]:
            return _describe(source, keys, request, who)

        return await show_page(
            source, request, who, "usage.html", compute, problem, check=check, groups=GROUPS, spans=SPANS
        )

    async def save(request: Request, who: Principal) -> Response:
        by, since = read_group(request), _find_start(request, source.clock())
        rows = await asyncio.to_thread(_sum, source, keys, by, since, who)
        named = ([_name(row, by, request.state.reader), row.id, *row[2:]] for row in rows)
        return answer_csv(f"usage-by-{by}.csv", COLUMNS, named)

    async def compare(request: Request, who: Principal) -> Response:
        try:
            export, tolerance = await read_export_form(request, EXPORT_LIMIT)
            check = await asyncio.to_thread(_reconcile, source, export, tolerance)
        except (FormTooLarge, StewardError) as error:
            return await show(request, who, describe_problem(error))
        return await show(request, who, None, check)

    return Page(
        (
            page_endpoint("/usage", "usage.read", show, tenancy="project"),
            page_endpoint("/usage.csv", "usage.read", save, tenancy="project"),
            Endpoint(
                method="POST",
                path="/usage/reconcile",
                permission="usage.read",
                tenancy="deployment",
                guards="none",
                audit="none",  # nothing is changed or kept
                max_body_bytes=EXPORT_LIMIT,
                handler=compare,
            ),
        ),
        title="Usage & money",
        group="Run",
        words="cost budget spend tokens csv reconcile",
    )


def read_group(request: Request) -> SpendGroup:
    asked = request.query_params.get("by", "model")
    return next((group for group in GROUPS if group == asked), "model")


def _find_start(request: Request, now: float) -> float:
    asked = request.query_params.get("since", "30d")
    if asked == "month":
        return find_month(now)[0]
    days = {"7d": 7, "90d": 90}.get(asked, 30)
    return start_of(now, DAY_S) - (days - 1) * DAY_S


def _sum(source: ConsoleSource, keys: KeyLister, by: SpendGroup, since: float, who: Principal) -> list[SpendRow]:
    return sum_spend(source.store.series, keys, by, since, source.clock(), tenant=find_scope(who), project=who.within)


def _name(row: SpendRow, by: SpendGroup, reader: Reader) -> str:
    return reader.ticks([int(row.id)], DAY_S)[0] if by == "day" else row.name


def _describe(source: ConsoleSource, keys: KeyLister, request: Request, who: Principal) -> dict[str, Any]:
    query, now, reader = dict(request.query_params), source.clock(), request.state.reader
    by, since = read_group(request), _find_start(request, now)
    rows, days = _sum(source, keys, by, since, who), _sum(source, keys, "day", since, who)
    total = sum(row.usd for row in rows)
    kept = [row for row in rows if match_words(query.get("words", ""), row.name, row.id)]
    limits = source.plan().limits if (source.home / "run" / "plan.json").exists() else LimitTable()
    budgets = list_budgets(
        source.store.series, keys, limits, now, PAGE_ROWS, tenant=find_scope(who), project=who.within
    )
    page = take_page(kept, query, "/usage")
    return {
        "page": page,
        "rows": [(_name(row, by, reader), row, row.usd / total if total else None) for row in page.rows],
        "has_others": any(row.id == OTHER for row in rows),
        "most_groups": MOST_GROUPS,
        "by": by,
        "since": query.get("since", "30d") if query.get("since") in SPANS else "30d",
        "csv": write_address("/usage.csv", {"by": by, "since": query.get("since", "")}),
        "figures": [*_list_figures(rows, reader), *_list_forecast(source, keys, now, reader, who)],
        "chart": _draw_days(days, since, now, reader),
        "budgets": budgets,
        "now": now,
    }


def _list_figures(rows: Sequence[SpendRow], reader: Reader) -> list[tuple[str, str, str]]:
    requests, failed = sum(row.requests for row in rows), sum(row.failed for row in rows)
    usd = sum(row.usd for row in rows)
    each = reader.usd(usd / requests) if requests else "–"
    return [
        ("Spent", reader.usd(usd), f"{each} a request"),
        ("Requests", reader.compact(requests), f"{reader.share(failed / requests if requests else None)} failed"),
        ("Input tokens", reader.compact(sum(row.input_tokens for row in rows)), "of prompts"),
        ("Output tokens", reader.compact(sum(row.output_tokens for row in rows)), "of answers"),
    ]


def _list_forecast(
    source: ConsoleSource, keys: KeyLister, now: float, reader: Reader, who: Principal
) -> list[tuple[str, str, str]]:
    """What this month will cost by the days before; nothing where nothing costs anything."""
    month, days_left = find_month(now)
    today = start_of(now, DAY_S)
    history = today - HISTORY_DAYS * DAY_S
    days = {int(row.id): row.usd for row in _sum(source, keys, "day", min(month, history), who)}
    spent = sum(usd for day, usd in days.items() if day >= month)
    whole = range(max(min(days, default=today), history), today, DAY_S)
    forecast = forecast_month(spent, [days.get(day, 0.0) for day in whole], days_left)
    if forecast is None or not forecast.usd:
        return []
    note = f"{reader.usd(spent)} so far"
    if forecast.low is not None:
        note += f"; {reader.usd(forecast.low)} to {reader.usd(forecast.high)}, 95 % sure"
    return [("This month will cost", reader.usd(forecast.usd), note)]


def _draw_days(days: Sequence[SpendRow], since: float, now: float, reader: Reader) -> Markup:
    """Money a day, or requests where nothing costs anything; empty days are drawn as well."""
    if not days:
        return Markup("")
    by_start = {int(row.id): row for row in days}
    starts = list(range(start_of(since, DAY_S), start_of(now, DAY_S) + DAY_S, DAY_S))
    paid = any(row.usd for row in days)
    values = tuple((row.usd if paid else row.requests) if (row := by_start.get(start)) else 0.0 for start in starts)
    labels = reader.ticks(starts, DAY_S)
    title, unit = ("US dollars a day", reader.usd) if paid else ("Requests a day", reader.compact)
    return Markup(bar_chart(title, labels, [ChartSeries("spent" if paid else "requests", values, "a")], unit))


def _reconcile(source: ConsoleSource, export: bytes, tolerance: float) -> Reconciliation:
    with tempfile.TemporaryDirectory(prefix="steward-export-") as folder:
        file = Path(folder) / "export.csv"
        file.write_bytes(export)
        try:
            return reconcile(source.home, file, tolerance, {})
        except InputError as error:
            raise InputError(str(error).replace(str(file), "the export")) from error


async def read_export_form(request: Request, limit: int) -> tuple[bytes, float]:
    """The file, and the tolerance as a share.

    :raises FormTooLarge: by its declared or its actual length :raises InputError: no file, or no number
    """
    declared = request.headers.get("content-length", "")
    if not declared.isdigit() or int(declared) > limit:
        raise FormTooLarge(f"the form is larger than {limit:,} bytes, or does not say how large it is")
    try:
        async with request.form(max_files=1, max_fields=5, max_part_size=limit) as form:
            export, percent = form.get("export"), form.get("tolerance", "1")
            if not isinstance(export, UploadFile) or not export.filename:
                raise InputError("no file was sent; choose a provider's usage export as CSV")
            data = await export.read()
    except (MultiPartException, HTTPException) as error:
        raise InputError("the form cannot be read; choose a provider's usage export as CSV") from error
    try:
        tolerance = float(str(percent)) / 100
    except ValueError:
        tolerance = math.nan
    if not 0 <= tolerance <= 1:
        raise InputError(f"tolerance {cut_text(percent)!r}: expected a percentage from 0 to 100, such as 1")
    return data, tolerance
