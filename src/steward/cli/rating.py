"""`steward eval rate`, `agreement` and `report`: a blind human study in the browser, what it says, and a run's page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines, show_table
from steward.core.errors import InputError

if TYPE_CHECKING:
    from steward.evaluation.statistics import Interval
    from steward.evaluation.votes import StudyReport
    from steward.workflows.study import PreparedStudy


def rate(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders of runs; none to go on with --study.")] = None,
    study: Annotated[
        Path, typer.Option(help="The study's file; made where it is not there, and its plan stays.")
    ] = Path("study.db"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the pages.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines too.")] = "127.0.0.1",
    url: Annotated[str | None, typer.Option(help="Address that invites name, where a proxy stands before it.")] = None,
    raters: Annotated[int, typer.Option(min=1, max=1000, help="How many people judge; more later adds some.")] = 2,
    items: Annotated[int | None, typer.Option(min=1, help="Only so many items, chosen by the seed.")] = None,
    overlap: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the tasks that every rater gets.")] = 0.3,
    rubric: Annotated[Path | None, typer.Option(help="YAML of criteria: judge answers one by one instead.")] = None,
    gold: Annotated[Path | None, typer.Option(help="JSON lines of cases whose right judgement is known.")] = None,
    question: Annotated[str, typer.Option(help="What raters are asked; else what suits the kind of study.")] = "",
    title: Annotated[
        str, typer.Option(help="Heading of the pages; name no model in it.")
    ] = "Which answers are better?",
    detect: Annotated[float, typer.Option(min=0.51, max=0.99, help="Win rate that the plan should find.")] = 0.6,
    seed: Annotated[int, typer.Option(help="Of items, sides and queues.")] = 12345,
    renew: Annotated[list[str] | None, typer.Option(help="Rater whose invite is replaced, such as r2.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be asked.")] = False,
    json: JsonOption = False,
) -> None:
    """Let people judge answers blindly, in the browser. Ctrl-C ends it; the same command goes on."""
    from steward.workflows.evaluate import require_extra

    require_extra()
    from steward.evaluation.study import StudyOptions, read_rubric
    from steward.processes.rating import serve
    from steward.workflows.study import plan_study, prepare_study

    wanted = StudyOptions(
        title=title,
        mode="rubric" if rubric else "pairs",
        rubric=read_rubric(rubric) if rubric else None,
        question=question,
        items=items,
        overlap=overlap,
        seed=seed,
        detect=detect,
    )
    if plan:
        if not runs:
            raise InputError("--plan needs the runs to be judged")
        _show_plan(plan_study(runs, gold, wanted, raters), "", json)
        return
    prepared = prepare_study(study, runs or [], gold, wanted, raters, renew or [])
    serve(study, host, port, lambda address: _show_plan(prepared, url or address, json))


def _show_plan(prepared: PreparedStudy, address: str, json: bool) -> None:
    """The plan before the start, and the invites, this once."""
    links = [(one.rater, f"{address.rstrip('/')}/invite/{one.token}") for one in prepared.invites]
    if json:
        show_json({"study": prepared.study, "url": address, "plan": prepared.plan, "invites": dict(links)})
        return
    show_lines(["Plan:", *(f"  {line}" for line in prepared.plan)])
    if links:
        show_lines(["", "Invites, shown once; send each to its rater, keep the lead's:"])
        show_lines(f"  {rater:5} {link}" for rater, link in links)
    if address:
        show_lines(["", f"{prepared.study} on {address}", "Stop: Ctrl-C"])


def report(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    html: Annotated[Path | None, typer.Option(help="Where to write it; else report.html in the folder.")] = None,
    json: JsonOption = False,
) -> None:
    """Write one run as an HTML page: scores, slices, how values spread, the worst items, what failed."""
    from steward.workflows import evaluate

    place = evaluate.write_run_page(run, html)
    if json:
        show_json({"html": str(place), "bytes": place.stat().st_size})
    else:
        show_lines([str(place)])


def agreement(
    study: Annotated[Path, typer.Argument(help="The study's file.")],
    html: Annotated[Path | None, typer.Option(help="Write a report, one file, to this path.")] = None,
    json: JsonOption = False,
) -> None:
    """What a study says: win rates, strengths, agreement, gold, position bias, each with its interval."""
    from steward.workflows.evaluate import require_extra

    require_extra()
    from steward.workflows import study as studies

    found = studies.report_agreement(study, html)
    if json:
        show_json(found)
    else:
        _show_study(found)


def _show_study(found: StudyReport) -> None:
    from steward.evaluation.votes import format_p

    show_lines([f"{found.judged} of {found.tasks} tasks judged, {found.votes} votes, {found.corrected} corrected"])
    if found.pairs:
        rows = [
            [
                f"{p.first} over {p.second}",
                p.wins,
                p.losses,
                p.ties,
                p.bad,
                p.same,
                _format_interval(p.share),
                format_p(p.p),
            ]
            for p in found.pairs
        ]
        show_lines([""])
        show_table(["", "wins", "losses", "ties", "both bad", "same", "win rate without ties", "p"], rows)
        show_lines([""])
        if found.strengths:
            strengths = [[one.name, f"{one.value:+.3f}", f"{one.error:.3f}"] for one in found.strengths]
            show_table(["Bradley-Terry", "logits", "error"], strengths)
        else:
            show_lines([f"Bradley-Terry: {found.no_strengths}"])
    if found.levels:
        show_lines([""])
        show_table(
            ["criterion", "run", "against", "tasks", "level or gain"],
            [
                [row.criterion, row.run, row.against, row.tasks, _format_span(row.value, row.low, row.high)]
                for row in found.levels
            ],
        )
    if found.agreement:
        show_lines([""])
        rows = [
            [one.name, one.of, one.raters, one.tasks, _format_span(one.value, one.low, one.high)]
            for one in found.agreement
        ]
        show_table(["agreement", "of", "raters", "tasks", "value"], rows)
    show_lines([""])
    people = [
        [
            *(
                one.name,
                one.judged,
                one.skipped,
                _format_seconds(one.median_s),
                _format_fraction(one.gold_right, one.gold),
            ),
            *(_format_interval(one.gold_share), _format_interval(one.left)),
        ]
        for one in found.raters
    ]
    show_table(["rater", "judged", "skipped", "seconds", "gold", "gold share", "share of A"], people)
    if found.position is not None:
        show_lines([f"position: A chosen in {_format_interval(found.position.share)}, p {format_p(found.position.p)}"])


def _format_fraction(right: int, all_: int) -> str | None:
    return f"{right} of {all_}" if all_ else None


def _format_seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _format_interval(found: Interval | None) -> str | None:
    return None if found is None else _format_span(found.value, found.low, found.high)


def _format_span(value: float, low: float, high: float) -> str:
    from steward.evaluation.votes import format_estimate

    return format_estimate(value, low, high)
