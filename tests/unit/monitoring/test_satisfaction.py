import pytest

from steward.core.features import FeatureOutcome, RequestFeatures
from steward.core.rates import Rate, rate_of
from steward.core.reactions import COUNTS, PersonRatings, ReactionKey, ReactionRow
from steward.monitoring.satisfaction import SatisfactionField, summarise, summarise_sampled


def row(model: str = "m", prompt: str = "p@1", version: int = 1, day: int = 0, **counts: int) -> ReactionRow:
    key = ReactionKey("t", day, model, "r", prompt, version)
    return ReactionRow(key, tuple(counts.get(name, 0) for name in COUNTS))


def person(ratings: int, satisfied: int, model: str = "m", prompt: str = "p@1", version: int = 1) -> PersonRatings:
    return PersonRatings(
        model=model, route="r", prompt_version=prompt, route_version=version, ratings=ratings, satisfied=satisfied
    )


def test_rates_of_one_model() -> None:
    rows = [
        row(answered=60, regenerated=6, copied=30, scored=4, passed=3),
        row(day=86_400, answered=40, abandoned=5, rephrased=2),
    ]
    (line,) = summarise(rows, [person(1, 1), person(2, 1)], "model")
    assert (line.name, line.answered, line.ratings, line.people) == ("m", 100, 3, 2)
    assert line.satisfaction.value == pytest.approx(2 / 3)
    assert (line.satisfaction.low, line.satisfaction.high) == pytest.approx(
        (0.15938, 0.95474), abs=1e-5
    )  # Wilson, n = 2
    assert line.response_rate == rate_of(3, 100)
    assert [rate.value for rate in (line.regenerate, line.abandon, line.copied, line.rephrase)] == [
        0.06, 0.05, 0.3, 0.02,
    ]  # fmt: skip
    assert line.quality == rate_of(3, 4)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("model", [("m", 8, 1), ("none", 4, 1)]),
        ("prompt", [("p@2", 7, 1), ("none", 4, 1), ("p@1", 1, 0)]),
        ("route", [("r v2", 11, 2), ("r v1", 1, 0)]),
        ("all", [("all", 12, 2)]),
    ],
)
def test_the_most_answers_come_first(by: SatisfactionField, expected: list[tuple[str, int, int]]) -> None:
    rows = [row(answered=1), row(prompt="p@2", version=2, answered=7), row("", "", 2, answered=4)]
    people = [person(1, 0, prompt="p@2", version=2), person(1, 1, "", "", 2)]
    assert [(line.name, line.answered, line.ratings) for line in summarise(rows, people, by)] == expected


def test_ratings_without_answers_in_this_time_are_shown() -> None:
    (line,) = summarise([], [person(1, 1)], "model")
    assert (line.answered, line.ratings, line.response_rate) == (0, 1, Rate())


def outcome(topic: str | None, score: float | None, person: str = "anna", error: bool = False) -> FeatureOutcome:
    features = RequestFeatures(topic=topic, language="de")
    return FeatureOutcome(
        model="m", route="r", person=person, error=error, duration_s=1.0, score=score, features=features
    )


def test_sampled_requests_are_summed_by_topic() -> None:
    seen = [
        *(outcome("t01", score, who) for score, who in ((1.0, "anna"), (-1.0, "anna"), (0.5, "ben"), (None, "carl"))),
        *(outcome("t02", None), outcome(None, 0.0), outcome("t02", 1.0, error=True)),
    ]
    rows = {row.name: row for row in summarise_sampled(seen, "topic")}
    assert {name: (row.answered, row.ratings, row.people) for name, row in rows.items()} == {
        "t01": (4, 3, 2),
        "t02": (1, 0, 0),
        "not known": (1, 1, 1),
    }
    assert rows["t01"].satisfaction.value == pytest.approx(2 / 3) and rows["t02"].satisfaction == Rate()
    assert rows["not known"].satisfaction.value == 0.0  # a mean of 0 is no praise
    assert rows["t01"].response_rate == rate_of(3, 4) and rows["t01"].regenerate == Rate()
    assert [row.name for row in summarise_sampled(seen, "language")] == ["de"]
