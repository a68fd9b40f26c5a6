"""When a file counts as changed, and what becomes of a plan that does not come up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steward.core.acts import AdministrativeAct
from steward.core.errors import Unavailable
from steward.processes.reloader import CALM_S, POLL_S, Reloader
from steward.workflows import history, reload
from steward.workflows.reload import ConfigSource
from steward.workflows.serve.plan import ServePlan

MODEL = "models: [{name: m, backend: openai, url: 'http://127.0.0.1:9', price: {input: PRICE, output: 1}}]\n"


class Deployment:
    """A reloader over a fake supervisor."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "steward.yaml"
        self.write(1)
        self.home = folder / "home"
        (self.home / "run").mkdir(parents=True)
        self.now, self.applied, self.notes = 0.0, list[ServePlan](), dict[str, object]()
        self.problem: str | None = None
        source = ConfigSource(self.file, {}, None, "0")
        first = reload.assign_number(reload.build_candidate(source, self.home), 1)
        reload.save_version(self.home, first, "serving")
        self.reloader = Reloader(source, self.home, first, self.apply, self.notes.update, self, lambda: self.now)
        self.acts: list[AdministrativeAct] = []
        self.audit_fails = False

    def write(self, price: float) -> None:
        self.file.write_text(MODEL.replace("PRICE", str(price)))

    def record(self, act: AdministrativeAct) -> None:
        if self.audit_fails:
            raise Unavailable("the disk is full")
        self.acts.append(act)

    def apply(self, plan: ServePlan) -> int:
        if self.problem:
            raise Unavailable(self.problem)
        self.applied.append(plan)
        return 2

    def step(self, seconds: float) -> None:
        self.now += seconds
        self.reloader.step()


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def test_a_file_that_is_still_being_written_is_left_alone(deployment: Deployment) -> None:
    for price in range(2, 8):
        deployment.write(price / 8)
        deployment.step(POLL_S)
    assert not deployment.applied
    deployment.step(CALM_S + POLL_S)
    assert [plan.models[0].prices.input for plan in deployment.applied if plan.models[0].prices] == [7 / 8]
    deployment.step(10)
    assert len(deployment.applied) == 1


def test_a_change_is_recorded_before_it_is_served(deployment: Deployment) -> None:
    deployment.write(2)
    deployment.step(1)
    deployment.step(1)
    (act,) = deployment.acts
    assert (act.actor, act.action) == ("service:watch", "config.serve") and act.before.startswith("version 1 ")
    assert act.after.startswith("version 2 ") and history.list_versions(deployment.home)[-1].by == "service:watch"


def test_what_cannot_be_recorded_is_not_served(deployment: Deployment) -> None:
    deployment.audit_fails = True
    deployment.write(2)
    deployment.step(1)
    deployment.step(1)
    assert not deployment.applied and "the disk is full" in str(deployment.notes["config_error"])


def test_a_file_that_is_gone_changes_nothing(deployment: Deployment) -> None:
    deployment.file.unlink()
    for _ in range(4):
        deployment.step(1)
    assert not deployment.applied and not deployment.notes


def test_a_plan_that_does_not_come_up_keeps_its_number(deployment: Deployment) -> None:
    deployment.problem = "not all workers serve it within 30 s"
    deployment.write(2)
    deployment.step(1)
    deployment.step(1)
    assert "not all workers" in json.dumps(deployment.notes) and deployment.reloader.version == 1
    deployment.problem = None
    deployment.write(3)
    deployment.step(1)
    deployment.step(1)
    assert deployment.applied[0].config_version == 3
    found = history.list_versions(deployment.home)
    assert [(item.version, item.outcome) for item in found] == [(1, "serving"), (2, "failed"), (3, "serving")]
    assert [item.version for item in history.list_accepted(deployment.home)] == [1, 3]


@pytest.mark.parametrize("text", ["home: 2026-13-45\n", "routes: " + "[" * 5000, "\x00", "models: &a [*a]\n"])
def test_no_file_ends_the_supervisor(deployment: Deployment, text: str) -> None:
    deployment.file.write_text(text)
    deployment.step(1)
    deployment.step(1)
    assert deployment.notes["config_error"] and not deployment.applied


def test_the_file_is_looked_at_once_a_poll_and_taken_when_it_was_calm_for_long_enough(deployment: Deployment) -> None:
    deployment.step(1000.0)  # the clock's value itself decides nothing
    deployment.write(2)
    deployment.step(POLL_S / 2)
    deployment.step(POLL_S / 2)  # exactly a poll after the last look: the change is seen now
    deployment.step(CALM_S)  # exactly calm for as long as asked
    assert len(deployment.applied) == 1


def test_the_file_is_looked_at_four_times_a_second_and_no_more(deployment: Deployment) -> None:
    deployment.step(1000.0)
    deployment.write(2)
    deployment.step(0.2)  # not yet looked at, so that its half second of calm begins later
    deployment.step(0.5)
    assert not deployment.applied
    deployment.step(0.5)
    assert len(deployment.applied) == 1


def answered(deployment: Deployment, **request: object) -> reload.ReloadReport:
    return deployment.reloader._answer(reload.ReloadRequest("id", **request))  # type: ignore[arg-type]


def test_a_dry_run_says_what_would_change_and_changes_nothing(deployment: Deployment) -> None:
    deployment.write(2)
    report = answered(deployment, dry_run=True)
    assert (report.outcome, report.version, len(report.changes)) == ("dry-run", 1, 1) and not deployment.applied
    deployment.step(1)
    deployment.step(1)
    assert len(deployment.applied) == 1  # the change is still to be served


def test_a_dry_run_of_a_bad_file_is_refused_without_an_alarm(deployment: Deployment) -> None:
    deployment.file.write_text("models: 7")
    assert answered(deployment, dry_run=True).outcome == "refused" and not deployment.notes
    assert answered(deployment).outcome == "refused" and deployment.notes["config_error"]


def test_a_reload_reports_its_duration_and_what_it_did(deployment: Deployment) -> None:
    deployment.now = 50.0
    report = answered(deployment)
    assert (report.outcome, report.duration_s, report.version) == ("unchanged", 0.0, 1)
    deployment.write(2)
    report = answered(deployment)
    assert (report.outcome, report.version, report.previous, report.workers) == ("applied", 2, 1, 2)
