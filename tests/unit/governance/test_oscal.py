"""The control map as OSCAL. Its schema judges it in tests/functional/test_check.py."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from steward.governance.controls import map_controls
from steward.governance.frameworks import FRAMEWORKS, Framework
from steward.governance.oscal import make_assessment, make_token, write_assessment
from steward.governance.readiness import CheckVerdict, ReadinessLine, ReadinessReport

AS_OF = 1_795_824_000.0  # 2026-11-28


def line(name: str, verdict: CheckVerdict, *evidence: str) -> ReadinessLine:
    return ReadinessLine(
        id=name, pitfall="ethics", question="?", verdict=verdict, value="seen", expected="", evidence=evidence,
        produced_at=None, valid_until=None, fix="",
    )  # fmt: skip


def report(*lines: ReadinessLine) -> ReadinessReport:
    return ReadinessReport(verdict="cannot tell", level="regulated", checks=lines, waivers=())


READINESS = report(
    line("security.audit", "pass", "ev_1"), line("security.witness", "pass"), line("infra.restore", "fail")
)
MAP = map_controls(READINESS, AS_OF, "hipaa")


def test_only_what_every_check_passes_is_satisfied() -> None:
    (result,) = make_assessment(MAP, READINESS, "home")["assessment-results"]["results"]
    states = {
        one["target"]["target-id"]: (one["target"]["status"]["state"], one["target"]["status"]["reason"])
        for one in result["findings"]
    }
    assert states["hipaa_164.312-b"] == ("satisfied", "pass")
    assert states["hipaa_164.312-a-2-ii"] == ("not-satisfied", "fail")
    assert states["hipaa_164.312-c"] == ("satisfied", "pass")  # data.training is in no report of this test
    assert "hipaa_164.312-a-2-iii" not in states  # nothing that is checked speaks for it


def test_every_reference_leads_somewhere() -> None:
    document = make_assessment(MAP, READINESS, "home")["assessment-results"]
    (result,) = document["results"]
    observed = {one["uuid"] for one in result["observations"]}
    named = {one["observation-uuid"] for finding in result["findings"] for one in finding["related-observations"]}
    assert named == observed and len(observed) == 3
    assert document["import-ap"]["href"] == "#" + document["back-matter"]["resources"][0]["uuid"]
    evidence = [one["relevant-evidence"] for one in result["observations"] if "relevant-evidence" in one]
    assert evidence == [[{"href": "evidence.jsonl#ev_1", "description": "record ev_1 of the evidence pack"}]]


def test_an_observation_tells_the_verdict_and_what_was_seen_or_that_nothing_was() -> None:
    readiness = report(line("security.audit", "pass"), msgspec.structs.replace(line("infra.restore", "fail"), value=""))
    document = make_assessment(map_controls(readiness, AS_OF, "hipaa"), readiness, "home")
    told = {one["title"]: one["description"] for one in document["assessment-results"]["results"][0]["observations"]}
    assert told == {"security.audit": "? pass: seen", "infra.restore": "? fail: nothing more"}


def test_the_same_map_is_the_same_file() -> None:
    assert write_assessment(MAP, READINESS, "home") == write_assessment(MAP, READINESS, "home")
    assert json.loads(write_assessment(MAP, READINESS, "home")) != json.loads(write_assessment(MAP, READINESS, "other"))


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.name)
def test_controls_become_tokens_of_their_own(framework: Framework) -> None:
    """OSCAL's pattern of a token, without letters beyond ASCII: none is used here."""
    tokens = [make_token(framework.name, control.id) for control in framework.controls]
    assert len(tokens) == len(set(tokens))
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9._-]*", token) for token in tokens)


def test_an_observation_has_the_time_of_its_proof_and_else_of_the_map() -> None:
    proved = msgspec.structs.replace(
        line("security.audit", "pass", "ev_1"), produced_at=AS_OF - 86_400.0, valid_until=AS_OF + 86_400
    )
    document = make_assessment(MAP, report(proved, *READINESS.checks[1:]), "home")["assessment-results"]
    (result,) = document["results"]
    expiry = {one["title"]: one.get("expires", "never")[:10] for one in result["observations"]}
    assert expiry == {"security.audit": "2026-11-29", "security.witness": "never", "infra.restore": "never"}
    times = {one["title"]: one["collected"] for one in result["observations"]}
    assert times["security.audit"].startswith("2026-11-27") and times["infra.restore"].startswith("2026-11-28")


def test_a_finding_says_its_state_as_a_sentence() -> None:
    (result,) = make_assessment(MAP, READINESS, "home")["assessment-results"]["results"]
    descriptions = [one["description"] for one in result["findings"]]
    assert any(each.startswith("Evidence for.") for each in descriptions)
    assert any(each.startswith("Evidence against.") for each in descriptions)
