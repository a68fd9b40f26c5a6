"""What guards decide on: flips of a coin by its weight, bad events of people, and scores by person."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log, sqrt
from typing import Final

from steward.core.records import Arm
from steward.improvement.anytime import (
    Direction,
    choose_concentration,
    log_coin_evidence,
    log_floor_evidence,
    log_split_evidence,
    sequence_width,
    tilt,
)

DAY_S: Final = 86400.0
_FARTHEST: Final = 1000.0  # a ratio of rates beyond it is not told from it
_STEPS: Final = 60  # halvings of an interval: below a float's digits that are shown

Estimate = tuple[float, tuple[float, float]]  # a value and its interval


class CoinFlips:
    """Events that are the candidate's or the champion's, by the weight with which arms were drawn. Never pooled."""

    def __init__(self) -> None:
        self._counts: dict[float, list[int]] = {}  # the candidate's, and all

    def add(self, arm: Arm, weight: float) -> None:
        counts = self._counts.setdefault(weight, [0, 0])
        counts[0] += arm == "candidate"
        counts[1] += 1

    @property
    def candidate(self) -> int:
        return sum(mine for mine, _ in self._counts.values())

    @property
    def events(self) -> int:
        return sum(events for _, events in self._counts.values())

    def expect_candidate(self, ratio: float = 1.0) -> float:
        """How many would be the candidate's, were its rate `ratio` times the champion's."""
        return sum(events * tilt(weight, ratio) for weight, (_, events) in self._counts.items())

    def log_evidence(self, ratio: float, direction: Direction) -> float:
        """That the candidate's rate is "below", or "above", `ratio` times the champion's."""
        return sum(
            log_coin_evidence(mine, events, weight, ratio, direction) for weight, (mine, events) in self._counts.items()
        )

    def log_split_evidence(self) -> float:
        """That arms were not drawn with the weights that are noted."""
        return sum(log_split_evidence(mine, events, weight) for weight, (mine, events) in self._counts.items())

    def estimate_ratio(self, alpha: float) -> Estimate | None:
        """The ratio of the rates; the interval holds at every look with probability 1 - `alpha`. None: no event."""
        mine, events = self.candidate, self.events
        if not events:
            return None
        nearest, farthest = -log(_FARTHEST), log(_FARTHEST)
        centre = nearest if not mine else _find_zero(lambda x: mine - self.expect_candidate(exp(x)), nearest, farthest)
        edge = log(1.0 / alpha)
        low = _find_zero(lambda x: self._log_against(exp(x)) - edge, nearest, centre)
        high = _find_zero(lambda x: edge - self._log_against(exp(x)), centre, farthest)
        ends = (0.0 if low <= nearest else exp(low), inf if high >= farthest else exp(high))
        return (0.0 if not mine else exp(centre) if mine < events else inf), ends

    def reduce(self, each: float) -> CoinFlips:
        """As many independent flips as these tell, if `each` of them tell as much as one."""
        reduced = CoinFlips()
        for weight, (mine, events) in self._counts.items():
            candidate = round(mine / each)
            reduced._counts[weight] = [candidate, candidate + round((events - mine) / each)]
        return reduced

    def _log_against(self, ratio: float) -> float:
        return sum(
            log_split_evidence(mine, events, tilt(weight, ratio), choose_concentration(weight))
            for weight, (mine, events) in self._counts.items()
        )


def _find_zero(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero; an end where it does not."""
    if falling(low) <= 0.0:
        return low
    if falling(high) >= 0.0:
        return high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0.0 else (low, middle)
    return (low + high) / 2


