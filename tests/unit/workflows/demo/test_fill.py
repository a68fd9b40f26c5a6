"""A demonstration has a home of its own, with settings that hold."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from steward.core.errors import InputError
from steward.core.identity import operator
from steward.core.records import Admitted, LedgerRecord, Settled
from steward.settings import load_settings
from steward.workflows.audit import list_acts
from steward.workflows.demo.fill import MARK, SETTINGS, DemoMonth, fill_demo, prepare_demo
from steward.workflows.experiment import list_experiments
from steward.workflows.serve.deployment import find_deployment


def test_the_settings_are_valid_and_are_written_once(tmp_path: Path) -> None:
    settings = prepare_demo(tmp_path / "home")
    loaded = load_settings(settings, {}).settings
    assert [route.name for route in loaded.routes] == ["assistant", "search", "drafts"] and len(loaded.slos) == 4
    settings.write_text("# changed\n" + SETTINGS)
    assert prepare_demo(tmp_path / "home").read_text().startswith("# changed")


def test_a_deployment_is_not_mixed_with_what_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "steward.db").touch()
    with pytest.raises(InputError, match="choose another --home"):
        prepare_demo(tmp_path)
    (tmp_path / MARK).touch()
    assert prepare_demo(tmp_path).exists()


NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC, a Friday
TODAY = 1_799_971_200.0
FIRST = TODAY - 29 * 86400  # the day that `now` is in is the thirtieth


def make_little(first_day: float, day: int, until: float, key_ids: dict[str, str]) -> Iterator[LedgerRecord]:
    """One request a day, at one in the morning."""
    at = first_day + day * 86400 + 3600
    assert until == NOW
    key = key_ids["webshop"]
    yield Admitted(request_id=f"r{day}", at=at, key_id=key, project="default", endpoint="/", route="r", streamed=False)
    duration_s = {3: 14.9, 4: 15.1}.get(day, 1.0)
    yield Settled(request_id=f"r{day}", at=at, outcome="ok", status=200, model="m", duration_s=duration_s)


def test_a_fresh_home_gets_the_month_its_alerts_and_its_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.workflows.demo.fill.make_day", make_little)
    told: list[tuple[int, int, str]] = []
    month = fill_demo(tmp_path, NOW, lambda *step: told.append(step), actor=operator(7))
    assert month == DemoMonth(filled_at=NOW, first_day=FIRST, requests=30)
    assert msgspec.json.decode((tmp_path / MARK).read_bytes(), type=DemoMonth) == month
    assert [(done, of) for done, of, _ in told] == [(number, 30) for number in range(1, 31)]
    assert fill_demo(tmp_path, NOW, lambda *_: None, actor=operator(7)) is None  # once
    deployment = find_deployment(tmp_path)
    acts = [(act.action, act.at) for act in list_acts(tmp_path, 99)[::-1] if act.after == "made up"]
    assert acts == [
        ("config.serve", FIRST + 9 * 3600),  # nine o'clock of the first day
        ("config.serve", FIRST + 21 * 86400 + 51000),  # a quarter of an hour before the incident ended
    ]
    store = deployment.open_store()
    try:
        assert {record.name: record.team for record in store.keys.list_keys(tenant=None)} == {
            "webshop": "shop", "support-desk": "support", "mobile-app": "shop", "nightly-reports": "data",
        }  # fmt: skip
        began, ended = FIRST + 21 * 86400 + 47400, FIRST + 21 * 86400 + 51900
        drift, incident = store.alerts.list_alerts(9)
        assert (incident.started_at, incident.ended_at, incident.acknowledged_at) == (
            began + 300, ended + 600, began + 480,
        )  # fmt: skip
        assert (incident.value, incident.expected) == (0.295, 0.004) and "18 of 61 requests" in incident.evidence
        assert (drift.started_at, drift.ended_at) == (FIRST + 26 * 86400 + 43200, None)
        assert (drift.value, drift.expected) == (402.0, 295.0)
        notices = [(one.kind, one.created_at, one.delivered_at) for one in store.alerts.list_notices(incident.id)]
        assert notices == [("firing", began + 301, began + 303), ("resolved", ended + 601, ended + 603)]
        assert store.alerts.read_watched() == NOW // 60
        slow = {one.request_id for one in store.traces.list_unexported(99) if one.request_id in ("r3", "r4")}
        assert slow == {"r4"}  # what took longer than 15 s is traced
    finally:
        store.close()


def test_the_experiment_has_a_winner_and_budgets_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steward.workflows.demo.fill.make_day", make_little)
    fill_demo(tmp_path, NOW, lambda *_: None, actor=operator(7))
    (report,) = list_experiments(tmp_path)
    assert (report.state, len(report.trials), report.trials[5].state) == ("finished", 8, "failed")
    best = max((trial for trial in report.trials if trial.scores), key=lambda trial: trial.mean() or 0.0)
    assert report.winner == best.number and report.second_score is not None and report.first_score is not None
    assert report.second_score.value < report.first_score.value  # what it was chosen by flatters it
    limits = load_settings(prepare_demo(tmp_path), {}).settings.limits
    assert limits.teams["shop"].usd_per_month == 30 and limits.models["drafts"].usd_per_month == 12
    store = find_deployment(tmp_path).open_store()
    budgets = {one.name: (one.usd_per_day, one.usd_per_month) for one in store.keys.list_keys(tenant=None)}
    store.close()
    assert budgets == {
        "webshop": (None, 20.0), "support-desk": (1.0, 5.0), "mobile-app": (0.75, None), "nightly-reports": (None, None)
    }  # fmt: skip


def test_what_fills_a_home_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for a program that imports steward, whose umask lets others read."""
    monkeypatch.setattr("steward.workflows.demo.fill.make_day", make_little)
    home = tmp_path / "home"
    before = os.umask(0)
    try:
        prepare_demo(home)
        fill_demo(home, NOW, lambda *_: None, actor=operator(7))
    finally:
        os.umask(before)
    names = (
        "", "audit", "incidents", "models", "models/files", "prompts", "prompts/assistant", "run",
        "demonstration/dataset", "demonstration/pipeline",
    )  # fmt: skip
    assert {name: (home / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(names, 0o700)
