"""`steward fairness run|status`: are people treated alike, in what is asked on purpose and in what they really ask?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, keep_finding, show_json, show_lines, show_table
from steward.cli.eval.options import TargetOptions
from steward.cli.eval.robustness import ChangeOptions, counterfactual
from steward.cli.lazy import CsvRows
from steward.governance.disparity import GroupField

if TYPE_CHECKING:
    from steward.core.rates import Rate
    from steward.governance.disparity import DisparityReport


def run(
    options: ChangeOptions,
    target: TargetOptions,
    swap: Annotated[
        list[str] | None,
        typer.Option("--swap", help="gender, origin:GROUP or dialect:GROUP; repeatable. Default: all."),
    ] = None,
    json: Annotated[JsonOption, CsvRows("effects")] = False,
) -> None:
    """Ask the same questions of other people through the gateway, guards included. The setting
    `fairness.audits` repeats it."""
    counterfactual(options, target, swap, json)


def status(
    by: Annotated[GroupField, typer.Option(help="What makes a group: language, route or model.")] = "language",
    since: Annotated[str, typer.Option(help="How far back to look, such as 7d.")] = "30d",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows("rows")] = False,
) -> None:
    """Compare errors, refusals, slow answers and satisfaction of groups. Exits with 1 where a difference is certain."""
    from steward.core.durations import parse_span_s
    from steward.workflows.fairness import read_disparity
    from steward.workflows.findings import describe_disparity

    folder, now = find_home(home), time.time()
    report = read_disparity(folder, now - parse_span_s(since, "since"), now, by, tenant=None)
    keep_finding(describe_disparity(report), folder)
    if json:
        show_json(report)
    else:
        _show(report)
    if report.verdict == "different":
        raise typer.Exit(1)


def schedule(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Show the audits that the keeper repeats: when each ran last, how it came out, and when it runs next."""
    from steward.workflows.fairness_schedule import list_states

    states = list_states(find_home(home), time.time())
    if json:
        show_json(states)
    elif not states:
        show_lines(["No audit is scheduled. Add one under fairness.audits in steward.yaml."])
    else:
        rows = [
            [one.name, one.model, one.suite, one.result, _day(one.last_at), _day(one.next_at), one.folder]
            for one in states
        ]
        show_table(["audit", "model", "suite", "last result", "last run", "next run", "lies in"], rows)


def _day(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))


def _show(report: DisparityReport) -> None:
    words = {
        "alike": f"No certain difference beyond {report.margin:.0%} between groups by {report.by}.",
        "different": f"Groups by {report.by} differ by more than {report.margin:.0%}, and not by chance:",
        "cannot tell": f"Cannot tell: fewer than two groups by {report.by} have {report.smallest} requests.",
    }
    show_lines([words[report.verdict]])
    rows = [
        [
            row.group,
            row.measure,
            row.requests,
            row.people,
            _share(row.rate),
            _share(row.others),
            None if row.p_holm is None else "< 0.0001" if row.p_holm < 0.0001 else f"{row.p_holm:.4f}",
            "differs" if row.differs else None,
        ]
        for row in report.rows
        if row.requests
    ]
    if rows:
        show_table(["group", "measure", "requests", "people", "share", "all others", "p (Holm)", ""], rows)
    if report.hidden_groups:
        show_lines(
            [
                f"Not shown, because they have fewer than {report.smallest} requests each: "
                f"{report.hidden_groups} groups, {report.hidden_requests} requests in all."
            ]
        )


def _share(rate: Rate) -> str | None:
    if rate.value is None or rate.low is None or rate.high is None:
        return None
    return f"{rate.value:.1%} ({100 * rate.low:.1f} to {100 * rate.high:.1f})"
