"""The control map as OSCAL assessment results (NIST, version 1.2.1), for whoever collects evidence in that form.

OSCAL knows "satisfied" and "not satisfied" alone. Only a control whose every check passed is said to be satisfied, and
each finding says in its remarks that nobody has judged it. Identifiers follow from what they name, so that the same map
is the same file. Pure.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any, Final

import msgspec

from steward.governance.controls import ControlLine, ControlMap, FrameworkMap
from steward.governance.readiness import ReadinessLine, ReadinessReport

OSCAL_VERSION: Final = "1.2.1"
_NAMESPACE: Final = uuid.UUID("5b1f0c52-0c2e-4b53-9f6e-0d2c6b1e7a44")  # of steward's own identifiers
_SPACES: Final = re.compile(r"[^A-Za-z0-9.]+")
_REASONS: Final = {"evidence for": "pass", "evidence against": "fail"}


def write_assessment(controls: ControlMap, readiness: ReadinessReport, home: str) -> bytes:
    """The document as a file."""
    return msgspec.json.format(msgspec.json.encode(make_assessment(controls, readiness, home)))


def make_assessment(controls: ControlMap, readiness: ReadinessReport, home: str) -> dict[str, Any]:
    """The document, ready for JSON. A framework is a result, a check an observation, a control a finding."""
    at, seed = _when(controls.made_at), f"{home}/{controls.made_at}"
    plan = _uuid(seed, "plan")
    lines = {line.id: line for line in readiness.checks}
    return {
        "assessment-results": {
            "uuid": _uuid(seed),
            "metadata": {
                "title": f"What steward checked of {home}",
                "last-modified": at,
                "version": at,
                "oscal-version": OSCAL_VERSION,
                "remarks": controls.disclaimer,
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [_make_result(one, lines, at, seed) for one in controls.frameworks],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": "The checks of steward check",
                        "description": "There is no plan in OSCAL: docs/reference/checks has what each check asks.",
                    }
                ]
            },
        }
    }


def _make_result(framework: FrameworkMap, lines: dict[str, ReadinessLine], at: str, seed: str) -> dict[str, Any]:
    used = dict.fromkeys(name for control in framework.controls for name in control.checks)
    findings = [_make_finding(framework, control, seed) for control in framework.controls if control.checks]
    result = {
        "uuid": _uuid(seed, framework.name),
        "title": framework.title,
        "description": f"As of {framework.as_of}. {framework.note}",
        "start": at,
        "end": at,
        "reviewed-controls": {
            "control-selections": [
                {
                    "include-controls": [
                        {"control-id": make_token(framework.name, control.id)} for control in framework.controls
                    ]
                }
            ]
        },
    }
    observations = [_make_observation(lines[name], framework, at, seed) for name in used]
    return result | ({"observations": observations, "findings": findings} if findings else {})


def _make_observation(line: ReadinessLine, framework: FrameworkMap, at: str, seed: str) -> dict[str, Any]:
    observation: dict[str, Any] = {
        "uuid": _uuid(seed, framework.name, "check", line.id),
        "title": line.id,
        "description": f"{line.question} {line.verdict}: {line.value or 'nothing more'}",
        "methods": ["TEST"],
        "types": ["control-objective"],
        "collected": at if line.produced_at is None else _when(line.produced_at),
    }
    if line.valid_until is not None:
        observation["expires"] = _when(line.valid_until)
    if line.evidence:
        observation["relevant-evidence"] = [
            {"href": f"evidence.jsonl#{name}", "description": f"record {name} of the evidence pack"}
            for name in line.evidence
        ]
    return observation


def _make_finding(framework: FrameworkMap, control: ControlLine, seed: str) -> dict[str, Any]:
    satisfied = control.state == "evidence for"
    people = f" For people: {control.people}." if control.people else ""
    return {
        "uuid": _uuid(seed, framework.name, "control", control.id),
        "title": f"{control.id}: {control.title}",
        "description": f"{control.state[:1].upper()}{control.state[1:]}.{people}",
        "target": {
            "type": "objective-id",
            "target-id": make_token(framework.name, control.id),
            "status": {
                "state": "satisfied" if satisfied else "not-satisfied",
                "reason": _REASONS.get(control.state, "other"),
                "remarks": "By the verdicts of checks alone. Nobody has judged whether the duty is met.",
            },
        },
        "related-observations": [
            {"observation-uuid": _uuid(seed, framework.name, "check", name)} for name in control.checks
        ],
    }


def make_token(framework: str, control: str) -> str:
    """An OSCAL token: begins with a letter, and has letters, digits, '.', '-' and '_' alone.

    >>> make_token("hipaa", "164.312(a)(2)(iv)")
    'hipaa_164.312-a-2-iv'
    """
    return f"{framework}_{_SPACES.sub('-', control).strip('-')}"


def _uuid(*names: str) -> str:
    """A version 5 one: of the same names always the same."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(names)))


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
