"""`steward tls init|show`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_json, show_lines, show_table
from steward.cli.lazy import CsvRows


def init(
    names: Annotated[str, typer.Option(help="Further names and addresses that clients use, separated by commas.")] = "",
    new_authority: Annotated[
        bool, typer.Option("--new-authority", help="Make a new authority too; clients must trust it anew.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Make a local authority and a certificate of it for `tls: auto`, or renew the certificate."""
    from steward.workflows import tls

    wanted = {part.strip() for part in names.split(",") if part.strip()}
    made = tls.ensure_generated(
        find_home(home),
        [*tls.list_names("0.0.0.0"), *sorted(wanted)],
        time.time(),
        renew=True,
        new_authority=new_authority,
    )
    if json:
        show_json(made)
        return
    show_lines(
        [
            f"Certificate  {made.certificate}",
            f"  for        {', '.join(made.names)}",
            f"  until      {time.strftime('%Y-%m-%d', time.gmtime(made.not_after))}, renewed by `steward up`",
            f"Authority    {made.ca}{'   (new)' if made.new_authority else ''}",
            "",
            "Clients must trust the authority:",
            f"  curl --cacert {made.ca} https://…",
            f"  SSL_CERT_FILE={made.ca} python …      # OpenAI's and Anthropic's Python SDKs",
            f"  NODE_EXTRA_CA_CERTS={made.ca} node …",
        ]
    )


def show(home: HomeOption = None, json: Annotated[JsonOption, CsvRows()] = False) -> None:
    """Show the certificates of both ports; exit 1 when one of them is not valid now."""
    from steward.core.errors import InputError
    from steward.workflows.serve.plan import read_plan
    from steward.workflows.tls import list_certificates

    folder, now = find_home(home), time.time()
    plan_file = folder / "run" / "plan.json"
    plan = read_plan(plan_file) if plan_file.exists() else None
    ports = [("gateway", plan.tls), ("console", plan.console_tls)] if plan is not None else []
    found = list_certificates(folder, ports, now)
    if not found:
        raise InputError(f"{folder}: no certificate; set gateway.tls in steward.yaml, or run: steward tls init")
    if json:
        show_json(found)
    else:
        columns = ["use", "names", "key", "until", "days left", "file"]
        rows = [
            [
                item.use,
                ", ".join(item.names) or item.subject,
                item.key,
                time.strftime("%Y-%m-%d", time.gmtime(item.not_after)),
                item.days_left,
                item.file,
            ]
            for item in found
        ]
        show_table(columns, rows)
        show_lines(["", *(f"SHA-256 of {item.use}: {item.sha256}" for item in found)])
    if not all(item.valid for item in found):
        raise typer.Exit(1)
