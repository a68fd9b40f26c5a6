"""Proofs reach the store of the home that is found, and never fail the command that proved."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.core.evidence import Evidence
from steward.core.identity import operator
from steward.workflows.evidence import record_finding
from steward.workflows.findings import Finding, digest_subject
from steward.workflows.keys import prepare_home
from steward.workflows.serve.deployment import find_deployment

FINDING = Finding(
    check="data.contract", subject="files a", subject_digest="sha256:0", verdict="pass", value="3 rows",
    expected="contract c", source="c.yaml", valid_for_s=60.0,
)  # fmt: skip


def kept(home: Path) -> list[Evidence]:
    store = find_deployment(home).open_store()
    try:
        return store.evidence.list_evidence(9, tenant="default")
    finally:
        store.close()


def test_a_finding_is_kept_with_who_when_and_how(tmp_path: Path) -> None:
    prepare_home(tmp_path, 1.0)
    made = record_finding(tmp_path, FINDING, operator(7), ["steward", "data", "check", "a b"], lambda: 100.0)
    assert made is not None and kept(tmp_path) == [made]
    assert (made.signer, made.command, made.produced_at) == ("operator:7", "steward data check 'a b'", 100.0)
    assert (made.valid_until, made.verdict, made.value, made.expected) == (160.0, "pass", "3 rows", "contract c")
    assert made.id.startswith("ev_") and len(made.id) == 27


def test_without_a_home_nothing_is_kept() -> None:
    assert record_finding(None, FINDING) is None


def test_a_home_that_never_served_gets_no_store(tmp_path: Path) -> None:
    assert record_finding(tmp_path, FINDING) is None and not list(tmp_path.iterdir())


def test_a_store_that_fails_is_named_and_fails_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "steward.db").write_text("this is not a database" * 100)
    assert record_finding(tmp_path, FINDING) is None and "the proof was not kept: the store" in caplog.text


def test_parts_of_a_subject_do_not_run_into_each_other() -> None:
    assert digest_subject("ab", "c") != digest_subject("a", "bc") != digest_subject("abc")
    assert digest_subject("ab") == digest_subject(b"ab") and digest_subject().startswith("sha256:")


def test_a_proof_without_an_end_has_none(tmp_path: Path) -> None:
    prepare_home(tmp_path, 1.0)
    made = record_finding(tmp_path, msgspec.structs.replace(FINDING, valid_for_s=None), operator(7), ["x"], lambda: 1.0)
    assert made is not None and made.valid_until is None


def test_the_command_that_was_typed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_home(tmp_path, 1.0)
    monkeypatch.setattr("sys.argv", ["/usr/bin/steward", "data", "check"])
    made = record_finding(tmp_path, FINDING)
    assert made is not None and made.command == "steward data check"


def test_a_judgement_of_a_run_is_about_what_answered_in_it(tmp_path: Path) -> None:
    """What the run's own proof says; without one, its own digest."""
    prepare_home(tmp_path, 1.0)
    for number in (1, 2):
        run = msgspec.structs.replace(FINDING, check="evaluation.run", source=f"runs/{number}")
        record_finding(tmp_path, msgspec.structs.replace(run, subject_digest=f"sha256:{number}"), operator(7))
    gate = msgspec.structs.replace(FINDING, check="evaluation.gate", run="runs/1", subject_digest="sha256:own")
    made = record_finding(tmp_path, gate, operator(7))
    other = record_finding(tmp_path, msgspec.structs.replace(gate, run="runs/9"), operator(7))
    assert made is not None and made.subject_digest == "sha256:1"
    assert other is not None and other.subject_digest == "sha256:own"
