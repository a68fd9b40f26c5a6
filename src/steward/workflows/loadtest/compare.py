"""Compare two load reports that lie in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steward.core.load_report import read_load_report
from steward.loadtest.compare import DEFAULT, LoadComparison, compare_reports


def compare_files(baseline: Path, candidate: Path, margin: float, metrics: Sequence[str]) -> LoadComparison:
    """:raises InputError: a file is not a load report, or a metric does not exist"""
    return compare_reports(read_load_report(baseline), read_load_report(candidate), margin, tuple(metrics) or DEFAULT)
