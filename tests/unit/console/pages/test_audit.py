from __future__ import annotations

from pathlib import Path

import pytest

from console_home import HOSTILE, NOW, HomeConsole, read_text
from steward.core.identity import Principal, operator
from steward.core.records import LimitSpec
from steward.workflows import keys
from steward.workflows.audit import audit_folder, make_act
from steward.workflows.serve.deployment import find_deployment


@pytest.fixture
def console(tmp_path: Path) -> HomeConsole:
    return HomeConsole(tmp_path)


def record(console: HomeConsole, count: int, tenant: str = "default") -> None:
    log = find_deployment(console.home).open_audit_log()
    who = Principal(kind="person", id=f"of-{tenant}", tenant=tenant)
    for index in range(count):
        log.record(make_act(who, "keys.create", f"key:{tenant}-{index}", clock=lambda: NOW))


def test_an_empty_log_says_what_will_stand_there(console: HomeConsole) -> None:
    page = console.get("/audit")
    assert "Nothing was changed yet" in page and "Verify now" not in page
    assert console.ask("GET", "/audit/checkpoint")[0] == 404


def test_acts_stand_there_newest_first_with_their_reason_and_are_paged(console: HomeConsole) -> None:
    record(console, 120)
    keys.create(console.home, "web", LimitSpec(), NOW, actor=operator(7, "ticket 9"))
    page = console.get("/audit")
    assert "ticket 9" in page and "operator:7" in page and "key:default-119" in page and "key:default-70" not in page
    older = console.get("/audit?before=71")
    assert "key:default-70" in older and "key:default-21" in older and "key:default-71" not in older
    assert page.count('href="/audit"') + 1 == older.count('href="/audit"')  # back to the newest
    assert "before=21" in older and 'rel="next"' not in console.get("/audit?before=21")


def test_acts_are_searched(console: HomeConsole) -> None:
    record(console, 60)
    keys.create(console.home, "web", LimitSpec(), NOW, actor=operator(7))
    assert "key:default-5<" in console.get("/audit?words=default-5")
    assert "operator:7" not in console.get("/audit?words=default-5")
    assert "Nothing matches among the 61 entries" in console.get("/audit?state=people")


def test_another_tenant_reads_its_own_acts_alone_and_does_not_verify(console: HomeConsole) -> None:
    record(console, 3)
    record(console, 2, "acme")
    page = console.get("/audit", tenant="acme")
    assert "key:acme-1" in page and "key:default" not in page and "Verify now" not in page
    assert console.ask("POST", "/audit/verify", {}, tenant="acme")[0] == 403
    assert console.ask("GET", "/audit/checkpoint", tenant="acme")[0] == 403


def test_the_log_is_verified_and_that_is_kept_as_evidence(console: HomeConsole) -> None:
    record(console, 3)
    status, _, page = console.post("/audit/verify", {})
    assert status == 200 and "3 of 3 entries verified" in page and "not compared with a copy" in read_text(page)
    proof = console.store.evidence.list_evidence(1, "audit.verify", tenant="default")[0]
    assert (proof.verdict, proof.signer, proof.command) == ("cannot tell", "person:anna", "steward audit verify")
    assert console.ask("GET", "/audit/checkpoint")[2] == (audit_folder(console.home) / "checkpoint").read_text()


def test_an_altered_log_is_said_to_be(console: HomeConsole) -> None:
    record(console, 3)
    files = [path for path in audit_folder(console.home).rglob("*") if path.is_file()]
    bundle = next(path for path in files if b"default-1" in path.read_bytes())
    bundle.write_bytes(bundle.read_bytes().replace(b"default-1", b"default-9"))
    assert "The log was altered" in console.post("/audit/verify", {})[2]


def test_hostile_subjects_are_escaped(console: HomeConsole) -> None:
    log = find_deployment(console.home).open_audit_log()
    log.record(make_act(operator(1), "keys.create", HOSTILE, before=HOSTILE, after=HOSTILE))
    page = console.get("/audit?words=script")
    assert "<script>alert" not in page and "&lt;script&gt;" in page
