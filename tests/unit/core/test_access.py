from steward.core.access import Person, Place


def test_the_places_around_a_place_are_the_nearest_first() -> None:
    assert Place("t", "p", "route:r").enclosing() == (Place("t", "p", "route:r"), Place("t", "p"), Place("t"))
    assert Place("t", "p").enclosing() == (Place("t", "p"), Place("t"))
    assert Place("t").enclosing() == (Place("t"),)


def test_a_person_is_known_by_name_and_groups() -> None:
    person = Person(id="anna", groups=("ml", "ops"), created_at=0.0, created_by="operator:1", changed_at=0.0)
    assert person.subjects == ("person:anna", "group:ml", "group:ops")


def test_a_place_is_written_as_it_is_typed() -> None:
    assert [str(Place("t")), str(Place("t", "p")), str(Place("t", "p", "route:r"))] == ["t", "t/p", "t/p/route:r"]
