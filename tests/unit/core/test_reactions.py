from typing import Any

import pytest

from steward.core.reactions import (
    COUNTS,
    KINDS,
    SIGNALS,
    Reaction,
    ReactionKey,
    count_reactions,
    end_of_day,
    start_of_day,
)


def row(**changes: Any) -> dict[str, Any]:
    return {
        "tenant": "t", "settled_at": 90_000.0, "model": "m", "route": "r", "prompt_version": "p@1", "route_version": 3,
        "key_id": "k", "outcome": "ok",
    } | changes  # fmt: skip


def reaction(**changes: Any) -> Reaction:
    plain = Reaction(
        tenant="t", at=90_001.0, model="m", route="r", key="k", score=1.0, prompt_version="p@1", route_version=3
    )
    return plain.__class__(**({name: getattr(plain, name) for name in plain.__struct_fields__} | changes))


def named(counts: list[int]) -> dict[str, int]:
    return {name: value for name, value in zip(COUNTS, counts, strict=True) if value}


KEY = ReactionKey("t", 86_400, "m", "r", "p@1", 3)


def test_answers_count_by_day_and_versions() -> None:
    counts = count_reactions([row(), row(), row(prompt_version=None, model=None), row(settled_at=10.0)])
    assert {key: named(own) for key, own in counts.items()} == {
        KEY: {"answered": 2},
        ReactionKey("t", 86_400, "", "r", "", 3): {"answered": 1},
        ReactionKey("t", 0, "m", "r", "p@1", 3): {"answered": 1},
    }


@pytest.mark.parametrize("changes", [{"outcome": "timeout"}, {"outcome": "client_closed"}, {"key_id": "shadow"}])
def test_nobody_reacts_to_what_is_no_answer(changes: dict[str, str]) -> None:
    assert count_reactions([row(**changes)]) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"rated": 1, "satisfied": 1}),
        ({"score": 0.0}, {"rated": 1}),
        ({"score": -1.0}, {"rated": 1}),
        ({"kind": "judge", "score": 0.1}, {"scored": 1, "passed": 1}),
        ({"kind": "judge", "score": 0.0}, {"scored": 1}),
        ({"kind": "regenerate", "score": 0.0}, {"regenerated": 1}),
        ({"kind": "abandon", "score": 0.0}, {"abandoned": 1}),
        ({"kind": "copy", "score": 0.0}, {"copied": 1}),
        ({"kind": "rephrase", "score": 0.0}, {"rephrased": 1}),
    ],
)
def test_what_each_kind_counts_as(changes: dict[str, Any], expected: dict[str, int]) -> None:
    assert {key: named(own) for key, own in count_reactions([], [reaction(**changes)]).items()} == {KEY: expected}


def test_kinds() -> None:
    assert KINDS == ("explicit", "regenerate", "abandon", "copy", "rephrase", "judge")
    assert SIGNALS == ("regenerate", "abandon", "copy", "rephrase")


@pytest.mark.parametrize(("at", "start"), [(0.0, 0), (86_399.9, 0), (86_400.0, 86_400)])
def test_days_are_utcs(at: float, start: int) -> None:
    assert start_of_day(at) == start


def test_a_day_is_the_one_in_greenwich() -> None:
    assert [start_of_day(at) for at in (0.0, 86_399.9, 86_400.0)] == [0, 0, 86_400]
    assert [end_of_day(at) for at in (0.0, 0.1, 86_400.0, 86_400.1)] == [0, 86_400, 86_400, 172_800]
