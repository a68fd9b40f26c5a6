"""The list has the classes of what is served, and calls them as their sweeps do, so that proofs find their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from served_home import serve_home
from steward.core.series import DAY_S
from steward.gateway.batch import BatchPlan
from steward.gateway.capture import CapturePlan, CaptureRule
from steward.monitoring.config import MonitoringPlan
from steward.privacy.rights_config import PersonalFiles, RetentionPlan, RightsPlan
from steward.workflows.jobs import MonitoringRetention
from steward.workflows.rights.retained_classes import list_classes
from steward.workflows.rights.retention import sweep
from steward.workflows.serve.plan import ServePlan, read_plan


class Swept(NamedTuple):
    deleted: int = 0
    held: int = 0


class AnyStore:
    """Whatever is asked of whichever family deletes nothing."""

    def __getattr__(self, name: str) -> Any:
        return AnyStore()

    def __call__(self, *args: object) -> Swept:
        return Swept()


def read_served(folder: Path) -> ServePlan:
    with serve_home(folder) as home:
        return read_plan(home / "run" / "plan.json")


def test_each_sweep_finds_its_class(tmp_path: Path) -> None:
    store: Any = AnyStore()
    names = [one.name for one in sweep(store, RetentionPlan(feedback_text_s=1.0, request_people_s=1.0), 9.0)]
    MonitoringRetention(store, MonitoringPlan, lambda one, _: names.append(one.name), lambda: 1e9).run()
    listed = {(one.swept, one.job) for one in list_classes(read_served(tmp_path))}
    assert {name for name, job in listed if job in ("retention", "forget")} == set(names)


def test_rules_and_registered_files_have_their_own_rows(tmp_path: Path) -> None:
    rules = (CaptureRule(purpose="support", keep_s=5 * DAY_S), CaptureRule(purpose="training", route="r"))
    files = (
        PersonalFiles(name="a", path="/a", kind="study"),
        PersonalFiles(name="b", path="/b", kind="cache", keep_days=2),
    )
    plan = msgspec.structs.replace(
        read_served(tmp_path), capture=CapturePlan(rules=rules), rights=RightsPlan(files=files)
    )
    kept = {one.setting: (one.data, one.keep_s) for one in list_classes(plan)}
    assert kept["capture.rules.0.keep_days"] == ("captured exchanges for support, all routes", 5 * DAY_S)
    assert kept["capture.rules.1.keep_days"] == ("captured exchanges for training, r", 30 * DAY_S)
    assert kept["personal_files.0.keep_days"] == ("a", None)
    assert kept["personal_files.1.keep_days"] == ("b", 2 * DAY_S)


def test_days_of_the_settings_are_seconds_of_the_list(tmp_path: Path) -> None:
    """What `steward privacy retention` shows; a day has 86,400 s."""
    served = read_served(tmp_path)
    monitoring = msgspec.structs.replace(
        served.monitoring,
        keep_minutes_for_days=4, keep_hours_for_days=5, keep_days_for_days=6,
        traces=msgspec.structs.replace(served.monitoring.traces, keep_for_days=7),
        drift=msgspec.structs.replace(served.monitoring.drift, keep_for_days=8),
    )  # fmt: skip
    plan = msgspec.structs.replace(served, monitoring=monitoring, batches=BatchPlan(keep_days=3))
    kept = {one.setting: one.keep_s for one in list_classes(plan)}
    assert kept["batches.keep_days"] == 259_200.0
    assert [kept[f"monitoring.keep_{name}_for_days"] for name in ("minutes", "hours", "days")] == [
        345_600.0, 432_000.0, 518_400.0,
    ]  # fmt: skip
    assert kept["monitoring.traces.keep_for_days"] == 604_800.0 and kept["monitoring.drift.keep_for_days"] == 691_200.0
