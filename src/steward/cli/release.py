"""`steward release start|status|pause|resume|promote|rollback|drill|backtest`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from steward.cli.common import (
    HomeOption,
    JsonOption,
    ReasonOption,
    TenantOption,
    act_for,
    find_home,
    keep_finding,
    show_json,
    show_lines,
    show_progress,
    show_table,
)
from steward.cli.lazy import CsvRows

if TYPE_CHECKING:
    from steward.core.identity import Principal
    from steward.core.releases import ReleaseRecord
    from steward.improvement.canary import ReleaseDecision
    from steward.workflows.release_watch import ReleaseStatus
    from steward.workflows.releases import ReleaseChange, Step

EXIT_CODES: Final = {"promote": 0, "roll back": 1, "inconclusive": 3}


RouteArgument = Annotated[str, typer.Argument(help="Route, or the release's id.")]


def start(
    route: Annotated[str, typer.Argument(help="Route, or a model that clients ask for by its own name.")],
    candidate: Annotated[
        str | None,
        typer.Option(help="Model or route of steward.yaml, or NAME@ALIAS or NAME@DIGEST of the registry."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Prompt of the candidate, as NAME:VERSION.")] = None,
    adapter_path: Annotated[
        str | None, typer.Option(help="Of a registered adapter: its folder as the model's server sees it.")
    ] = None,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Release a candidate: copies of requests first, then growing shares of people, then all or nobody."""
    from steward.workflows.releases import ReleaseRequest, start_release

    request = ReleaseRequest(route=route, candidate=candidate, prompt=prompt, adapter_path=adapter_path)
    _show_change(start_release(find_home(home), request, actor=act_for(tenant, reason)), json)


def status(
    route: Annotated[str | None, typer.Argument(help="Route or release; a list of all by default.")] = None,
    tenant: TenantOption = "default",
    home: HomeOption = None,
    json: Annotated[JsonOption, CsvRows()] = False,
) -> None:
    """List releases, or show one with what its guards say now, or said at its end."""
    from steward.workflows.release_watch import show_status
    from steward.workflows.releases import list_releases

    folder = find_home(home)
    if route is None:
        records = list_releases(folder, tenant=tenant)
        if json:
            show_json(records)
        else:
            _show_records(records)
        return
    release = show_status(folder, route, time.time(), tenant=tenant)
    if json:
        show_json(release)
    else:
        _show_status(release)