class BadEvents:
    """Each person's first bad event of a day and weight: people come again, and one with trouble would count often.

    Some people have trouble day after day. Were all alike, bad days a person would vary as much as their mean
    (Poisson); where they vary more, so many times fewer of them are independent.
    """

    def __init__(self) -> None:
        self.flips = CoinFlips()
        self.units: dict[Arm, int] = {"champion": 0, "candidate": 0}  # persons and days; requests that name nobody
        self._bad_candidates = 0
        self._days: dict[int, tuple[set[tuple[str, Arm, float]], set[tuple[str, float]]]] = {}  # who came; who failed
        self._bad_days: dict[str, int] = {}  # of everybody who came
        self._nobody = 0  # requests that name nobody
        self._squares = 0  # of bad days a person, summed

    def add(self, at: float, subject: str | None, arm: Arm, weight: float, bad: bool) -> None:
        seen, seen_bad = self._open_day(int(at // DAY_S))
        if subject is None:
            self.units[arm] += 1
            self._nobody += 1
        elif (subject, arm, weight) not in seen:
            seen.add((subject, arm, weight))
            self._bad_days.setdefault(subject, 0)
            self.units[arm] += 1
        if bad and (subject is None or (subject, weight) not in seen_bad):
            self.flips.add(arm, weight)
            self._bad_candidates += arm == "candidate"
            days = 0
            if subject is not None:
                seen_bad.add((subject, weight))
                days = self._bad_days[subject]
                self._bad_days[subject] = days + 1
            self._squares += 2 * days + 1

    def _open_day(self, day: int) -> tuple[set[tuple[str, Arm, float]], set[tuple[str, float]]]:
        """Who was met on a day. The last two are known: around midnight, or where a clock was wrong, days alternate."""
        if day not in self._days:
            self._days = {**dict(list(self._days.items())[-1:]), day: (set(), set())}
        return self._days[day]

    def count_alike(self) -> float:
        """How many bad days tell as much as one of independent ones: their variance over people by their mean."""
        events = self.flips.events
        if not events:
            return 1.0
        return max(1.0, self._squares / events - events / (len(self._bad_days) + self._nobody))

    def find_independent(self) -> CoinFlips:
        """The flips that tests go by."""
        each = self.count_alike()
        return self.flips if each == 1.0 else self.flips.reduce(each)

    def log_floor_evidence(self, floor: float) -> float:
        """That the candidate's own rate of bad persons and days is below `floor`."""
        each = self.count_alike()
        bad = round(self._bad_candidates / each)
        return log_floor_evidence(bad, bad + round((self.units["candidate"] - self._bad_candidates) / each), floor)


class DrawnArms:
    """Whether people fall to the candidate as often as the weights say; each counts once a weight."""

    def __init__(self) -> None:
        self.flips = CoinFlips()
        self._seen: set[tuple[str, float]] = set()

    def add(self, subject: str | None, arm: Arm, weight: float) -> None:
        if subject is not None:
            if (subject, weight) in self._seen:
                return
            self._seen.add((subject, weight))
        self.flips.add(arm, weight)


def _spread_of(squares: float, unseen: float, units: int, requests: float) -> float:
    """The standard deviation of a unit's sum, as a mean of requests; NaN, which decides nothing, beyond a float."""
    spread = sqrt(max(squares, 0.0) + unseen * unseen) / sqrt(units)
    return spread * units / requests


def _count_alike(requests: float, squares: float) -> float:
    """How many people with equally many requests would tell as much (Kish's effective sample size)."""
    return requests * requests / squares if squares else 0.0


class PairedMeans:
    """The means of a score under both arms, from requests that each got one of them.

    Every request estimates both: its score, divided by the probability of its arm, around that arm's mean before it.
    A person's estimates are summed, and people are the units of the variance. Sums only grow as people come again,
    so that looks are less independent than the sequence allows for, never more. The very first score is only what
    the next ones are measured from.

    Scores that are nearly all the same say nothing of a rare one that is not. So the variance counts one person more,
    unseen, whose mean is `swing` away from the others'; None: by the champion's mean.
    """

    def __init__(self, swing: float | None = 0.0) -> None:
        self._swing = swing
        self._weight = 0.5
        self.people: dict[Arm, int] = {"champion": 0, "candidate": 0}
        self._means: dict[Arm, tuple[float, int]] = {"champion": (0.0, 0), "candidate": (0.0, 0)}
        self._units = 0
        self._sums = [0.0, 0.0, 0.0]  # estimates of the candidate's score, of the champion's; requests
        self._products = [0.0] * 6  # over people: cc, c0, 00, cm, 0m, mm
        self._by_person: dict[str, list[float]] = {}  # the three sums, and a mark for each arm

    def add(self, subject: str | None, arm: Arm, weight: float, value: float) -> None:
        candidate, champion = self._baseline("candidate"), self._baseline("champion")
        mean, count = self._means[arm]
        self._means[arm] = (mean + (value - mean) / (count + 1), count + 1)
        if candidate is None or champion is None:
            return
        self._weight = weight
        if arm == "candidate":
            change = (candidate + (value - candidate) / weight, champion, 1.0)
        else:
            change = (candidate, champion + (value - champion) / (1.0 - weight), 1.0)
        person = self._by_person.setdefault(subject, [0.0] * 5) if subject is not None else [0.0] * 5
        if not person[2]:
            self._units += 1
        mark = 3 if arm == "candidate" else 4
        if not person[mark]:
            person[mark] = True
            self.people[arm] += 1
        self._add_to(person, change)

    def _baseline(self, arm: Arm) -> float | None:
        """The arm's mean so far; before its first score, the other's."""
        for name in (arm, "champion" if arm == "candidate" else "candidate"):
            mean, count = self._means[name]
            if count:
                return mean
        return None

    def _add_to(self, person: list[float], change: tuple[float, float, float]) -> None:
        a, b, m = person[:3]
        da, db, dm = change
        products = self._products
        products[0] += (2 * a + da) * da
        products[1] += a * db + b * da + da * db
        products[2] += (2 * b + db) * db
        products[3] += a * dm + m * da + da * dm
        products[4] += b * dm + m * db + db * dm
        products[5] += (2 * m + dm) * dm
        for place, delta in enumerate(change):
            person[place] += delta
            self._sums[place] += delta

    def difference(self, factor: float = 1.0) -> float:
        """The candidate's mean less `factor` times the champion's."""
        candidate, champion, requests = self._sums
        return (candidate - factor * champion) / requests if requests else 0.0

    def width(self, alpha: float, planned: int, factor: float = 1.0, *, two_sided: bool = False) -> float:
        """How far `difference` may be off, at any look, but with probability `alpha`; infinite for fewer than two."""
        if self._units < 2:
            return inf
        cc, c0, oo, cm, om, mm = self._products
        theta = self.difference(factor)
        squares = cc - 2 * factor * c0 + factor * factor * oo - 2 * theta * (cm - factor * om) + theta * theta * mm
        _, champion, requests = self._sums
        swing = champion / requests if self._swing is None else self._swing
        unseen = swing * requests / self._units / min(self._weight, 1.0 - self._weight)
        return _spread_of(squares, unseen, self._units, requests) * sequence_width(
            self._units, alpha, planned, two_sided=two_sided
        )

    def count_effective(self) -> float:
        """The people of the arm that has fewer, less where some of them make most of the requests (Kish 1965)."""
        alike = _count_alike(self._sums[2], self._products[5])
        return min(self.people.values()) * alike / self._units if self._units else 0.0

    def estimate_difference(self, alpha: float, planned: int) -> Estimate | None:
        if not self._units or not all(self.people.values()):
            return None
        value, half = self.difference(), self.width(alpha, planned, two_sided=True)
        return value, (value - half, value + half)

    def estimate_ratio(self, alpha: float, planned: int) -> Estimate | None:
        """How many times the champion's mean the candidate's is, less 1 (Fieller's interval)."""
        candidate, champion, _ = self._sums
        if not all(self.people.values()) or champion <= 0.0:
            return None
        centre = candidate / champion

        def slack(ratio: float) -> float:
            return self.width(alpha, planned, ratio, two_sided=True) - abs(self.difference(ratio))

        low = _find_zero(lambda x: -slack(x), -_FARTHEST, centre)
        high = _find_zero(slack, centre, _FARTHEST)
        return centre - 1.0, (low - 1.0, inf if high >= _FARTHEST else high - 1.0)


class Comparisons:
    """How much better a judge found the candidate's answers than the champion's to the same requests.

    As `PairedMeans`, but each request tells of both arms at once, so nothing has to be weighed. People are the units;
    the one more that is unseen differs by a whole point.
    """

    def __init__(self) -> None:
        self.people: dict[Arm, int] = {"champion": 0, "candidate": 0}
        self._units = 0
        self._sums = [0.0, 0.0]  # differences, requests
        self._products = [0.0] * 3  # over people: dd, dm, mm
        self._by_person: dict[str, list[float]] = {}

    def add(self, subject: str | None, difference: float) -> None:
        person = self._by_person.setdefault(subject, [0.0, 0.0]) if subject is not None else [0.0, 0.0]
        if not person[1]:
            self._units += 1
            self.people = {"champion": self._units, "candidate": self._units}
        d, m = person
        self._products[0] += (2 * d + difference) * difference
        self._products[1] += d + difference * (m + 1.0)
        self._products[2] += 2 * m + 1.0
        person[0] += difference
        person[1] += 1.0
        self._sums[0] += difference
        self._sums[1] += 1.0

    @property
    def requests(self) -> int:
        return int(self._sums[1])

    def difference(self) -> float:
        """The candidate's score less the champion's, from -1 to 1."""
        return self._sums[0] / self._sums[1] if self._sums[1] else 0.0

    def width(self, alpha: float, planned: int, *, two_sided: bool = False) -> float:
        """How far `difference` may be off, at any look; infinite for fewer than two people."""
        if self._units < 2:
            return inf
        dd, dm, mm = self._products
        mean, requests = self.difference(), self._sums[1]
        squares = dd - 2 * mean * dm + mean * mean * mm
        return _spread_of(squares, requests / self._units, self._units, requests) * sequence_width(
            self._units, alpha, planned, two_sided=two_sided
        )

    def count_effective(self) -> float:
        """The people, less where some of them make most of the requests."""
        return _count_alike(self._sums[1], self._products[2])

    def estimate_difference(self, alpha: float, planned: int) -> Estimate | None:
        if not self._units:
            return None
        value, half = self.difference(), self.width(alpha, planned, two_sided=True)
        return value, (value - half, value + half)
