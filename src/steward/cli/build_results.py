"""Writes JUnit's XML where a command was asked to, and annotations where GitHub Actions reads them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from steward.core.build_results import BuildResult, render_annotations, render_junit, runs_on_github
from steward.core.errors import InputError, Unavailable
from steward.core.files import SHARED, write_file

JUnitOption = Annotated[Path | None, typer.Option(help="Write JUnit's XML, for build servers, to this file.")]


@contextmanager
def build_server_run(suite: str, junit: Path | None) -> Iterator[None]:
    """While a command is under way, and after it was killed, its file says that it has no result; so it does with the
    reason where an error or an interrupt ends it. A file of an earlier run would look like a pass.

    :raises InputError: its folder does not exist; said before a long run, not after it
    :raises OSError: the file cannot be written
    """
    if junit is not None:
        if not junit.parent.is_dir():
            raise InputError(f"{junit}: no folder {junit.parent}; make it first: mkdir -p {quote(str(junit.parent))}")
        unfinished = BuildResult("finished", "error", "the command has not ended, or was killed before it had a result")
        write_file(junit, render_junit(suite, [unfinished]).encode(), mode=SHARED)
    try:
        yield
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        why = str(error) or ("interrupted" if isinstance(error, KeyboardInterrupt) else type(error).__name__)
        tell_build_server(suite, [BuildResult("finished", "error", why)], junit)
        raise


def tell_build_server(suite: str, results: Sequence[BuildResult], junit: Path | None) -> None:
    """Annotations go to standard error, which leaves the output to --json. :raises Unavailable: the disk refuses"""
    if junit is not None:
        try:
            write_file(junit, render_junit(suite, results).encode(), mode=SHARED)
        except OSError as error:
            raise Unavailable(f"{junit}: {error.strerror}; the numbers are above, but not in that file") from error
    if runs_on_github(os.environ):
        sys.stderr.write("".join(f"{line}\n" for line in render_annotations(suite, results)))
