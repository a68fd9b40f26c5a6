from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from console_home import NOW, HomeConsole, read_text
from served_home import serve_home
from steward.console.pages.readiness import describe_report
from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.governance.checks import CHECKS
from steward.governance.readiness import CheckVerdict, ReadinessLine, ReadinessReport, list_evidence_kinds
from steward.workflows.audit import list_acts
from steward.workflows.gateway_probe import ask_gateway
from steward.workflows.readiness import check_home, list_waivers, waive
from steward.workflows.serve.deployment import find_deployment

CHECK = ReadinessLine(
    id="infra.answers", pitfall="infrastructure", question="?", verdict="pass", value="", expected="", evidence=(),
    produced_at=None, valid_until=None, fix="",
)  # fmt: skip
VERDICTS: tuple[CheckVerdict, ...] = ("pass", "fail", "cannot tell", "waived", "not applicable", "pass")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[HomeConsole]:
    with serve_home(tmp_path) as home:
        yield HomeConsole(home)


def test_the_verdict_stands_on_top_with_every_check_and_what_mends_it(console: HomeConsole) -> None:
    page = read_text(console.get("/readiness?level=prototype"))
    assert "at level prototype" in page and "Infrastructure" in page and " passed" in page
    assert len(console.get("/readiness?level=regulated")) > len(console.get("/readiness?level=prototype"))
    page = console.get("/readiness?level=none-such")
    assert "at level production" in page
    below = dict(part.split("</h2>", 1) for part in page.split("<h2>")[1:])
    shown = {heading: set(re.findall(r'<span class="quiet">([a-z]+)\.', part)) for heading, part in below.items()}
    assert shown["Infrastructure"] == {"infra"} and "infra" not in shown["Data"]


def test_a_check_is_waived_with_a_reason_and_counts_again(console: HomeConsole) -> None:
    form = {"check": "infrastructure.fallback", "until": "14d", "why": "a second model comes next week"}
    page = console.get("/readiness")
    name = page.partition('<select id="check"')[2].partition("<option>")[2].partition("</option>")[0]
    form["check"] = name or page.partition("<option selected>")[2].partition("</option>")[0]
    status, where, _ = console.post("/readiness/waive?level=production", form)
    assert (status, where) == (303, "/readiness?level=production&done=waived")
    waiver = list_waivers(console.home)[0]
    assert (waiver.owner, waiver.until) == ("person:anna", NOW + 14 * 86400)
    assert "a second model comes next week" in console.get("/readiness?level=production&done=waived")
    assert console.post("/readiness/end-waiver", {"check": form["check"]})[0] == 303
    assert list_waivers(console.home) == []
    assert [act.action for act in list_acts(console.home, 2)] == ["check.end-waiver", "check.waive"]


@pytest.mark.parametrize(
    ("form", "code", "said"),
    [
        ({"check": "none.such", "until": "14d", "why": "long enough a reason"}, 404, "unknown check"),
        ({"check": "", "until": "14d", "why": "long enough a reason"}, 404, "unknown check"),
        ({"check": "none.such", "until": "soon", "why": "long enough a reason"}, 400, "until"),
    ],
)
def test_a_wrong_waiver_is_shown_again(console: HomeConsole, form: dict[str, str], code: int, said: str) -> None:
    status, _, page = console.post("/readiness/waive", form)
    assert status == code and said in page and 'value="long enough a reason"' in page


def test_a_reviewer_reads_and_waives_nothing(console: HomeConsole) -> None:
    assert "Let a check wait" not in console.get("/readiness", rights=frozenset({"evidence.read"}))
    assert console.post("/readiness/waive", {}, rights=frozenset({"evidence.read"}))[0] == 403
    assert console.ask("GET", "/readiness", rights=frozenset({"console.read"}))[0] == 403


def test_a_check_is_seen_for_half_a_minute_unless_somebody_has_just_changed_one(console: HomeConsole) -> None:
    """The pages of the console expire what they know when a form was taken; this waiver comes from a command."""
    assert "2 weeks are enough" not in console.get("/readiness")
    until, reason = NOW + 14 * 86400, "2 weeks are enough for it"
    waive(console.home, "infra.fallback", reason, until, NOW, operator(0))
    assert reason not in console.get("/readiness")
    assert reason in console.get("/readiness?done=waived") and reason in console.get("/readiness?again=1")
    assert "The check waits until then" in console.get("/readiness?done=waived")
    assert "The check counts again." in console.get("/readiness?done=ended")


def test_counts_of_the_verdict_are_in_words() -> None:
    checks = [msgspec.structs.replace(CHECK, verdict=verdict) for verdict in VERDICTS]
    report = ReadinessReport(verdict="fail", level="production", checks=tuple(checks), waivers=())
    assert describe_report(report) == "2 passed, 1 failed, 1 cannot be told, 1 waived."
    alone = msgspec.structs.replace(report, checks=(CHECK,))
    assert describe_report(alone) == "1 passed."


def test_every_verdict_leads_to_the_record_as_it_was_written(console: HomeConsole) -> None:
    proof = Evidence(
        id="ev_1", check="restore.drill", subject="home", subject_digest="sha256:0", verdict="pass",
        value="42 rows <b>", expected="every row", source="", produced_at=NOW - 60, valid_until=None,
        command="steward backup verify", signer="operator:7",
    )  # fmt: skip
    kind = list_evidence_kinds([check for check in CHECKS if check.id == "infra.load"])[0]
    store = find_deployment(console.home).open_store()
    store.migrate()
    store.evidence.add(msgspec.structs.replace(proof, check=kind), tenant="default")
    store.close()
    page = console.get("/readiness?level=production&fresh=1")
    assert 'href="/readiness/evidence/ev_1"' in page
    record = console.get("/readiness/evidence/ev_1")
    assert "42 rows &lt;b&gt;" in record and "infra.load" in record and "steward backup verify" in record
    assert "\n  &#34;subject_digest&#34;: &#34;sha256:0&#34;" in record
    status, _, missing = console.ask("GET", "/readiness/evidence/ev_2")
    assert status == 404 and ">Not found<" in missing
    assert console.ask("GET", "/readiness/evidence/ev_1", rights=frozenset({"console.read"}))[0] == 403


def test_only_what_does_not_pass_can_wait(console: HomeConsole) -> None:
    page = console.get("/readiness?level=production")
    choice = page.partition('<select id="check"')[2].partition("</select>")[0]
    offered = re.findall(r"<option[^>]*>([^<]+)", choice)
    report = check_home(console.home, "production", NOW, *ask_gateway(console.home))
    verdicts = {one.id: one.verdict for one in report.checks}
    assert {verdicts[name] for name in offered} <= {"fail", "cannot tell"}
    assert len(offered) == sum(verdict in ("fail", "cannot tell") for verdict in verdicts.values())


def test_controls_are_those_of_the_law_or_standard_that_is_chosen(console: HomeConsole) -> None:
    chosen = re.compile(r'<option value="([^"]+)" selected>')
    assert chosen.findall(console.get("/readiness/controls?framework=gdpr")) == ["gdpr"]
    assert chosen.findall(console.get("/readiness/controls")) == ["eu-ai-act"]  # the first of them
