"""The keeper's schedule of audits, over a home that serves and processes of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from served_home import SETTINGS, serve_home
from steward.governance.fairness_schedule import FairnessAudit
from steward.workflows.fairness_schedule import FairnessSchedule, list_states, read_run

NOW = 1_795_900_000.0
WEEK_S = 7 * 86400.0
AUDITS = """\
fairness:
  audits:
    - {name: support, suite: starter, model: assistant}
"""


class FakeChild:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code


class Desk:
    """A clock, and what was started."""

    def __init__(self, home: Path) -> None:
        self.home, self.now = home, NOW
        self.started: list[tuple[str, Path]] = []
        self.children: list[FakeChild] = []
        self.alive: set[int] = set()
        self.schedule = self.make()

    def make(self) -> FairnessSchedule:
        return FairnessSchedule(self.home, self._start, lambda: self.now, lambda pid: pid in self.alive)

    def _start(self, home: Path, audit: FairnessAudit, folder: Path) -> FakeChild:
        self.started.append((audit.name, folder))
        child = FakeChild(100 + len(self.started))
        self.alive.add(child.pid)
        self.children.append(child)
        return child

    def end(self, code: int) -> None:
        self.children[-1].code = code
        self.alive.clear()
        self.schedule.run()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serve_home(tmp_path, SETTINGS + AUDITS) as home:
        yield Desk(home)


def test_an_audit_runs_at_once_and_again_after_a_week(desk: Desk) -> None:
    desk.schedule.run()
    desk.schedule.run()
    assert [name for name, _ in desk.started] == ["support"]
    assert list_states(desk.home, NOW)[0].result == "running"
    desk.now += 600
    desk.end(0)
    (state,) = list_states(desk.home, desk.now)
    assert (state.result, state.last_at, state.next_at) == ("alike", NOW, NOW + WEEK_S)
    desk.now = NOW + WEEK_S - 1
    desk.schedule.run()
    assert len(desk.started) == 1
    desk.now = NOW + WEEK_S
    desk.schedule.run()
    assert len(desk.started) == 2 and desk.started[0][1] != desk.started[1][1]


def test_one_that_failed_is_told_and_tried_again(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.schedule.run()
    desk.end(2)
    assert list_states(desk.home, NOW)[0].result == "failed"
    assert "the fairness audit support failed with exit code 2" in caplog.text
    desk.now += 3600
    desk.schedule.run()
    assert len(desk.started) == 2


def test_a_keeper_that_takes_over_waits_for_a_run_and_goes_on_with_one_that_is_gone(desk: Desk) -> None:
    desk.schedule.run()
    desk.make().run()
    assert len(desk.started) == 1  # its process lives
    desk.alive.clear()
    desk.now += 60
    again = desk.make()
    again.run()
    assert [folder for _, folder in desk.started] == [desk.started[0][1]] * 2  # answers that were given are kept
    run = read_run(desk.home, "support")
    assert run is not None and run.started_at == NOW


def test_without_audits_nothing_runs(tmp_path: Path) -> None:
    with serve_home(tmp_path) as home:
        desk = Desk(home)
        desk.schedule.run()
        assert desk.started == [] and list_states(home, NOW) == []


def test_what_was_kept_and_cannot_be_read_counts_as_never_run(desk: Desk) -> None:
    place = desk.home / "fairness" / "support"
    place.mkdir(parents=True)
    (place / "last.json").write_text("{")
    assert read_run(desk.home, "support") is None
    desk.schedule.run()
    assert len(desk.started) == 1
