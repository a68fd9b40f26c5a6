"""What people do with answers: they rate them, ask again, leave, copy, or say it in other words.

A rating has a score; a signal has none and speaks by being there. An evaluator's score (`judge`) is no person's and
counts as quality, never as satisfaction. The store adds all of them up by day and version, in the transaction that
takes them in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, Final, Literal

import msgspec

from steward.core.minutes import SHADOW

Signal = Literal["regenerate", "abandon", "copy", "rephrase"]
ReactionKind = Literal["explicit", "regenerate", "abandon", "copy", "rephrase", "judge"]

SIGNALS: Final[tuple[Signal, ...]] = ("regenerate", "abandon", "copy", "rephrase")
KINDS: Final[tuple[ReactionKind, ...]] = ("explicit", *SIGNALS, "judge")
SIGNAL_COLUMNS: Final[Mapping[str, str]] = {
    "regenerate": "regenerated",
    "abandon": "abandoned",
    "copy": "copied",
    "rephrase": "rephrased",
}
COUNTS: Final = ("answered", "rated", "satisfied", *SIGNAL_COLUMNS.values(), "scored", "passed")
DAY_S: Final = 86400
_read_names: Final = itemgetter("tenant", "model", "route", "prompt_version", "route_version")
PER_PERSON: Final = 5  # ratings of one person that count on a UTC day


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """One that counts, and the request that it is of."""

    tenant: str
    at: float
    model: str
    route: str
    key: str
    kind: str = "explicit"
    score: float = 0.0  # 0 for a signal
    project: str = ""
    model_version: str = ""
    prompt_version: str = ""
    route_version: int = 0

    def columns(self) -> tuple[str, ...]:
        """What it adds one to."""
        if self.kind in SIGNAL_COLUMNS:
            return (SIGNAL_COLUMNS[self.kind],)
        first, second = ("scored", "passed") if self.kind == "judge" else ("rated", "satisfied")
        return (first, second) if self.score > 0.0 else (first,)


class ReactionKey(msgspec.Struct, frozen=True, order=True):
    """What is counted together."""

    tenant: str
    day: int  # where it begins, seconds since the epoch
    model: str
    route: str
    prompt_version: str  # "" where no prompt was put before the request
    route_version: int


class ReactionRow(msgspec.Struct, frozen=True):
    """One day of one model, route and their versions; `counts` in the order of `COUNTS`."""

    key: ReactionKey
    counts: tuple[int, ...]


class PersonRatings(msgspec.Struct, frozen=True, kw_only=True):
    """How one person rated the answers of one model, route and their versions; only what counts."""

    model: str
    route: str
    prompt_version: str
    route_version: int
    ratings: int
    satisfied: int


def is_answered(outcome: str) -> bool:
    """Whether a client has an answer that it can react to."""
    return outcome == "ok"


def count_reactions(
    rows: Iterable[Mapping[str, Any]], reactions: Iterable[Reaction] = ()
) -> dict[ReactionKey, list[int]]:
    """What settled exchanges and reactions add, by day; `rows` have the columns of the store's table."""
    counts: dict[ReactionKey, list[int]] = {}
    counted = [row for row in rows if row["key_id"] != SHADOW and is_answered(row["outcome"])]
    answered = Counter(zip([row["settled_at"] // DAY_S for row in counted], map(_read_names, counted), strict=True))
    for (day, (tenant, model, route, version, number)), requests in answered.items():
        key = ReactionKey(tenant, int(day) * DAY_S, model or "", route, version or "", number)
        counts.setdefault(key, [0] * len(COUNTS))[0] += requests
    for one in reactions:
        day = start_of_day(one.at)
        key = ReactionKey(one.tenant, day, one.model, one.route, one.prompt_version, one.route_version)
        own = counts.setdefault(key, [0] * len(COUNTS))
        for column in one.columns():
            own[COUNTS.index(column)] += 1
    return counts


def start_of_day(at: float) -> int:
    """UTC's."""
    return int(at // DAY_S) * DAY_S


def end_of_day(at: float) -> int:
    """The end of the last UTC day that begins before `at`."""
    return -start_of_day(-at)
