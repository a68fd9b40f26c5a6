"""How satisfied people are: ratings and signals of a time as rates with intervals, by model, prompt or route version,
and of sampled requests by topic and language.

Pure. The unit is the person: several ratings of one are worth less than as many of several people, and the interval
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from steward.core.features import FeatureOutcome
from steward.core.rates import Rate, rate_of, rate_of_people
from steward.core.reactions import COUNTS, PersonRatings, ReactionKey, ReactionRow

SatisfactionField = Literal["model", "prompt", "route", "all"]
SampledField = Literal["topic", "language"]  # what is known of sampled requests alone


class SatisfactionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model, version of a prompt, route of one version of the configuration, topic or language."""

    name: str
    answered: int
    ratings: int  # that count
    people: int
    satisfaction: Rate
    response_rate: Rate  # ratings by answers
    regenerate: Rate  # the others: answers with this signal
    abandon: Rate
    copied: Rate = msgspec.field(name="copy")
    rephrase: Rate
    quality: Rate  # of what evaluators scored


def summarise(
    rows: Iterable[ReactionRow], people: Iterable[PersonRatings], by: SatisfactionField
) -> tuple[SatisfactionRow, ...]:
    """The most answers first."""
    name_of = _NAMES[by]
    counts: dict[str, list[int]] = {}
    for row in rows:
        own = counts.setdefault(name_of(row.key), [0] * len(COUNTS))
        for index, value in enumerate(row.counts):
            own[index] += value
    ratings: dict[str, list[tuple[int, int]]] = {}
    for person in people:
        ratings.setdefault(name_of(person), []).append((person.ratings, person.satisfied))
    for name in ratings:
        counts.setdefault(name, [0] * len(COUNTS))
    lines = [
        _make_row(name, dict(zip(COUNTS, own, strict=True)), ratings.get(name, [])) for name, own in counts.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.answered, line.name)))


def summarise_sampled(outcomes: Iterable[FeatureOutcome], by: SampledField) -> tuple[SatisfactionRow, ...]:
    """As `summarise`, of sampled requests: ratings alone, since signals are not counted by topic or language.

    A request that several people rated counts once, as satisfied where their mean is above 0.
    """
    answered: dict[str, int] = {}
    ratings: dict[str, dict[str, tuple[int, int]]] = {}  # by name and person: how many, and how many satisfied
    for one in outcomes:
        if one.error:
            continue
        name = getattr(one.features, by) or "not known"
        answered[name] = answered.get(name, 0) + 1
        if one.score is not None:
            own = ratings.setdefault(name, {})
            total, satisfied = own.get(one.person, (0, 0))
            own[one.person] = (total + 1, satisfied + (one.score > 0.0))
    none = dict.fromkeys(COUNTS, 0)
    lines = [
        msgspec.structs.replace(
            _make_row(name, {**none, "answered": count}, [*ratings.get(name, {}).values()]),
            **dict.fromkeys(("regenerate", "abandon", "copied", "rephrase"), Rate()),
        )
        for name, count in answered.items()
    ]
    return tuple(sorted(lines, key=lambda line: (-line.answered, line.name)))


def _make_row(name: str, counts: dict[str, int], people: list[tuple[int, int]]) -> SatisfactionRow:
    answered = counts["answered"]
    ratings = sum(total for total, _ in people)
    return SatisfactionRow(
        name=name,
        answered=answered,
        ratings=ratings,
        people=len(people),
        satisfaction=rate_of_people(people),
        response_rate=rate_of(ratings, answered),
        regenerate=rate_of(counts["regenerated"], answered),
        abandon=rate_of(counts["abandoned"], answered),
        copied=rate_of(counts["copied"], answered),
        rephrase=rate_of(counts["rephrased"], answered),
        quality=rate_of(counts["passed"], counts["scored"]),
    )


def _name_model(key: ReactionKey | PersonRatings) -> str:
    return key.model or "none"


def _name_prompt(key: ReactionKey | PersonRatings) -> str:
    return key.prompt_version or "none"


def _name_route(key: ReactionKey | PersonRatings) -> str:
    return f"{key.route} v{key.route_version}"


def _name_all(_: ReactionKey | PersonRatings) -> str:
    return "all"


_NAMES: Final[dict[SatisfactionField, Callable[[ReactionKey | PersonRatings], str]]] = {
    "model": _name_model,
    "prompt": _name_prompt,
    "route": _name_route,
    "all": _name_all,
}
