"""A load report as text, and the lines of progress."""

from __future__ import annotations

from collections.abc import Callable

from steward.cli.common import show_lines, show_table
from steward.cli.terminal_text import write_note
from steward.core.load_report import QUANTILES, LoadReport, Quantiles, count_needed_values
from steward.loadtest.page_format import format_count

MET = {True: "met", False: "missed", None: "undecided"}


def show_report(report: LoadReport) -> None:
    """The numbers, then what is wrong with them."""
    show_lines(
        [
            f"{report.model} at {report.url}",
            f"{report.arrival}, {describe_load(report)}; {report.duration_s:.1f} s",
            f"{report.sent:,} sent, {report.answered:,} answered, {report.failed:,} failed",
            "",
        ]
    )
    named = (
        ("time to first token, ms", report.ttft_ms),
        ("time per output token, ms", report.tpot_ms),
        ("gap between events, ms", report.itl_ms),
        ("end to end, ms", report.e2e_ms),
        ("client late by, ms", report.client.late_ms),
    )
    rows = [_quantile_row(name, quantiles) for name, quantiles in named if quantiles.p50 is not None]
    show_table(["", "mean", "p50", "p90", "p95", "p99", "p99.9", "max"], rows)
    show_lines(_describe_too_few(report))
    rates = [
        f"{report.answered_rate:.2f} answers/s",
        f"{report.output_tok_s:,.1f} output tokens/s",
        f"{report.input_tok_s:,.1f} input tokens/s",
        f"{report.concurrency_mean:.1f} in flight on average, {report.concurrency_max} at most",
    ]
    if report.goodput_rate is not None:
        rates.append(f"goodput {report.goodput_rate:.2f} answers/s within {report.slo}")
    show_lines(["", "; ".join(rates)])
    if report.slo is not None:
        show_lines([f"objective {report.slo}: {MET[report.slo_met]}", *(f"  {term}" for term in report.slo_terms)])
    show_lines(f"  {cause}: {count:,}" for cause, count in report.errors.items())
    show_lines(f"note: {text}" for text in report.warnings)
    show_lines([f"INVALID: {text}" for text in report.invalid_reasons] or ["valid: the client kept its schedule"])


def describe_load(report: LoadReport) -> str:
    """What was asked for, and what was sent."""
    if report.requested_concurrency:
        return f"{report.requested_concurrency} users"
    if report.arrival == "burst":
        return f"{report.sent:,} requests at once"
    if report.requested_rate:
        return f"{report.requested_rate:g} req/s asked for, {report.achieved_rate:.2f} sent"
    return f"{report.achieved_rate:.2f} req/s sent"


def format_ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


def print_progress(json: bool) -> Callable[[str], None]:
    """Prints lines on standard error; with `--json` nothing."""
    return (lambda line: None) if json else write_note


def warn_of_interrupt(text: str) -> None:
    write_note(f"steward: {text}")


def _quantile_row(name: str, quantiles: Quantiles) -> list[object]:
    values = (quantiles.mean, quantiles.p50, quantiles.p90, quantiles.p95, quantiles.p99, quantiles.p999, quantiles.max)
    return [name, *("too few" if value is None else f"{value:.2f}" for value in values)]


def _describe_too_few(report: LoadReport) -> list[str]:
    needed = {name.replace("p999", "p99.9"): count_needed_values(level) for name, level in QUANTILES.items()}
    lacking = [f"{name} needs {least:,}" for name, least in needed.items() if 0 < report.answered < least]
    return [f"too few: {', '.join(lacking)} ({format_count(report.answered, 'answer')})"] if lacking else []
