import msgspec

from steward.console.recognised import KNOWN_S, MOST, RecognisedPeople
from steward.core.identity import Principal

ANNA = Principal(kind="person", id="anna", rights=frozenset({"public"}), auth_method="session")
WITHIN = msgspec.structs.replace(ANNA, within="shop")


def test_somebody_is_known_for_five_minutes_in_the_project_that_was_looked_at() -> None:
    now = [100.0]
    people = RecognisedPeople(lambda: now[0])
    people.note("token", None, ANNA)
    people.note("token", "shop", WITHIN)
    assert KNOWN_S == 300.0
    assert (people.find("token", None), people.find("token", "shop")) == (ANNA, WITHIN)
    assert people.find("token", "other") is None and people.find("other", None) is None
    now[0] = 399.9
    assert people.find("token", None) == ANNA
    now[0] = 400.0
    assert people.find("token", None) is None
    now[0] = 99.9  # a clock that went back proves nothing
    assert people.find("token", None) is None


def test_a_session_that_is_over_is_forgotten_in_every_project() -> None:
    people = RecognisedPeople(lambda: 1.0)
    people.note("token", None, ANNA)
    people.note("token", "shop", WITHIN)
    people.note("other", None, ANNA)
    people.note("token", None, None)
    assert people.find("token", None) is None and people.find("token", "shop") is None
    assert people.find("other", None) == ANNA


def test_the_oldest_of_too_many_is_forgotten() -> None:
    people = RecognisedPeople(lambda: 1.0)
    for number in range(MOST):
        people.note(str(number), None, ANNA)
    people.note("0", None, ANNA)  # seen again: the newest now
    people.note("one more", None, ANNA)
    assert people.find("1", None) is None and people.find("2", None) == ANNA
    assert people.find("0", None) == ANNA and people.find("one more", None) == ANNA
