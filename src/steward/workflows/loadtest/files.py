"""The files of a load test: the report as JSON and HTML, and the requests as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from steward.core.errors import InputError, Unavailable
from steward.core.files import SHARED, write_file
from steward.core.load_report import LoadReport
from steward.workflows.loadtest.run import FinishedRun


def check_writable(*paths: Path | None) -> None:
    """:raises InputError: the folder of a path does not exist; said before a long run, not after it"""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path}: no folder {path.parent}; make it first")


def encode_report(report: object) -> bytes:
    """The JSON of a report, a sweep or a search."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def write_reports(finished: FinishedRun, *, out: Path | None, csv: Path | None, html: Path | None) -> list[Path]:
    """Write the files that were asked for. :raises Unavailable: one could not be written; the others are"""
    from steward.loadtest.csv_export import format_csv_lines

    makers: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (out, lambda: encode_report(finished.report)),
        (csv, lambda: "".join(format_csv_lines(finished.results)).encode()),
        (html, lambda: _render_page(finished.report)),
    )
    written, failed = [], []
    for path, make in makers:
        if path is None:
            continue
        try:
            write_file(path, make(), mode=SHARED)
            written.append(path)
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    if failed:
        raise Unavailable(f"{'; '.join(failed)}; the run has ended and its numbers are above, but not in that file")
    return written


def _render_page(report: LoadReport) -> bytes:
    from steward.loadtest.report import render_report

    return render_report(report).encode()