def pause(
    route: RouteArgument,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Keep the shares as they are. Guards can still roll back; nothing is promoted."""
    _change(route, "pause", act_for(tenant, reason), home, json)


def resume(
    route: RouteArgument,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Go on with a release that is paused."""
    _change(route, "resume", act_for(tenant, reason), home, json)


def promote(
    route: RouteArgument,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Give the candidate to all people but the holdback, whatever the guards say."""
    _change(route, "promote", act_for(tenant, reason), home, json)


def rollback(
    route: RouteArgument,
    tenant: TenantOption = "default",
    reason: ReasonOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Take the candidate back, in progress or promoted. Answers that have begun end as they are."""
    _change(route, "roll back", act_for(tenant, reason), home, json)


def drill(
    route: Annotated[str, typer.Argument(help="Route, or a model that clients ask for by its own name.")],
    hold: Annotated[float, typer.Option(min=0.0, help="Seconds between beginning and taking back.")] = 5.0,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Rehearse a rollback with the champion as its own candidate. Exits with 1 where it takes too long."""
    from steward.core.identity import operator
    from steward.workflows.release_drill import make_drill_finding, run_drill

    folder = find_home(home)
    report = run_drill(folder, route, actor=operator(os.getuid(), "drill"), hold_s=hold)
    keep_finding(make_drill_finding(report), folder)
    if json:
        show_json(report)
    else:
        last = "nobody asked meanwhile"
        if report.last_request_s is not None:
            after = f"{report.last_request_s:+.2f} s from the decision"
            last = f"the last of {report.candidate_requests} requests of the candidate came {after}"
        show_lines(
            [
                f"{report.route}: people were drawn after {report.start_s:.2f} s and given back within "
                f"{report.rollback_s:.2f} s on {report.workers} workers; {last}.",
                f"Allowed: {report.allowed_s:g} s. {'Held.' if report.verdict == 'held' else 'Not held.'}",
            ]
        )
    raise typer.Exit(0 if report.verdict == "held" else 1)


def _change(route: str, step: Step, actor: Principal, home: Path | None, json: bool) -> None:
    from steward.workflows.releases import change_release

    _show_change(change_release(find_home(home), route, step, actor=actor, reason=actor.reason), json)


def _show_change(change: ReleaseChange, json: bool) -> None:
    if json:
        show_json(change)
        return
    record = change.release
    served = f"configuration {change.reload.version} serves"
    show_lines([f"{record.id} of route {record.route}: {_describe(record)}; {served}."])


def _describe(record: ReleaseRecord) -> str:
    share = f", the candidate for {record.weight:.0%} of people" if record.weight else ""
    copies = f", copies of {record.sample:.0%} of requests" if record.state == "shadow" else ""
    return f"{record.state}, {record.candidate.describe()}{share}{copies}"


def _show_records(records: list[ReleaseRecord]) -> None:
    rows = [
        [
            record.id,
            record.route,
            record.candidate.describe(),
            record.state,
            f"{record.weight:.0%}",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started_at)),
            record.why,
        ]
        for record in records
    ]
    show_table(["release", "route", "candidate", "state", "share", "begun", "why"], rows)


def _show_status(release: ReleaseStatus) -> None:
    record, shadow = release.release, release.shadow
    cost = "a price is missing" if shadow.usd is None else f"{shadow.usd:.4f} USD"
    show_lines(
        [
            f"{record.id} of route {record.route}: {_describe(record)}.",
            f"{record.why[:1].upper()}{record.why[1:]} ({record.changed_by}).",
            *([] if release.served else ["Not every worker serves this yet; `steward status` says what they serve."]),
            f"Copies: {shadow.copies:,}, {shadow.failed:,} failed, {shadow.compared:,} compared by the judge, {cost}. "
            f"People {'with the candidate at this share' if record.is_open else 'who had the candidate'}: "
            f"{release.people:,}.",
            "",
        ]
    )
    if release.guards is not None:
        _show(release.guards)


def backtest(
    events: Annotated[
        Path, typer.Option("--events", help="Requests of both arms in time order, one JSON object a line.")
    ],
    policy: Annotated[
        Path | None, typer.Option(help="YAML file of the policy, as under `release:`. Default: the built-in policy.")
    ] = None,
    json: Annotated[JsonOption, CsvRows("guards")] = False,
) -> None:
    """Replay a release: would the candidate be promoted or rolled back, and when?

    Exits with 0 if promoted, with 1 if rolled back, with 3 if undecided.
    """
    from steward.workflows.release import backtest_file

    with show_progress(hidden=json) as progress:
        decision = backtest_file(events, policy, progress)
    if json:
        show_json(decision)
    else:
        _show(decision)
    raise typer.Exit(EXIT_CODES[decision.decision])


def _show(decision: ReleaseDecision) -> None:
    from steward.improvement.guard_text import format_estimate, format_interval, format_margin

    verb = {"promote": "Promoted", "roll back": "Rolled back", "inconclusive": "Undecided"}[decision.decision]
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(decision.at or 0.0))
    share = f" at {decision.step:.0%} of people" if decision.step is not None else ""
    show_lines([f"{verb}{share}, {when}, after {decision.events:,} requests: {decision.why}.", ""])
    rows = [
        [
            guard.name.replace("_", " "),
            guard.verdict,
            format_estimate(guard, guard.estimate),
            format_interval(guard),
            format_margin(guard),
            f"{guard.units['candidate']:,} / {guard.units['champion']:,}",
            guard.why,
        ]
        for guard in decision.guards
    ]
    show_table(["guard", "verdict", "estimate", "95 % interval", "allowed", "candidate / champion", "why"], rows)
    split = decision.split_check
    show_lines(
        [
            "",
            f"Split: {split.candidate:,} of {split.units:,} people had the candidate, {split.expected:,.0f} expected; "
            + ("as drawn." if split.verdict == "held" else "the weights that are noted cannot be those of the draw."),
        ]
    )
