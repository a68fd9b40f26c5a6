"""A sweep deletes what has an end, says what was held, and proves that nothing is left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from steward.core.captures import ExpiredCaptures
from steward.privacy.rights_config import RetentionPlan
from steward.workflows.rights.retention import SweptClass, describe_sweep, sweep


class Rows:
    """Rows that are too old, of which so many are held."""

    def __init__(self, old: int, held: int) -> None:
        self.old, self.held, self.asked = old, held, []  # type: ignore[var-annotated]

    def delete(self, at: float) -> tuple[int, int]:
        self.asked.append(at)
        deleted, self.old = self.old - self.held, self.held
        return deleted, self.held

    def delete_expired(self, now: float) -> ExpiredCaptures:
        deleted, held = self.delete(now)
        return ExpiredCaptures(deleted=deleted, held=held)


def make_store(captures: Rows, words: Rows, people: Rows) -> Any:
    rights = SimpleNamespace(empty_feedback_before=words.delete, detach_requests_before=people.delete)
    return SimpleNamespace(captures=captures, rights=rights)


def test_classes_without_an_end_are_left_alone() -> None:
    words, people = Rows(9, 0), Rows(9, 0)
    assert sweep(make_store(Rows(3, 1), words, people), RetentionPlan(), 100.0) == [
        SweptClass(name="captured exchanges", deleted=2, held=1, left=0)
    ]
    assert words.asked == people.asked == []


def test_each_class_is_swept_by_its_own_age_and_looked_through_again() -> None:
    words, people = Rows(5, 2), Rows(4, 0)
    plan = RetentionPlan(feedback_text_s=30.0, request_people_s=60.0)
    swept = sweep(make_store(Rows(0, 0), words, people), plan, 100.0)
    assert swept[1:] == [
        SweptClass(name="feedback texts", deleted=3, held=2, left=0),
        SweptClass(name="people in requests", deleted=4, held=0, left=0),
    ]
    assert words.asked == [70.0, 70.0] and people.asked == [40.0, 40.0]


def test_what_is_left_is_a_failure() -> None:
    fine = describe_sweep(SweptClass(name="feedback texts", deleted=1200, held=2, left=0), 5.0)
    assert (fine.verdict, fine.value) == ("pass", "1,200 deleted, 2 under a legal hold, 0 left")
    assert describe_sweep(SweptClass(name="x", deleted=0, held=0, left=1), 5.0).verdict == "fail"
