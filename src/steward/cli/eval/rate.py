"""`steward eval rate` and `agreement`: a blind human study in the browser, and its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.cli.eval.page_tls import TlsOptions
from steward.cli.lazy import CsvRows
from steward.core.errors import InputError
from steward.workflows.evaluate.extra import require_extra

if TYPE_CHECKING:
    from steward.evaluation.statistics import Interval
    from steward.evaluation.study import StudyOptions
    from steward.evaluation.votes import StudyReport
    from steward.workflows.study import PreparedStudy


class PageOptions(msgspec.Struct, frozen=True):
    """Where the pages of the study are served."""

    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the pages.")] = 8090
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 to serve other machines too.")] = "127.0.0.1"
    url: Annotated[str | None, typer.Option(help="Public URL for the invites, if a proxy stands in front.")] = None


class PlanOptions(msgspec.Struct, frozen=True):
    """What the study asks, decided once, before the first vote."""

    items: Annotated[int | None, typer.Option(min=1, help="Number of items, chosen by the seed. Default: all.")] = None
    overlap: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the tasks that every rater judges.")] = 0.3
    rubric: Annotated[
        Path | None, typer.Option(help="YAML file of criteria: judge single answers instead of pairs.")
    ] = None
    question: Annotated[str, typer.Option(help="Question for the raters. Default: depends on the kind of study.")] = ""
    title: Annotated[str, typer.Option(help="Heading of the pages; do not name a model in it.")] = (
        "Which answers are better?"
    )
    detect: Annotated[float, typer.Option(min=0.51, max=0.99, help="Win rate that the study should detect.")] = 0.6
    seed: Annotated[int, typer.Option(help="Seed of the items, sides and queues.")] = 12345

    def resolve(self) -> StudyOptions:
        """:raises InputError: a rubric that cannot be read"""
        from steward.evaluation.study import StudyOptions, read_rubric

        return StudyOptions(
            title=self.title,
            mode="rubric" if self.rubric else "pairs",
            rubric=read_rubric(self.rubric) if self.rubric else None,
            question=self.question,
            items=self.items,
            overlap=self.overlap,
            seed=self.seed,
            detect=self.detect,
        )


def rate(
    options: PlanOptions,
    pages: PageOptions,
    security: TlsOptions,
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run folders to judge; leave out to continue --study.")
    ] = None,
    study: Annotated[
        Path, typer.Option(help="File of the study; created if it does not exist. Its plan never changes.")
    ] = Path("study.db"),
    raters: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of raters; a larger number later adds some.")
    ] = 2,
    gold: Annotated[Path | None, typer.Option(help="JSON lines of cases with a known right judgement.")] = None,
    renew: Annotated[
        list[str] | None, typer.Option(help="Rater whose invite is replaced, such as r2; repeatable.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only print the plan.")] = False,
    json: JsonOption = False,
) -> None:
    """Let people judge answers blindly in the browser. Ctrl-C stops it; the same command resumes it."""
    require_extra()
    from steward.processes.rating import serve
    from steward.workflows.study import plan_study, prepare_study

    if plan:
        if not runs:
            raise InputError("--plan needs the run folders to judge")
        _show_plan(plan_study(runs, gold, options.resolve(), raters), "", json)
        return
    tls = security.plan(pages.host, study.absolute().parent)
    prepared = prepare_study(study, runs or [], gold, options.resolve(), raters, renew or [])
    serve(study, pages.host, pages.port, lambda address: _show_plan(prepared, pages.url or address, json), tls)


def agreement(
    study: Annotated[Path, typer.Argument(help="File of the study.")],
    html: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    json: Annotated[JsonOption, CsvRows("raters")] = False,
) -> None:
    """Report a study: win rates, strengths, agreement, gold tasks and position bias, with intervals."""
    require_extra()
    from steward.workflows.study import report_agreement

    report = report_agreement(study, html)
    if json:
        show_json(report)
    else:
        _show_report(report)


def _show_plan(prepared: PreparedStudy, address: str, json: bool) -> None:
    """The plan and, this once, the invites."""
    links = [(one.rater, f"{address.rstrip('/')}/invite/{one.token}") for one in prepared.invites]
    if json:
        show_json({"study": prepared.study, "url": address, "plan": prepared.plan, "invites": dict(links)})
        return
    show_lines(["Plan:", *(f"  {line}" for line in prepared.plan)])
    if links:
        show_lines(["", "Invites (shown only once). Send each rater theirs; keep the lead's:"])
        show_lines(f"  {rater:5} {link}" for rater, link in links)
    if address:
        show_lines(["", f"Serving {prepared.study} on {address}", "Stop with Ctrl-C"])


def _show_report(report: StudyReport) -> None:
    counts = f"{report.votes} votes, {report.corrected} corrected"
    show_lines([f"{report.judged} of {report.tasks} tasks judged, {counts}"])
    if report.pairs:
        _show_pairs(report)
    if report.levels:
        columns = ["criterion", "run", "against", "tasks", "level or gain"]
        rows = [
            [row.criterion, row.run, row.against, row.tasks, _format_span(row.value, row.low, row.high)]
            for row in report.levels
        ]
        show_lines([""])
        show_table(columns, rows)
    if report.agreement:
        rows = [
            [one.name, one.of, one.raters, one.tasks, _format_span(one.value, one.low, one.high)]
            for one in report.agreement
        ]
        show_lines([""])
        show_table(["agreement", "of", "raters", "tasks", "value"], rows)
    show_lines([""])
    _show_raters(report)


def _show_pairs(report: StudyReport) -> None:
    from steward.evaluation.numbers import format_p

    rows = []
    for pair in report.pairs:
        counts = [pair.wins, pair.losses, pair.ties, pair.bad, pair.same]
        rows.append([f"{pair.first} over {pair.second}", *counts, _format_interval(pair.share), format_p(pair.p)])
    show_lines([""])
    show_table(["", "wins", "losses", "ties", "both bad", "same", "win rate without ties", "p"], rows)
    show_lines([""])
    if report.strengths:
        strengths = [[one.name, f"{one.value:+.3f}", f"{one.error:.3f}"] for one in report.strengths]
        show_table(["Bradley-Terry", "logits", "error"], strengths)
    else:
        show_lines([f"Bradley-Terry: {report.no_strengths}"])


def _show_raters(report: StudyReport) -> None:
    from steward.evaluation.numbers import format_p

    rows = []
    for one in report.raters:
        seconds = None if one.median_s is None else f"{one.median_s:.3f}{', too fast to read' if one.hurried else ''}"
        gold = f"{one.gold_right} of {one.gold}" if one.gold else None
        shares = [_format_interval(one.gold_share), _format_interval(one.left)]
        rows.append([one.name, one.judged, one.skipped, seconds, gold, *shares])
    show_table(["rater", "judged", "skipped", "seconds", "gold", "gold share", "share of A"], rows)
    if (side := report.position) is not None:
        show_lines([f"position bias: raters chose A in {_format_interval(side.share)}, p {format_p(side.p)}"])


def _format_interval(interval: Interval | None) -> str | None:
    return None if interval is None else _format_span(interval.value, interval.low, interval.high)


def _format_span(value: float, low: float, high: float) -> str:
    from steward.evaluation.votes import format_estimate

    return format_estimate(value, low, high)
