"""`steward selftest security`: whether published advisories of gateways repeat in one that runs."""

from __future__ import annotations

from typing import Annotated

import typer

from steward.cli.common import JsonOption, keep_finding, show_json, show_lines, show_progress, show_table
from steward.cli.lazy import CsvRows


def security(
    url: Annotated[
        str, typer.Argument(help="Address of any OpenAI-compatible gateway, such as http://127.0.0.1:8080.")
    ],
    key: Annotated[
        str | None, typer.Option(help="An ordinary key (env:NAME or file:PATH), for the probes that need one.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model for these; at most four requests of one token.")] = "",
    json: Annotated[JsonOption, CsvRows("results")] = False,
) -> None:
    """Probe a gateway for published advisories: about forty small requests that change nothing. Exits with 1 if one
    repeats, with 3 if one cannot be told, and with 4 if nothing answers."""
    from steward.core.secret import resolve
    from steward.workflows.findings import describe_selftest
    from steward.workflows.security_selftest import probe_security

    with show_progress(hidden=json) as report:
        tested = probe_security(url, resolve(key) if key else None, model, report)
    keep_finding(describe_selftest(url, tested.held, tested.failed, tested.cannot_tell))
    if json:
        show_json(tested)
    else:
        rows = [[one.number, one.advisory, one.title, one.verdict, one.because] for one in tested.results]
        show_table(["no.", "advisory", "what", "verdict", "because"], rows)
        counts = f"{tested.held} held, {tested.failed} failed, {tested.cannot_tell} cannot be told"
        show_lines(["", f"{counts}, {tested.not_run} not run."])
    if tested.failed:
        raise typer.Exit(1)
    if tested.cannot_tell:
        raise typer.Exit(3)
