"""Gathering the maintenance calendar."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from steward.adapters.stores.sql import SqlStore
from steward.core.calendar import CalendarPlan
from steward.core.errors import InputError
from steward.core.evidence import Evidence
from steward.core.features import DriftBaseline
from steward.core.identity import operator
from steward.core.records import Admitted, LimitSpec, Settled
from steward.core.series import HISTOGRAMS, SUMS, SeriesRow
from steward.monitoring.maintenance import Advisory
from steward.settings import Settings
from steward.workflows import keys
from steward.workflows.key_terms import KeyTerms
from steward.workflows.maintenance import (
    check_maintenance,
    find_first_answers,
    gather_facts,
    list_installed,
    read_advisory_file,
    read_calendar,
)
from steward.workflows.serve.deployment import find_deployment
from steward.workflows.serve.from_settings import make_plan
from steward.workflows.serve.plan import ServePlan


def test_the_first_day_of_each_model() -> None:
    rows = [SeriesRow(start, model, "r", "k", (0.0,) * len(SUMS), (b"",) * len(HISTOGRAMS))
            for start, model in ((172_800, "a"), (86_400, "a"), (86_400, "b"))]  # fmt: skip
    assert find_first_answers(rows) == {"a": 86_400.0, "b": 86_400.0}


def test_a_file_of_advisories(tmp_path: Path) -> None:
    assert read_advisory_file(CalendarPlan()) == ()
    file = tmp_path / "a.json"
    file.write_text('[{"package": "a", "version": "1", "id": "X"}]')
    assert read_advisory_file(CalendarPlan(advisories=str(file))) == (Advisory("a", "1", "X"),)
    file.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_advisory_file(CalendarPlan(advisories=str(file)))
    with pytest.raises(InputError, match="make it with: pip-audit"):
        read_advisory_file(CalendarPlan(advisories=str(tmp_path / "none.json")))


def test_installed_packages_have_versions() -> None:
    assert list_installed()["msgspec"]


def test_nothing_is_due_where_nothing_is_served(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path}/s.db")
    assert check_maintenance(store, None, 0.0) == []
    store.close()


NOW = 200 * 86_400.0


def serve(home: Path, **fields: object) -> tuple[SqlStore, ServePlan]:
    """A home with two models, of which one has answered since yesterday."""
    models = [{"name": name, "backend": "openai", "url": "http://x"} for name in ("a", "b")]
    plan = make_plan(Settings.model_validate({"models": models, **fields}), home, "0")
    (home / "run").mkdir(parents=True)
    (home / "run" / "plan.json").write_bytes(msgspec.json.encode(plan))
    with keys.open_keys(find_deployment(home), NOW):
        pass
    store, at = find_deployment(home).open_store(), NOW - 3600
    admitted = Admitted(request_id="r", at=at, key_id="k", project="p", endpoint="/", route="r", streamed=False)
    settled = Settled(request_id="r", at=at, outcome="ok", status=200, model="a")
    store.ledger.drain("w", "s", 1, [admitted, settled])
    return store, plan


def prove(store: SqlStore, check: str, subject: str, at: float) -> None:
    proof = Evidence(
        id=f"ev_{at}", check=check, subject=subject, subject_digest="", verdict="pass", value="", expected="",
        source="", produced_at=at, valid_until=None, command="", signer="operator:1",
    )  # fmt: skip
    store.evidence.add(proof, tenant="default")


def test_the_facts_of_a_home(tmp_path: Path) -> None:
    store, plan = serve(tmp_path / "home")
    home = tmp_path / "home"
    for name, expires_at in (("ends", NOW + 9), ("never", None), ("revoked", NOW + 9)):
        keys.create(home, name, LimitSpec(), NOW, actor=operator(1), terms=KeyTerms(expires_at=expires_at))
    by_name = {record.name: record.id for record in store.keys.list_keys(tenant=None)}
    keys.revoke(home, by_name["revoked"], NOW, actor=operator(1))
    prove(store, "evaluation.run", "model a", NOW - 9)
    prove(store, "evaluation.gate", "model a", NOW - 20)
    prove(store, "evaluation.run", "model b", NOW - 30)
    facts = gather_facts(store, plan, NOW)
    assert facts.models == {"a": NOW - 86_400.0} and facts.served == ["a", "b"]  # the day in which it answered
    assert facts.evaluated == {"model a": NOW - 9, "model b": NOW - 30}
    assert (facts.baseline_at, facts.keys, facts.installed) == (None, {"ends": NOW + 9}, {})
    store.features.add_baseline(DriftBaseline(created_at=7.0, created_by="o", since=0.0, until=1.0, rows=()))
    assert gather_facts(store, plan, NOW).baseline_at == 7.0
    store.close()


def test_a_calendar_is_read_from_what_is_served(tmp_path: Path) -> None:
    item = {"name": "restore a backup", "every_days": 90, "last": "1970-04-01"}
    store, plan = serve(tmp_path / "home", calendar={"items": [item]})
    store.close()
    entries = read_calendar(tmp_path / "home", NOW)
    assert "restore a backup" in [entry.name for entry in entries]
    assert plan.monitoring.calendar.items[0].name == "restore a backup"


def test_advisories_that_cannot_be_read_are_due_too(tmp_path: Path) -> None:
    file = tmp_path / "advisories.json"
    store, plan = serve(tmp_path / "home", calendar={"advisories": str(file)})
    (condition,) = check_maintenance(store, plan, NOW)
    assert condition.rule == "maintenance-due" and "make it with: pip-audit" in condition.evidence
    file.write_text('[{"package": "msgspec", "version": "0", "id": "X"}]')
    assert gather_facts(store, plan, NOW).installed["msgspec"]
    store.close()
