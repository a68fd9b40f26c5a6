"""What speaks for the controls of laws and standards: a rendering of `steward check`, with no verdict of its own.

It says "evidence for", never "compliant": whether a duty is met is for people. Pure.
"""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final, Literal

import msgspec

from steward.core.errors import UnknownName
from steward.governance.frameworks import FRAMEWORKS, Control, Framework
from steward.governance.readiness import DAY_S, ReadinessLine, ReadinessReport
from steward.web.page import Html, card, report_page, table

ControlState = Literal[
    "evidence for", "evidence in part", "evidence against", "no evidence", "kept elsewhere", "people only"
]
OLD_AFTER_S: Final = 180 * DAY_S  # laws change: a map that was not read again for so long says so
_MARKS: Final[dict[ControlState, str]] = {
    "evidence for": "act keep", "evidence in part": "act merge", "evidence against": "act drop",
}  # fmt: skip
_WORDS: Final[dict[ControlState, str]] = {
    "evidence for": "with evidence for them", "evidence in part": "with evidence in part",
    "evidence against": "with evidence against them", "no evidence": "without evidence",
    "kept elsewhere": "that a command alone shows", "people only": "for people alone",
}  # fmt: skip
DISCLAIMER: Final = (
    "This maps what steward has checked to controls. It is evidence for whoever judges them, and no statement that a "
    "law or a standard is complied with."
)


class ControlLine(msgspec.Struct, frozen=True, kw_only=True):
    """One control, and what speaks for it now."""

    id: str
    title: str
    state: ControlState
    checks: dict[str, str]  # verdict of each check that speaks for it
    evidence: tuple[str, ...]  # ids of records
    keeps: str  # a command that shows what else is kept
    people: str  # what only people can show


class FrameworkMap(msgspec.Struct, frozen=True, kw_only=True):
    """One framework, as of a day."""

    name: str
    title: str
    as_of: str
    old: bool  # read more than 180 days ago
    note: str
    controls: tuple[ControlLine, ...]


class ControlMap(msgspec.Struct, frozen=True, kw_only=True):
    """`steward evidence map --json`."""

    made_at: float
    level: str
    disclaimer: str
    frameworks: tuple[FrameworkMap, ...]


def map_controls(readiness: ReadinessReport, now: float, name: str | None = None) -> ControlMap:
    """`readiness`: of all checks, at the highest level, so that no control misses one.

    :raises UnknownName: no framework of that name
    """
    names = [framework.name for framework in FRAMEWORKS]
    if name is not None and name not in names:
        raise UnknownName("framework", name, names)
    lines = {line.id: line for line in readiness.checks}
    chosen = [framework for framework in FRAMEWORKS if name in (None, framework.name)]
    frameworks = tuple(_map_framework(framework, lines, now) for framework in chosen)
    return ControlMap(made_at=now, level=readiness.level, disclaimer=DISCLAIMER, frameworks=frameworks)


def _map_framework(framework: Framework, lines: dict[str, ReadinessLine], now: float) -> FrameworkMap:
    read_at = datetime.datetime.fromisoformat(framework.as_of).replace(tzinfo=datetime.UTC).timestamp()
    return FrameworkMap(
        name=framework.name,
        title=framework.title,
        as_of=framework.as_of,
        old=now - read_at > OLD_AFTER_S,
        note=framework.note,
        controls=tuple(_map_control(control, lines) for control in framework.controls),
    )


def _map_control(control: Control, lines: dict[str, ReadinessLine]) -> ControlLine:
    found = [lines[name] for name in control.checks if name in lines]
    return ControlLine(
        id=control.id,
        title=control.title,
        state=_decide_state(control, [line.verdict for line in found]),
        checks={line.id: line.verdict for line in found},
        evidence=tuple(dict.fromkeys(name for line in found for name in line.evidence)),
        keeps=control.keeps,
        people=control.people,
    )


def _decide_state(control: Control, verdicts: Sequence[str]) -> ControlState:
    """What does not apply speaks neither for nor against; a waiver is somebody's word, and no evidence."""
    counted = [verdict for verdict in verdicts if verdict != "not applicable"]
    if "fail" in counted:
        return "evidence against"
    if "pass" in counted:
        return "evidence for" if set(counted) == {"pass"} else "evidence in part"
    if control.checks:
        return "no evidence"
    return "kept elsewhere" if control.keeps else "people only"


def render_controls(controls: ControlMap) -> str:
    """HTML: a table for each framework."""
    return f"<p>{escape(controls.disclaimer)}</p>" + "".join(_render_framework(one) for one in controls.frameworks)


def render_control_page(controls: ControlMap, home: str) -> str:
    """One HTML file."""
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(controls.made_at))
    return report_page("Evidence for controls", f"evidence of {escape(home)} · {made}", render_controls(controls))


def describe_states(framework: FrameworkMap) -> str:
    """How many controls are in each state, in words."""
    counts = Counter(line.state for line in framework.controls)
    parts = [f"{counts[state]} {words}" for state, words in _WORDS.items() if counts[state]]
    return f"{len(framework.controls)} controls: {', '.join(parts)}"


def _render_framework(framework: FrameworkMap) -> str:
    old = (
        f" It was read on {framework.as_of}, more than 180 days ago: look up what has changed." if framework.old else ""
    )
    about = f'<p class="quiet">As of {framework.as_of}. {escape(framework.note)}{escape(old)}</p>'
    return card(
        framework.title, about + table("control|about|state|checks|records|shown by|for people", _rows(framework))
    )


def _rows(framework: FrameworkMap) -> list[list[object]]:
    return [
        [
            line.id,
            line.title,
            Html(f'<span class="{_MARKS.get(line.state, "quiet")}">{escape(line.state)}</span>'),
            ", ".join(f"{name}: {verdict}" for name, verdict in line.checks.items()) or None,
            ", ".join(line.evidence) or None,
            Html(f"<code>{escape(line.keeps)}</code>") if line.keeps else None,
            line.people or None,
        ]
        for line in framework.controls
    ]
