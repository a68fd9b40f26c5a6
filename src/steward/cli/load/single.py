"""What `run` and `replay` do after their options: run, show, write, and end with the exit code."""

from __future__ import annotations

import sys

import typer

from steward.cli.build_results import tell_build_server
from steward.cli.common import keep_finding, show_json, show_lines
from steward.cli.load.live import show_live
from steward.cli.load.options import RunOptions
from steward.cli.load.output import show_report
from steward.loadtest.build_cases import list_load_cases
from steward.loadtest.config import LoadConfig
from steward.workflows.findings import describe_load_test
from steward.workflows.loadtest.files import check_writable, write_reports
from steward.workflows.loadtest.monitors import MonitorOptions
from steward.workflows.loadtest.run import FinishedRun, run_load

INTERRUPTED = 130


def run_and_show(config: LoadConfig, options: RunOptions, began: float, *, ray: bool = False) -> None:
    """The numbers are shown before the files are written, so that a full disk does not take them along."""
    check_writable(options.out, options.csv, options.html, options.junit)
    if ray:
        from steward.workflows.loadtest.ray import run_on_ray

        finished = run_on_ray(config)
    else:
        monitor = MonitorOptions(metrics_url=options.metrics_url, metrics_key=options.metrics_key)
        with show_live(config) as on_progress:
            finished = run_load(config, on_progress=on_progress, monitor=monitor, began=began)
    if options.json:
        show_json(finished.report)
    else:
        show_report(finished.report)
    written = write_reports(finished, out=options.out, csv=options.csv, html=options.html)
    if not options.json:
        show_lines(f"written: {path}" for path in written)
    tell_build_server("steward load", list_load_cases(finished.report), options.junit)
    keep_finding(describe_load_test(finished.report, options.out))
    if finished.interrupted:
        sys.stderr.write(
            "steward: interrupted; the report is partial. A load test cannot be continued: run the command again\n"
        )
    raise typer.Exit(choose_exit_code(finished))


def choose_exit_code(finished: FinishedRun) -> int:
    report = finished.report
    if finished.interrupted:
        return INTERRUPTED
    if not report.answered:
        return 4
    if not report.valid or report.partial:
        return 3
    if report.slo is None:
        return 0
    return {True: 0, False: 1, None: 3}[report.slo_met]
