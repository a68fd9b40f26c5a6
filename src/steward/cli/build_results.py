"""Writes JUnit's XML where a command was asked to, and annotations where GitHub Actions reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from steward.core.build_results import BuildResult, render_annotations, render_junit, runs_on_github
from steward.core.errors import Unavailable
from steward.core.files import write_file

JUnitOption = Annotated[Path | None, typer.Option(help="Write JUnit's XML, for build servers, to this file.")]


def tell_build_server(suite: str, results: Sequence[BuildResult], junit: Path | None) -> None:
    """Annotations go to standard error, which leaves the output to --json. :raises Unavailable: the disk refuses"""
    if junit is not None:
        try:
            write_file(junit, render_junit(suite, results).encode(), mode=0o644)
        except OSError as error:
            raise Unavailable(f"{junit}: {error.strerror}; the numbers are above, but not in that file") from error
    if runs_on_github(os.environ):
        sys.stderr.write("".join(f"{line}\n" for line in render_annotations(suite, results)))
