"""Evaluations, Data, Load and capacity, which list proofs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from steward.console.pages.data import read_lines
from steward.console.pages.proofs import find_report
from steward.core.evidence import Evidence, EvidenceVerdict

PAGES = {"/evaluations": "evaluation.run", "/data": "data.run", "/load": "loadtest.run"}


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path / "home")


def add(
    console: HomeConsole, check: str, number: int = 1, verdict: EvidenceVerdict = "pass", source: str = "", **more: str
) -> str:
    proof = Evidence(
        id=f"ev_{number:024x}", check=check, subject=more.get("subject", f"subject {number}"),
        subject_digest="sha256:0",
        verdict=verdict, value=more.get("value", f"value {number}"), expected="", source=source,
        produced_at=NOW - number, valid_until=None, command="steward again", signer="operator:7",
    )  # fmt: skip
    console.store.evidence.add(proof, tenant=more.get("tenant", "default"))
    return proof.id


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_page_says_what_makes_the_first(console: HomeConsole, path: str) -> None:
    page = console.get(path)
    assert "Nothing yet" in page and "<code>steward " in page


@pytest.mark.parametrize(("path", "check"), PAGES.items())
def test_proofs_are_listed_filtered_and_opened(console: HomeConsole, path: str, check: str) -> None:
    first = add(console, check, 1)
    add(console, check, 2, "fail")
    add(console, "backup.made", 3)
    page = read_text(console.get(path))
    assert "subject 1" in page and "subject 2" in page and "subject 3" not in page
    assert "subject 1" not in console.get(f"{path}?state=fail") and "subject 2" in console.get(f"{path}?state=fail")
    assert "Nothing matches" in console.get(f"{path}?words=nowhere")
    one = console.get(f"{path}/{first}")
    assert "value 1" in one and "steward again" in one and "operator:7" in one
    assert console.ask("GET", f"{path}/none")[0] == 404


@pytest.mark.parametrize(("path", "check"), PAGES.items())
def test_another_tenant_sees_none_of_them(console: HomeConsole, path: str, check: str) -> None:
    mine, theirs = add(console, check, 1), add(console, check, 2, tenant="acme")
    page = console.get(path, tenant="acme")
    assert "subject 2" in page and "subject 1" not in page
    assert console.ask("GET", f"{path}/{mine}", tenant="acme")[0] == 404
    assert console.get(f"{path}/{theirs}", tenant="acme")
    assert console.ask("GET", f"{path}/{theirs}/report", tenant="acme")[0] == 403


def test_a_report_is_sent_under_a_policy_that_runs_nothing(console: HomeConsole, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.html").write_text("<h1>the report</h1>")
    name = add(console, "evaluation.run", source=str(tmp_path / "run"))
    assert "Open the report" in console.get(f"/evaluations/{name}")
    status, headers, page = console.ask("GET", f"/evaluations/{name}/report")
    assert (status, page) == (200, "<h1>the report</h1>") and "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    gone = add(console, "evaluation.run", 2, source=str(tmp_path / "gone"))
    status, _, page = console.ask("GET", f"/evaluations/{gone}/report")
    assert status == 404 and "Make it again: steward again" in page
    assert "Open the report" not in console.get(f"/evaluations/{gone}")


def test_only_pages_of_runs_are_reports(tmp_path: Path) -> None:
    (tmp_path / "load.json").write_text("{}")
    assert find_report("") is None and find_report(str(tmp_path / "load.json")) is None
    (tmp_path / "load.html").write_text("x")
    assert find_report(str(tmp_path / "load.json")) == tmp_path / "load.html"
    (tmp_path / "load.html").write_text("x" * 4_194_304)  # 4 MiB
    assert find_report(str(tmp_path / "load.json")) == tmp_path / "load.html"
    (tmp_path / "load.html").write_text("x" * 4_194_305)
    assert find_report(str(tmp_path / "load.json")) is None


def test_a_pipeline_run_shows_what_was_dropped_and_why(console: HomeConsole, tmp_path: Path) -> None:
    stages = [{"name": "quality", "rows_in": 10, "rows_out": 7, "dropped": 3, "rules": {"drop short": 1, HOSTILE: 2}}]
    summary = {"rows_in": 10, "rows_out": 7, "stages": stages, "warnings": ["careful"], "more": 1}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    name = add(console, "data.run", source=str(tmp_path))
    page = console.get(f"/data/{name}")
    assert (
        "drop short: 1" in page and "careful" in page and "10 rows in, 7 out." in page and "<script>alert" not in page
    )
    assert "does not lie on this machine" in console.get(f"/data/{add(console, 'data.run', 2, source='/nowhere')}")
    assert read_lines(tmp_path / "none") is None


def test_ten_thousand_proofs_with_hostile_words_are_paged(console: HomeConsole) -> None:
    for number in range(1, 301):
        add(console, "evaluation.gate", number, subject=HOSTILE, value=HOSTILE)
    page = console.get("/evaluations")
    assert "1–50 of 300 results" in page and "<script>alert" not in page and len(page) < 150_000


def test_load_says_that_there_is_no_plan(console: HomeConsole) -> None:
    assert "No plan in force" in console.get("/load") and "This machine has none" in console.get("/load")


def test_the_inventory_of_personal_data_is_for_whoever_looks_after_privacy(console: HomeConsole) -> None:
    page = read_text(console.get("/data"))
    assert "requests store pseudonyms of subject and conversation, key, route, times, tokens; no texts" in page
    assert "feedback texts store comments and corrections quality of answers 0 – " in page
    page = read_text(console.get("/data", rights=frozenset({"evidence.read"})))
    assert "whoever has the right privacy.read" in page and "pseudonyms" not in page


def test_a_training_set_shows_the_steps_that_chose_its_rows(console: HomeConsole, tmp_path: Path) -> None:
    manifest = {
        "format": 1, "name": "support", "version": "0", "created_at": 0.0, "tenant": "default", "project": "p",
        "key": "k", "parameters": {}, "rows": {"train": 7, "select": 1}, "origins": {}, "consents": {}, "groups": {},
        "steps": [{"name": "consent", "rows_in": 10, "rows_out": 8, "removed": 2, "reasons": {"no consent": 2}}],
        "replay_share": 0.0, "model_share": 0.0, "distinct_ngrams": None, "subjects": [], "sources": [], "files": [],
    }  # fmt: skip
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(manifest))
    page = read_text(console.get(f"/data/{add(console, 'dataset.build', source=str(tmp_path / 'set'))}"))
    assert "10 rows in, 8 out" in page and "no consent: 2" in page and "steward dataset show" in page
    gone = read_text(console.get(f"/data/{add(console, 'dataset.build', 2, source='/nowhere')}"))
    assert "does not lie on this machine any more" in gone


def test_proofs_of_one_kind_are_listed_the_newest_first(console: HomeConsole) -> None:
    add(console, "evaluation.run", 3)
    add(console, "evaluation.gate", 1)
    add(console, "evaluation.run", 2)
    page = console.get("/evaluations?kind=evaluation.run")
    assert page.index("subject 2") < page.index("subject 3") and "subject 1" not in page
    every = console.get("/evaluations?kind=other")
    assert every.index("subject 1") < every.index("subject 2") < every.index("subject 3")
    assert "Nothing matches" in console.get("/evaluations?kind=evaluation.run&words=nowhere")
    assert "Nothing matches" in console.get("/evaluations?kind=evaluation.groups")  # of this kind, there may be others
    assert "Nothing yet" in console.get("/data?words=nowhere")
