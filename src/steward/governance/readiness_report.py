"""`steward check` as a page and as JUnit XML."""

from __future__ import annotations

import time
from collections import Counter
from html import escape
from typing import Final
from xml.etree import ElementTree

from steward.governance.readiness import PITFALLS, ReadinessLine, ReadinessReport
from steward.web.page import Html, card, figures, report_page, table

WORDS: Final = {"go": "Go", "no-go": "No-go", "cannot tell": "Cannot tell"}
_MARKS: Final = {"pass": "act keep", "fail": "act drop", "cannot tell": "act merge", "waived": "act merge"}


def render_page(readiness: ReadinessReport, home: str, now: float) -> str:
    """One HTML file; every line leads to its proof and to the command that renews it."""
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    return report_page(
        f"{WORDS[readiness.verdict]} at level {readiness.level}",
        f"readiness of {escape(home)} · {made}",
        render_sections(readiness),
    )


def render_sections(readiness: ReadinessReport) -> str:
    """HTML: the verdicts in numbers, the waivers, and a table for each way to fail."""
    counts = Counter(item.verdict for item in readiness.checks)
    boxes = [
        ("Verdict", WORDS[readiness.verdict], f"level {readiness.level}"),
        ("Passed", str(counts["pass"]), f"of {len(readiness.checks)} checks"),
        ("Failed", str(counts["fail"]), "each of them decides"),
        ("Cannot be told", str(counts["cannot tell"]), "never counts as passed"),
    ]
    waived = [[waiver.check, waiver.reason, waiver.owner, _day(waiver.until)] for waiver in readiness.waivers]
    parts = [figures(boxes)]
    if waived:
        parts.append(card("Waivers", table("check|reason|owner|until", waived)))
    for pitfall in PITFALLS:
        rows = [_row(item) for item in readiness.checks if item.pitfall == pitfall]
        if rows:
            parts.append(card(pitfall.capitalize(), table("verdict|question|seen|expected|proof|what to do", rows)))
    return "".join(parts)


def _row(item: ReadinessLine) -> list[object]:
    proof = ", ".join(item.evidence)
    age = "" if item.produced_at is None else f" of {_day(item.produced_at)}"
    until = "" if item.valid_until is None else f", until {_day(item.valid_until)}"
    return [
        Html(f'<span class="{_MARKS.get(item.verdict, "quiet")}">{escape(item.verdict)}</span>'),
        f"{item.question} ({item.id})",
        item.value,
        item.expected or None,
        f"{proof}{age}{until}" if proof or until else None,
        Html(f"<code>{escape(item.fix)}</code>") if item.fix else None,
    ]


def render_junit(readiness: ReadinessReport) -> str:
    """A test case a check: failed, or skipped where nobody can tell, it is waived or does not apply."""
    counts = Counter(item.verdict for item in readiness.checks)
    skipped = len(readiness.checks) - counts["pass"] - counts["fail"]
    suite = ElementTree.Element(
        "testsuite",
        name=f"steward check {readiness.level}",
        tests=str(len(readiness.checks)),
        failures=str(counts["fail"]),
        skipped=str(skipped),
    )
    for item in readiness.checks:
        case = ElementTree.SubElement(suite, "testcase", classname=item.pitfall, name=f"{item.id}: {item.question}")
        message = f"{item.value}; expected {item.expected}; {item.fix}" if item.fix else item.value
        if item.verdict == "fail":
            ElementTree.SubElement(case, "failure", message=message)
        elif item.verdict != "pass":
            ElementTree.SubElement(case, "skipped", message=f"{item.verdict}: {message}")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))
