"""Which arm a person gets: the same one everywhere, and only ever towards a growing share."""

from __future__ import annotations

import pytest

from steward.gateway import assignment
from steward.gateway.assignment import assign_arm, draw_share

PEOPLE = [f"person-{number}" for number in range(4000)]


def test_the_share_is_the_weight() -> None:
    drawn = sum(assign_arm("rel_1", 0.25, person) == "candidate" for person in PEOPLE)
    assert 1000 - 4 * 27.4 < drawn < 1000 + 4 * 27.4  # binomial: sd = sqrt(4000 * 0.25 * 0.75) = 27.4


def test_people_only_move_to_the_candidate_while_its_share_grows() -> None:
    early = {person for person in PEOPLE if assign_arm("rel_1", 0.05, person) == "candidate"}
    late = {person for person in PEOPLE if assign_arm("rel_1", 0.25, person) == "candidate"}
    assert early < late


def test_each_release_draws_anew() -> None:
    both = sum(draw_share("rel_1", person) < 0.25 and draw_share("rel_2", person) < 0.25 for person in PEOPLE)
    assert 250 - 4 * 15.3 < both < 250 + 4 * 15.3  # independent: 4000 / 16, sd 15.3


def test_a_draw_is_the_same_in_every_process() -> None:
    # printf 'rel_1\0alice' | b2sum -l 64, as a share of 2**64
    assert draw_share("rel_1", "alice") == 0x695D2BBA04126409 / 2**64
    assert (assign_arm("rel_1", 0.412, "alice"), assign_arm("rel_1", 0.411, "alice")) == ("candidate", "champion")


@pytest.mark.parametrize(("weight", "arm"), [(0.0, "champion"), (1.0, "candidate")])
def test_the_ends(weight: float, arm: str) -> None:
    assert {assign_arm("rel_1", weight, person) for person in PEOPLE[:200]} == {arm}


def test_who_stands_at_the_share_itself_does_not_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a release of weight 0 would take somebody."""
    monkeypatch.setattr(assignment, "draw_share", lambda release, unit: 0.0)
    assert (assign_arm("rel_1", 0.0, "a"), assign_arm("rel_1", 1e-9, "a")) == ("champion", "candidate")
