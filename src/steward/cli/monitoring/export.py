"""`steward alerts export`: rules for Prometheus, a dashboard for Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steward.cli.common import HomeOption, JsonOption, find_home, show_lines
from steward.core.errors import InputError
from steward.core.files import SHARED


def export(
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Alert rules for Prometheus, as YAML.")] = False,
    grafana: Annotated[bool, typer.Option("--grafana", help="A dashboard for Grafana, as JSON.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of printing.")] = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Write alert rules for Prometheus or a dashboard for Grafana."""
    from steward.core.files import write_file
    from steward.workflows.alerting import export_dashboard, export_rules

    if prometheus == grafana:
        raise InputError("expected one of --prometheus and --grafana, such as: steward alerts export --prometheus")
    text = export_dashboard() if grafana else export_rules(_find_folder(home), as_json=json)
    if out is None:
        show_lines([text.rstrip()])
        return
    try:
        write_file(out, text.encode(), mode=SHARED)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}; choose a file in a folder that exists") from error


def _find_folder(home: Path | None) -> Path | None:
    """The home whose objectives are exported; None: there is none here, and none was named."""
    try:
        return find_home(home)
    except InputError:
        if home is not None:
            raise
        return None
