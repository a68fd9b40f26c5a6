"""When periodic jobs are due."""

from __future__ import annotations

from steward.core.schedule import Schedule


def test_all_are_due_at_once_in_their_order() -> None:
    assert Schedule({"b": 1.0, "a": 2.0}).take_due(5.0) == ["b", "a"]


def test_a_job_is_due_again_a_period_after_it_was_taken() -> None:
    schedule = Schedule({"a": 1.0})
    schedule.take_due(10.0)
    assert schedule.take_due(10.99) == [] and schedule.take_due(11.0) == ["a"]


def test_a_job_that_was_late_skips_what_it_missed() -> None:
    schedule = Schedule({"a": 1.0})
    schedule.take_due(10.0)
    assert schedule.take_due(15.5) == ["a"] and schedule.take_due(16.0) == [] and schedule.take_due(16.5) == ["a"]


def test_the_wait_is_until_the_first_that_is_due() -> None:
    schedule = Schedule({"a": 1.0, "b": 5.0})
    assert schedule.wait_s(0.0) == 0.0
    schedule.take_due(10.0)
    assert (schedule.wait_s(10.25), schedule.wait_s(12.0)) == (0.75, 0.0)


def test_a_job_that_is_postponed_is_due_then_and_never_earlier_than_by_its_period() -> None:
    schedule = Schedule({"a": 1.0})
    schedule.take_due(0.0)
    schedule.postpone("a", 0.5)
    assert schedule.wait_s(0.0) == 1.0
    schedule.postpone("a", 3.0)
    assert schedule.wait_s(0.0) == 3.0 and schedule.take_due(2.9) == [] and schedule.take_due(3.0) == ["a"]


def test_nothing_to_do_waits() -> None:
    assert Schedule({}).take_due(1.0) == [] and Schedule({}).wait_s(1.0) == 1.0
