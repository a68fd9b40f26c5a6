"""The made-up appeals, incident, approvals and proofs of a demonstration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from steward.core.identity import operator
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.governance.checks import CHECKS
from steward.governance.readiness import Facts, Situation, assess
from steward.workflows.appeals import find_appeals
from steward.workflows.demo.fill import fill_demo
from steward.workflows.incidents import list_incidents
from steward.workflows.serve.deployment import find_deployment

NOW = 1_800_000_000.0
FIRST = 1_799_971_200.0 - 29 * 86400


def make_little(first_day: float, day: int, until: float, key_ids: dict[str, str]) -> Iterator[LedgerRecord]:
    """One answer a day."""
    at, key = first_day + day * 86400 + 3600, key_ids["webshop"]
    yield Admitted(request_id=f"r{day}", at=at, key_id=key, project="default", endpoint="/", route="r", streamed=False)
    yield Settled(request_id=f"r{day}", at=at, outcome="ok", status=200, model="m", duration_s=1.0)


def test_a_demonstration_has_appeals_an_incident_approvals_and_proofs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steward.workflows.demo.fill.make_day", make_little)
    fill_demo(tmp_path, NOW, lambda *_: None, actor=operator(7))
    (incident,) = list_incidents(tmp_path)
    began, ended = FIRST + 21 * 86400 + 47400, FIRST + 21 * 86400 + 51900
    assert incident.title.startswith("Made up: ") and (incident.began_at, incident.closed_at) == (began, ended + 3600)
    assert incident.known_at == began + 600 and incident.follow_ups[0].due == NOW + 14 * 86400
    assert [note.at for note in incident.notes] == [ended]
    store = find_deployment(tmp_path).open_store()
    try:
        appeals = find_appeals(store, NOW, tenant=None, every=True)
        assert {(one.state, one.has_content) for one in appeals} == {("upheld", True), ("open", True)}
        assert sorted((NOW - one.at, one.state) for one in appeals) == [(4 * 3600, "open"), (5 * 3600, "upheld")]
        requests = store.approvals.list_requests(9, tenant=None)
        assert sorted((NOW - one.requested_at, one.expires_at - NOW, one.kind, one.id) for one in requests) == [
            (3600, 7 * 86400, "settings", "ap_000000000001"), (7200, 7 * 86400, "prompt", "ap_000000000000"),
        ]  # fmt: skip
        [(anna, at)] = [(one.person, one.at) for one in store.approvals.list_decisions("ap_000000000000")]
        assert (anna, at) == ("person:anna", NOW - 1800)
        decided = {one.subject: len(store.approvals.list_decisions(one.id)) for one in requests}
        assert decided == {"prompt:assistant": 1, "settings": 0}
        proofs = store.evidence.list_evidence(99, tenant=None)
        assert len(proofs) == 7 and all(one.value.startswith("Made up: ") for one in proofs)
        days = [(f"ev_{number:024x}", NOW - number * 86400, NOW - number * 86400 + 3600) for number in (1, 2, 3, 4)]
        assert sorted((one.id, one.produced_at, one.valid_until) for one in proofs)[:4] == days
    finally:
        store.close()
    judged = assess(Situation(facts=Facts(), evidence=tuple(proofs), now=NOW), "production", CHECKS)
    by_proof = [one for one in judged.checks if one.evidence]
    assert by_proof and all(one.verdict != "pass" for one in by_proof)
