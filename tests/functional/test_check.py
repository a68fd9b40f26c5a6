"""`steward check` of a home that serves, and of one that never did."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Deployment, inside

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("check")
    models = [{"name": "m", "backend": "openai", "url": upstream}]
    (folder / "steward.yaml").write_text(json.dumps({"home": "home", "gateway": {"workers": 1}, "models": models}))
    deployment = Deployment(folder / "home")
    yield deployment
    deployment.stop()


def verdicts(home: Path, *options: str) -> tuple[int, dict[str, str]]:
    done = inside("check", "--home", str(home), "--json", *options)
    return done.returncode, {item["id"]: item["verdict"] for item in json.loads(done.stdout)["checks"]}


def test_a_fresh_deployment_is_a_prototype_and_not_ready_for_production(served: Deployment) -> None:
    began = time.process_time()
    code, found = verdicts(served.home)
    assert time.process_time() - began < 3.0
    assert code == 1 and len(found) >= 30
    assert (found["infra.answers"], found["security.home"], found["security.audit"]) == ("pass", "pass", "pass")
    assert (found["monitoring.channels"], found["monitoring.prices"], found["infra.fallback"]) == (
        "fail",
        "fail",
        "fail",
    )
    assert (found["infra.load"], found["security.transport"]) == ("cannot tell", "not applicable")
    code, found = verdicts(served.home, "--level", "prototype")
    assert code == 0 and set(found.values()) == {"pass"}
    assert set(verdicts(served.home, "--pitfall", "ethics")[1]) == {
        "ethics.counterfactual",
        "ethics.disclosure",
        "ethics.complaints",
    }


def test_a_proof_that_a_command_leaves_turns_its_check_green(served: Deployment, tmp_path: Path) -> None:
    clean = tmp_path / "clean.txt"
    clean.write_text("nothing personal here\n")
    assert verdicts(served.home)[1]["data.personal"] == "cannot tell"
    before = os.getcwd()
    os.chdir(served.home.parent)
    try:
        (served.home.parent / ".steward").symlink_to(served.home)
        assert inside("privacy", "scan", str(clean)).returncode == 0
    finally:
        os.chdir(before)
    assert verdicts(served.home)[1]["data.personal"] == "pass"


def test_a_waiver_is_audited_printed_on_top_and_ended(served: Deployment) -> None:
    def waive(name: str, reason: str, until: str) -> int:
        return inside(
            "check", "waive", name, "--reason", reason, "--until", until, "--home", str(served.home)
        ).returncode

    assert waive("monitoring.heartbeat", "the on-call rota starts in May", "14d") == 0
    shown = inside("check", "--home", str(served.home)).stdout
    assert shown.index("Waived until") < shown.index("Infrastructure")
    assert verdicts(served.home)[1]["monitoring.heartbeat"] == "waived"
    assert "check.waive" in inside("audit", "tail", "--home", str(served.home)).stdout
    assert waive("monitoring.heartbeet", "the on-call rota starts in May", "14d") == 2
    assert (
        waive("monitoring.heartbeat", "no", "14d") == 2 and waive("monitoring.heartbeat", "a good reason", "91d") == 2
    )
    assert inside("check", "end-waiver", "monitoring.heartbeat", "--home", str(served.home)).returncode == 0
    assert verdicts(served.home)[1]["monitoring.heartbeat"] == "fail"


def test_evidence_is_packed_and_verified_without_the_deployment(served: Deployment, tmp_path: Path) -> None:
    home, pack = ("--home", str(served.home)), tmp_path / "pack.zip"
    made = json.loads(inside("evidence", "pack", str(pack), *home, "--json").stdout)
    records = json.loads(inside("evidence", "list", *home, "--json").stdout)
    assert made["verdict"] == "no-go" and made["evidence"] == len(records)
    assert inside("evidence", "verify", str(pack), *home).returncode == 0
    elsewhere = inside("evidence", "verify", str(pack), "--key", made["key"], "--json")
    assert elsewhere.returncode == 0 and json.loads(elsewhere.stdout)["verdict"] == "intact"
    assert inside("evidence", "pack", str(pack), *home).returncode == 2
    data = pack.read_bytes()
    pack.write_bytes(data[:2000] + b"x" + data[2001:])
    altered = inside("evidence", "verify", str(pack), *home)
    assert altered.returncode == 1 and altered.stdout.startswith("ALTERED")
    assert inside("evidence", "show", "ev_none", *home).returncode == 2
    assert inside("evidence", "verify", str(tmp_path / "none.zip"), *home).returncode == 2


def test_cards_are_written_and_say_what_nobody_has_stated(served: Deployment, tmp_path: Path) -> None:
    home, out = ("--home", str(served.home)), tmp_path / "card.json"
    assert inside("card", "model", "m", *home, "--format", "cyclonedx", "--out", str(out)).returncode == 3
    assert json.loads(out.read_text())["specVersion"] == "1.6"
    assert "not stated" in inside("card", "system", *home).stdout
    said = ["--owner", "a", "--intended-use", "b", "--not-for", "c", "--limitations", "d"]
    for kind in (["system"], ["model", "m"]):
        assert inside("card", "state", *kind, *said, *home).returncode == 0
        assert inside("card", *kind, *home, "--format", "html").returncode == 0
    card = json.loads(inside("card", "system", *home, "--json").stdout)
    assert card["statement"]["words"]["owner"] == "a" and card["stale"] is False
    assert inside("card", "model", "none", *home).returncode == 2
    assert inside("card", "data", str(tmp_path), *home).returncode == 2


def test_an_incident_is_kept_and_its_report_written(served: Deployment, tmp_path: Path) -> None:
    home, out = ("--home", str(served.home)), tmp_path / "incident.md"
    made = json.loads(
        inside("incident", "open", "names leaked", "--kind", "death", "--began", "3h", *home, "--json").stdout
    )
    assert inside("incident", "update", made["id"], "--follow-up", "test it", "--due", "14d", *home).returncode == 0
    assert inside("incident", "update", made["id"], "--follow-up", "test it", *home).returncode == 2
    assert made["id"] in inside("incident", "list", *home).stdout
    assert inside("incident", "report", made["id"], "--out", str(out), *home).returncode == 0
    assert "incidents.open" in out.read_text() and "Article 73" in out.read_text()
    assert verdicts(served.home)[1]["monitoring.incidents"] == "pass"
    assert inside("incident", "close", made["id"], "--cause", "released without a gate", *home).returncode == 0


def test_without_a_policy_every_change_is_free(served: Deployment) -> None:
    home = ("--home", str(served.home))
    assert "free" in inside("policy", "explain", *home).stdout
    answers = json.loads(inside("policy", "explain", *home, "--json").stdout)
    assert [one["change"] for one in answers] == ["settings", "prompt", "release", "waiver", "card"]
    assert inside("policy", "check", "release", *home).returncode == 0
    assert inside("policy", "check", "ap_none", *home).returncode == 2


def test_page_and_junit_are_written(served: Deployment, tmp_path: Path) -> None:
    page, junit = tmp_path / "ready.html", tmp_path / "ready.xml"
    inside("check", "--home", str(served.home), "--html", str(page), "--junit", str(junit))
    assert "No-go at level production" in page.read_text() and "<testsuite" in junit.read_text()


def test_a_home_that_never_served_cannot_be_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    code, found = verdicts(home, "--level", "prototype")
    assert code == 3 and found["infra.answers"] == "cannot tell" and found["security.home"] == "pass"


READ_OSCAL = (
    "import sys; from trestle.oscal.assessment_results import Model; Model.model_validate_json(sys.stdin.buffer.read())"
)


def test_the_control_map_is_evidence_and_valid_oscal(served: Deployment, tmp_path: Path) -> None:
    """OSCAL's models are those of compliance-trestle, made from its schema: `make oscal`."""
    judge = ROOT / "build" / "oscal" / "bin" / "python"
    if not judge.exists():
        pytest.skip("compliance-trestle is not installed; run: make oscal")
    page, file = tmp_path / "controls.html", tmp_path / "oscal.json"
    options = ("--html", str(page), "--oscal", str(file), "--json")
    done = inside("evidence", "map", "--home", str(served.home), *options)
    mapped = json.loads(done.stdout)
    assert done.returncode == 0 and len(mapped["frameworks"]) == 8
    states = {one["id"]: one["state"] for one in mapped["frameworks"][0]["controls"]}
    assert states["Art. 50(1)"] == "evidence for" and states["Art. 26(5)"] == "evidence against"
    assert states["Art. 17"] == "people only"
    assert "no statement that a law" in page.read_text()
    text = file.read_text()
    read = subprocess.run([judge, "-c", READ_OSCAL], input=text.encode(), capture_output=True, timeout=120)
    assert read.returncode == 0, read.stderr.decode()[-2000:]
    renamed = text.replace('"collected"', '"gathered"', 1).encode()
    assert subprocess.run([judge, "-c", READ_OSCAL], input=renamed, capture_output=True, timeout=120).returncode != 0
    assert inside("evidence", "map", "--home", str(served.home), "--framework", "eu-ai-akt").returncode != 0
