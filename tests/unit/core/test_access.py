import pytest

from steward.core.access import Person, Place, SessionLimits


def test_the_places_around_a_place_are_the_nearest_first() -> None:
    assert Place("t", "p", "route:r").enclosing() == (Place("t", "p", "route:r"), Place("t", "p"), Place("t"))
    assert Place("t", "p").enclosing() == (Place("t", "p"), Place("t"))
    assert Place("t").enclosing() == (Place("t"),)


def test_a_person_is_known_by_name_and_groups() -> None:
    person = Person(id="anna", groups=("ml", "ops"), created_at=0.0, created_by="operator:1", changed_at=0.0)
    assert person.subjects == ("person:anna", "group:ml", "group:ops")


def test_a_place_is_written_as_it_is_typed() -> None:
    assert [str(Place("t")), str(Place("t", "p")), str(Place("t", "p", "route:r"))] == ["t", "t/p", "t/p/route:r"]


@pytest.mark.parametrize(("now", "expected"), [(1000.0, 1030.0), (1070.0, 1100.0), (1070.1, 1100.0), (1099.0, 1100.0)])
def test_a_session_ends_by_lying_idle_or_for_good_whichever_is_sooner(now: float, expected: float) -> None:
    assert SessionLimits(longest_s=100.0, idle_s=30.0).find_end(1000.0, now) == expected


def test_sessions_last_eight_hours_and_lie_idle_for_one() -> None:
    assert (SessionLimits().longest_s, SessionLimits().idle_s) == (28_800.0, 3600.0)
