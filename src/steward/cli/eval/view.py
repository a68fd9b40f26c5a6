"""`steward eval view`: runs to look through in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import JsonOption, show_json, show_lines
from steward.cli.eval.page_tls import TlsOptions
from steward.workflows.evaluate.extra import require_extra


def view(
    folder: Annotated[Path, typer.Argument(help="Folder that run folders lie in, at any depth.")] = Path("runs"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    *,
    security: TlsOptions,
    json: JsonOption = False,
) -> None:
    """Look through runs in the browser: all runs, their items with a filter and a search, two side by side.

    Only who opens the printed address sees them. Ctrl-C stops it.
    """
    require_extra()
    from steward.processes.view import serve

    def tell(address: str) -> None:
        if json:
            show_json({"folder": str(folder), "url": address})
        else:
            show_lines([f"{folder}: {address}"])

    serve(folder, host, port, tell, security.plan(host, folder))
