"""Results as build servers read them: JUnit's XML, and the annotations of GitHub Actions.

A verdict that could not be reached is an error, which no build server takes for a pass. The XML is what Jenkins' and
GitLab's readers take: testsuite, testcase, failure, error, skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from xml.sax.saxutils import quoteattr

import msgspec

MOST_ANNOTATIONS: Final = 10  # that GitHub shows of one kind a step
_CONTROL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


class BuildResult(msgspec.Struct, frozen=True):
    """One test case. `why`: of what did not pass."""

    name: str
    status: Literal["passed", "failed", "error", "skipped"]
    why: str = ""


def render_junit(suite: str, results: Sequence[BuildResult]) -> str:
    """One suite; `suite` such as "steward gate", whose words are the class of its cases.

    >>> render_junit("steward gate", [BuildResult("f1", "failed", "below")]).splitlines()[1]
    '<testsuite name="steward gate" tests="1" failures="1" errors="0" skipped="0">'
    """
    tags = {"passed": "", "failed": "failure", "error": "error", "skipped": "skipped"}
    lines = []
    for result in results:
        tag = tags[result.status]
        inside = f"<{tag} message={_quote(result.why)}/>" if tag else ""
        kind = _quote(suite.replace(" ", "."))
        lines.append(f"<testcase classname={kind} name={_quote(result.name)}>{inside}</testcase>")
    counts = [sum(result.status == status for result in results) for status in ("failed", "error", "skipped")]
    head = 'tests="{}" failures="{}" errors="{}" skipped="{}"'.format(len(results), *counts)
    body = "\n".join(lines)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name={_quote(suite)} {head}>\n{body}\n</testsuite>\n'


def render_annotations(suite: str, results: Sequence[BuildResult]) -> list[str]:
    """GitHub's workflow commands, for what did not pass; the last one counts what would not be shown.

    >>> render_annotations("steward gate", [BuildResult("f1", "failed", "50 % below\\nthe margin")])
    ['::error title=steward gate%3A f1::50 %25 below%0Athe margin']
    """
    kinds = {"failed": "error", "error": "error", "skipped": "warning"}
    told = [result for result in results if result.status in kinds]
    lines = [
        f"::{kinds[result.status]} title={_escape_title(f'{suite}: {result.name}')}::{_escape_words(result.why)}"
        for result in told[: MOST_ANNOTATIONS - 1 if len(told) > MOST_ANNOTATIONS else MOST_ANNOTATIONS]
    ]
    if len(told) > len(lines):
        lines.append(f"::error title={_escape_title(suite)}::and {len(told) - len(lines)} more that did not pass")
    return lines


def runs_on_github(environment: Mapping[str, str]) -> bool:
    """Whether annotations would be read."""
    return environment.get("GITHUB_ACTIONS") == "true"


def _quote(text: str) -> str:
    return quoteattr(_CONTROL.sub("\ufffd", text))


def _escape_words(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_title(text: str) -> str:
    return _escape_words(text).replace(":", "%3A").replace(",", "%2C")
