"""`steward usage`, `steward usage reconcile` and `steward tail`: requests, tokens and costs from the ledger."""

from __future__ import annotations

import time
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import (
    MOST_LINES,
    HomeOption,
    JsonOption,
    OnlyTenantOption,
    find_home,
    open_console,
    show_json,
    show_json_line,
    show_lines,
    show_table,
)
from steward.cli.lazy import CsvRows
from steward.cli.terminal_text import neutralise
from steward.core.durations import parse_span_s
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.core.records import ExchangeRow, Usage, UsageRow
    from steward.gateway.reconcile import UsageDifference


class By(StrEnum):
    key = "key"
    team = "team"
    model = "model"
    route = "route"
    project = "project"
    day = "day"


def usage(
    context: typer.Context,
    by: Annotated[By, typer.Option(help="Field to group by.")] = By.model,
    since: Annotated[str | None, typer.Option(help="How far back to look, such as 24h or 30d.")] = None,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("by")] = False,
) -> None:
    """Show requests, tokens and costs."""
    if context.invoked_subcommand is not None:
        return
    now = time.time()
    from steward.workflows.serve.deployment import open_served_store

    with closing(open_served_store(find_home(home))) as store:
        report = store.exchanges.usage(now - parse_span_s(since) if since else 0.0, now + 1, by.value, tenant=tenant)
    if json:
        show_json(report)
        return
    if not report.requests:
        span = f" in the last {since}" if since else ""
        show_lines([f'No requests{span} yet. Try: steward chat "where is my order?"'])
        return
    rows = [[row.name, *_list_sums(row)] for row in report.by]
    if len(rows) > 1:
        rows.append(["total", *_list_sums(report)])
    columns = [by.value, "requests", "errors", "tokens in", "tokens out", "masked", "USD"]
    show_table(columns, rows, total=len(rows) > 1)


def _list_sums(row: Usage | UsageRow) -> list[object]:
    tokens = (row.input_tokens, row.output_tokens)
    return [row.requests, row.errors, *tokens, sum(row.masked.values()), _format_usd(row.usd)]


def reconcile(
    file: Annotated[Path, typer.Argument(help="Usage export from the provider, as CSV.")],
    tolerance: Annotated[float, typer.Option(min=0.0, max=1.0, help="Relative difference to accept.")] = 0.01,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Map a model name in the export to yours, as THEIRS=OURS. May be repeated."),
    ] = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("differences")] = False,
) -> None:
    """Compare the ledger with a usage export from a provider. Exits with 1 if they differ."""
    from steward.workflows.reconcile import reconcile as compare

    check = compare(find_home(home), file, tolerance, _parse_names(name or []))
    if json:
        show_json(check)
    else:
        rows = [_format_difference(item) for item in check.differences]
        if rows:
            show_table(["day", "model", "upstream id", "what", "ledger", "provider", "provider - ledger"], rows)
        verdict = f"{len(rows)} of {check.compared} numbers differ" if rows else f"All {check.compared} numbers agree"
        show_lines([f"{verdict}. Compared by {check.by}, with a tolerance of {check.tolerance:.2%}."])
        if check.lost:
            show_lines([f"{check.lost} requests are not included: their process was killed before a model answered."])
    if not check.agrees:
        raise typer.Exit(1)


def _format_difference(item: UsageDifference) -> list[object]:
    numbers = (
        _format_number(item.ledger),
        _format_number(item.provider),
        _format_number(item.provider - item.ledger, sign="+"),
    )
    return [item.day, item.model, item.request, item.what.replace("_", " "), *numbers]


def _parse_names(pairs: list[str]) -> dict[str, str]:
    """:raises InputError: no THEIRS=OURS"""
    split = [pair.partition("=") for pair in pairs]
    for pair, (theirs, _, ours) in zip(pairs, split, strict=True):
        if not (theirs and ours):
            raise InputError(f"--name {pair!r}: expected THEIRS=OURS, such as gpt-4o-2024-08-06=big")
    return {theirs: ours for theirs, _, ours in split}


def _format_number(value: float, sign: str = "") -> str:
    """Counts without decimals, money with four."""
    return f"{value:{sign},.0f}" if value == int(value) else f"{value:{sign},.4f}"


def _format_usd(amount: float) -> str:
    """Empty if no model has a price."""
    return f"{amount:,.4f}" if amount else ""


def tail(
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=MOST_LINES, help="Number of requests to show.")
    ] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing as requests finish.")] = False,
    tenant: OnlyTenantOption = None,
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """Show the latest requests, without their content."""
    from steward.workflows.serve.deployment import open_served_store

    store = open_served_store(find_home(home))
    screen = open_console()
    after: float | None = None
    shown: set[str] = set()
    while True:
        asked = time.time()
        rows = [
            row
            for row in reversed(store.exchanges.tail(lines if after is None else 1000, after, tenant=tenant))
            if row.request_id not in shown
        ]
        shown = {row.request_id for row in rows} | (shown if len(shown) < 10_000 else set())
        for row in rows:
            if json:
                show_json_line(row)
            else:
                line = neutralise(format_exchange(row, screen.width))
                screen.print(line, style=None if row.outcome == "ok" else "red", markup=False)
        if not follow:
            if not rows and not json:
                show_lines(["No requests yet."])
            return
        after = asked - 5.0
        time.sleep(0.5)


def format_exchange(row: ExchangeRow, width: int = 1000) -> str:
    """One exchange on a line of at most `width` columns; the least important fields are dropped first."""
    clock = time.strftime("%H:%M:%S", time.localtime(row.at))
    name = (row.model or "–")[:24]
    whole = f"{row.duration_s * 1000:>9,.1f} ms"
    tokens = f"{row.input_tokens:>6,} in {row.output_tokens:>6,} out"
    if row.units:
        tokens = ", ".join(f"{value:,.6g} {name.replace('_', ' ')}" for name, value in row.units.items())
    parts = [clock, f"{row.status} {row.outcome:<14}", whole, f"{name:<12}", tokens, row.request_id]
    if row.masked:
        parts.append(f"{sum(row.masked.values()):,} masked")
    while len("  ".join(parts)) > width and len(parts) > 2:
        parts.pop()
    return "  ".join(parts).rstrip()[:width]
