"""In CI a skipped test is a failure, unless tests/allowed_skips.txt lists it with its reason (a pytest plugin).

CI promises to run everything, and a missing browser or database would otherwise turn a test off without a word.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
ADVICE = "A skip in CI is a failure: install what the test needs, or list it with a reason in tests/allowed_skips.txt."
ALLOWED = Path(__file__).parent / "allowed_skips.txt"


def read_allowed(lines: Iterable[str]) -> list[str]:
    """The patterns of test ids. :raises ValueError: a line without ` | reason`

    >>> read_allowed(["# a comment", "tests/test_gpu.py::test_a* | needs a machine without NVML"])
    ['tests/test_gpu.py::test_a*']
    """
    patterns = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            pattern, _, reason = line.partition(" | ")
            if not reason.strip():
                raise ValueError(f"{ALLOWED.name}: {line!r} gives no reason; write `test id | reason`")
            patterns.append(pattern.strip())
    return patterns


def is_forbidden(test_id: str, patterns: Iterable[str], environment: Mapping[str, str]) -> bool:
    """Whether this test must not be skipped here. `[` and `]` of parametrised ids are literal.

    >>> is_forbidden("tests/a.py::test[x]", ["tests/a.py::test[x]"], {"CI": "true"})
    False
    """
    if environment.get("CI", "").lower() in ("", "0", "false"):
        return False
    return not any(fnmatch.fnmatchcase(test_id, pattern.replace("[", "[[]")) for pattern in patterns)


def fail_forbidden_skip(report: Report) -> Report:
    """The report itself, turned into a failure where its skip is not allowed."""
    if report.skipped and not hasattr(report, "wasxfail"):
        patterns = read_allowed(ALLOWED.read_text().splitlines()) if ALLOWED.exists() else []
        if is_forbidden(report.nodeid, patterns, os.environ):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            report.outcome = "failed"
            report.longrepr = f"{reason}\n{ADVICE}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    return fail_forbidden_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    return fail_forbidden_skip((yield))
