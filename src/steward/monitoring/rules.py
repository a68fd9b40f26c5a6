"""What is watched: each kind of rule decides from the minutes so far whether something is wrong now.

A rule says one of three things: fine, wrong, or that it cannot tell, with the reason. It never looks at a number that
it was not given, so a replay of history and the live watch decide alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log, sqrt
from typing import Annotated, ClassVar, Final, Literal, Protocol

import msgspec

from steward.core.minutes import Level
from steward.monitoring.history import KEPT_MINUTES, MINUTES_OF_DAY, History
from steward.monitoring.power import find_least_fall
from steward.monitoring.tails import binomial_tail, hypergeometric_low_tail, poisson_low_tail

Severity = Literal["page", "ticket"]
Span = tuple[int, int]  # minutes, the end not included
Window = Annotated[int, msgspec.Meta(ge=1, le=KEPT_MINUTES - MINUTES_OF_DAY)]  # minutes
Windows = Annotated[tuple[Window, ...], msgspec.Meta(min_length=1, max_length=20)]
Factor = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Chance = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Days = Annotated[int, msgspec.Meta(ge=1, le=7)]

HOUR: Final = 60
GONE: Final = 0.05  # of the usual traffic, or less: it has stopped
PATIENT: Final = 6 * HOUR  # a window longer than this must be whole: what a young deployment's says is not its own
FAILURES: Final = ("judged", "failed")
RATINGS: Final = ("rated", "satisfied")
MIN_BEFORE: Final = 500  # earlier requests or answers, without which there is nothing to compare with
ENOUGH: Final = 300  # requests, by which it is decided whether an alert is over
SATURATED: Final = 1_000_000  # counts above are scaled down to it: an exact tail is no longer needed there


class Reading(msgspec.Struct, frozen=True):
    """What a rule says of one minute."""

    state: Literal["fine", "wrong", "cannot tell"]
    value: float | None = None  # what was seen, in the rule's unit
    expected: float | None = None  # the bound that it was held against
    why: str = ""


FINE: Final = Reading("fine")


class Rule(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What every rule has. It fires after `needed` of the last `looks` looks were wrong."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    severity: Severity = "ticket"
    every_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 1
    needed: Annotated[int, msgspec.Meta(ge=1, le=60)] = 1
    looks: Annotated[int, msgspec.Meta(ge=1, le=60)] = 1
    inhibited_by: tuple[str, ...] = ()  # names of rules that say the same more strongly, or the cause
    summary: str = ""

    scoped: ClassVar[bool] = True  # judged for each model and route apart, too


class RuleJudge(Protocol):
    """What every rule can do. `now` is the minute after the last one that is over; `excluded` are minutes in which the
    rule fired, with the time before that it took to see so: they are nothing to compare with."""

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        """Whether it should fire."""
        ...

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        """Whether what made it fire goes on: a part of it suffices, so that an alert does not come and go by chance."""
        ...

    @property
    def lookback(self) -> int:
        """Minutes that a fault may have lasted before it was seen."""
        ...

    @property
    def memory(self) -> int:
        """Minutes after a fault until it can no longer make the rule fire."""
        ...


class WindowRule(Rule, frozen=True, kw_only=True):
    """A rule that looks at several windows that end now, in minutes."""

    windows: Windows = (10, 60, 360)

    @property
    def lookback(self) -> int:
        return max(self.windows)

    @property
    def memory(self) -> int:
        return max(self.windows)


class ShareRise(WindowRule, frozen=True, kw_only=True):
    """A share is higher than in the days before: an exact binomial test, and a rise that matters.

    What is expected is `slack` times the earlier share, at least `floor`, so that a share that wanders does not count
    as a rise; `alpha` is per look. `columns` are how many there were, and how many of them.
    """

    columns: ClassVar[tuple[str, str]]
    noun: ClassVar[str]
    days: Annotated[int, msgspec.Meta(ge=1, le=28)] = 7
    slack: Factor = 1.5
    floor: Share = 0.002
    min_rise: Share = 0.01
    min_count: Count = 5
    alpha: Chance = 1e-8

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        before = self._share_before(history, now, excluded)
        if before is None:
            return Reading("cannot tell", why=f"fewer than {MIN_BEFORE} earlier {self.noun} to compare with")
        bound, enough = max(self.floor, before * self.slack), False
        for window in self.windows:
            total, count = _sums(history, self.columns, now - window, now)
            enough = enough or total >= 20
            if count < self.min_count or count / total < max(2 * before, before + self.min_rise):
                continue
            if binomial_tail(*_scale(count, total), bound) < self.alpha:
                return Reading("wrong", count / total, bound, self._describe(count, total, window, before))
        return FINE if enough else Reading("cannot tell", why=f"fewer than 20 {self.noun} in the longest window")

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        before = self._share_before(history, now, excluded)
        longest = max(self.lookback, MINUTES_OF_DAY)
        total, count, window = _recent(history, now, self.columns, min(self.windows), longest)
        if before is None or not total:
            return Reading("cannot tell", why=f"no {self.noun} to judge")
        bound = max(1.5 * before, before + self.min_rise / 2)
        state: Literal["wrong", "fine"] = "wrong" if count / total >= bound else "fine"
        return Reading(state, count / total, bound, self._describe(count, total, window, before))

    def _share_before(self, history: History, now: int, excluded: Sequence[Span]) -> float | None:
        total, count = _sum_before(history, self.columns, now, self.days, self.lookback, excluded)
        return (count + 1) / (total + 2) if total >= MIN_BEFORE else None

    def _describe(self, count: int, total: int, window: int, before: float) -> str:
        word = self.columns[1]
        return f"{count / total:.1%} of {total} {self.noun} {word} in {_span(window)}; before it was {before:.2%}"


class FailureRise(ShareRise, frozen=True, kw_only=True, tag="failure_rise"):
    """More requests fail than before."""

    columns: ClassVar = ("judged", "failed")
    noun: ClassVar = "requests"


class RefusalRise(ShareRise, frozen=True, kw_only=True, tag="refusal_rise"):
    """The model declines more often than before."""

    columns: ClassVar = ("asked", "refused")
    noun: ClassVar = "answers"
    windows: Windows = (360, 1440)
    floor: Share = 0.005
    min_rise: Share = 0.02


class BurnRate(Rule, frozen=True, kw_only=True, tag="burn_rate"):
    """The error budget of an objective is spent too fast: The Site Reliability Workbook (Google, 2018), table 5-8.

    Both windows of a pair must fail at `factor` times the budget. So that one error at low traffic does not page, the
    long window needs `min_failed` failures, and as many as the budget alone would give once in 1 / `alpha` looks.
    """

    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.99  # share of requests that succeed
    pairs: Annotated[tuple[tuple[Window, Window, Factor], ...], msgspec.Meta(min_length=1, max_length=10)] = (
        (60, 5, 14.4),
        (360, 30, 6.0),
    )  # long and short minutes, factor
    min_failed: Count = 3
    alpha: Chance = 1e-6

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        budget, judged_any, worst = round(1.0 - self.objective, 12), False, 0.0
        for long, short, factor in self.pairs:
            if long > PATIENT and not history.covers(now - long):
                continue
            judged, failed = _sums(history, self._columns(), now - long, now)
            judged_any = judged_any or judged * budget * factor >= 1.0
            if judged == 0 or failed < self.min_failed:
                continue
            worst = max(worst, failed / judged)
            if failed < factor * budget * judged - 1e-9 or binomial_tail(failed, judged, budget) > self.alpha:
                continue
            recent, recently_failed = _sums(history, self._columns(), now - short, now)
            if recent and recently_failed >= factor * budget * recent - 1e-9:
                rate = failed / judged
                return Reading(
                    "wrong",
                    rate,
                    factor * budget,
                    f"{rate:.1%} of {judged} {self._what()} in {_span(long)}, "
                    f"{rate / budget:.1f} times what {self.objective:.1%} allows",
                )
        return Reading("fine", worst) if judged_any else Reading("cannot tell", why="not enough traffic to judge")

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        shortest, longest = min(short for _, short, _ in self.pairs), max(self.lookback, MINUTES_OF_DAY)
        judged, failed, window = _recent(history, now, self._columns(), shortest, longest)
        if not judged:
            return Reading("cannot tell", why="no traffic to judge")
        rate, bound = failed / judged, min(factor for _, _, factor in self.pairs) * (1.0 - self.objective) / 3
        text = f"{rate:.1%} of {judged} {self._what()} in {_span(window)}"
        return Reading("wrong" if rate >= bound else "fine", rate, bound, text)

    @property
    def lookback(self) -> int:
        return max(long for long, _, _ in self.pairs)

    @property
    def memory(self) -> int:
        """Both windows of a pair must be bad, so the short ones decide."""
        return max(short for _, short, _ in self.pairs)

    def _columns(self) -> tuple[str, str]:
        return FAILURES

    def _what(self) -> str:
        return "requests failed"


class ObjectiveBurn(BurnRate, frozen=True, kw_only=True, tag="objective_burn"):
    """The same of a service level objective: `columns` are how many count, and how many of them are bad."""

    scoped: ClassVar = False  # an objective says itself which model and route it is of
    columns: tuple[str, str]
    noun: str = "requests"

    def _columns(self) -> tuple[str, str]:
        return self.columns

    def _what(self) -> str:
        return f"{self.noun} were bad"


class LevelShift(WindowRule, frozen=True, kw_only=True, tag="level_shift"):
    """A duration, length or price is higher (or lower) than at this time of day on each of the last days.

    Compares means of logarithms, so that a ratio is meant and one huge value does not decide. The comparison is with
    the highest (lowest) of the last seven days, which a daily or weekly season and a first Monday do not pass; and by
    more than `z` standard errors, which few requests do not reach.
    """

    field: Level
    ratio: Annotated[float, msgspec.Meta(gt=1.0)]  # that counts as a shift
    both_ways: bool = False
    windows: Windows = (10, 30, 60, 180, 360)
    min_days: Days = 3
    z: Factor = 4.0
    min_values: Annotated[int, msgspec.Meta(ge=2, le=1_000_000_000)] = 50

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        state = Reading("cannot tell", why=f"fewer than {self.min_values} values of {self.field}")
        for window in self.windows:
            count, mean, variance = history.level(self.field, now - window, now)
            if count < self.min_values:
                continue
            yesterday = self._day_before(history, now, window, 1, excluded)
            if yesterday is not None and abs(mean - yesterday[1]) <= log(self.ratio) and not self.both_ways:
                state = FINE  # it cannot be above the highest day
                continue
            days = [day for back in range(1, 8) if (day := self._day_before(history, now, window, back, excluded))]
            if len(days) < self.min_days:
                if state.state != "fine":
                    state = Reading("cannot tell", why=f"fewer than {self.min_days} earlier days to compare with")
                continue
            state = FINE
            reading = self._compare(count, mean, variance, days, window)
            if reading is not None:
                return reading
        return state

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        for window in self.windows:
            count, mean, _ = history.level(self.field, now - window, now)
            if count < 5 * self.min_values and window != max(self.windows):
                continue
            days = [day for back in range(1, 8) if (day := self._day_before(history, now, window, back, excluded))]
            if count < self.min_values or not days:
                return Reading("cannot tell", why="no earlier day to compare with")
            above = mean - max(day[1] for day in days)
            below = min(day[1] for day in days) - mean if self.both_ways else 0.0
            lasts = max(above, below) > log(self.ratio) / 2
            text = f"{self.field} was typically {exp(mean):.4g} in {_span(window)}"
            return Reading("wrong" if lasts else "fine", exp(mean), None, text)
        return Reading("cannot tell", why="no window to look at")

    def _day_before(
        self, history: History, now: int, window: int, back: int, excluded: Sequence[Span]
    ) -> tuple[int, float, float] | None:
        """The same time of day so many days ago, with half an hour on either side."""
        margin = window // 2 if window > 60 else 30
        end = now - back * MINUTES_OF_DAY
        start, end = end - window - margin, min(end + margin, now - window)
        if not history.covers(start) or _overlaps(excluded, start, end):
            return None
        level = history.level(self.field, start, end)
        return level if level[0] >= self.min_values // 2 else None

    def _compare(
        self, count: int, mean: float, variance: float, days: Sequence[tuple[int, float, float]], window: int
    ) -> Reading | None:
        for sign in (1, -1) if self.both_ways else (1,):
            nearest = max(days, key=lambda day: sign * day[1])
            shift = sign * (mean - nearest[1])
            error = sqrt(variance / count + nearest[2] / nearest[0])
            if shift > log(self.ratio) and shift > self.z * error:
                now, before = exp(mean), exp(nearest[1])
                word = "above" if sign > 0 else "below"
                return Reading(
                    "wrong",
                    now,
                    before,
                    f"{self.field} was typically {now:.4g} in {_span(window)}, {word} {before:.4g}, "
                    f"the {'highest' if sign > 0 else 'lowest'} at this time of day in the last {len(days)} days",
                )
        return None


class TrafficGone(WindowRule, frozen=True, kw_only=True, tag="traffic_gone"):
    """Requests have stopped, or nearly, where there were some at this time of day on each of the last seven days.

    With less than a week to compare with, the quietest window so far counts, nights and weekends included.
    """

    windows: Windows = (5, 10, 20, 60, 180, 360)
    share: Share = 0.5  # of the quietest earlier day that would still be normal
    alpha: Chance = 1e-6

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        judged = False
        for window in self.windows:
            seen = history.sum("requests", now - window, now)
            quietest = self._quietest(history, now, window, excluded, seen)
            if quietest is None or exp(-self.share * quietest) >= self.alpha:
                continue
            judged = True
            if seen <= GONE * quietest and poisson_low_tail(int(seen), self.share * quietest) < self.alpha:
                return Reading(
                    "wrong",
                    seen,
                    quietest,
                    f"{seen:.0f} requests in {_span(window)}; there were never fewer than {quietest:.0f} at this time",
                )
        return FINE if judged else Reading("cannot tell", why="not enough earlier traffic to miss it")

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        for window in self.windows:
            seen = history.sum("requests", now - window, now)
            quietest = self._quietest(history, now, window, excluded, 0.0)
            if quietest is None or exp(-self.share * quietest) >= self.alpha:
                continue
            text = f"{seen:.0f} requests in {_span(window)}"
            return Reading("wrong" if seen <= 4 * GONE * quietest else "fine", seen, quietest, text)
        return Reading("cannot tell", why="not enough earlier traffic to miss it")

    def _quietest(self, history: History, now: int, window: int, excluded: Sequence[Span], seen: float) -> float | None:
        """Of the earlier windows; of one of them only, where that shows already that the traffic is not gone."""
        quietest: float | None = None
        for start in self._list_starts(history, now, window):
            if not history.covers(start) or _overlaps(excluded, start, start + window):
                continue
            requests = history.sum("requests", start, start + window)
            if quietest is None or requests < quietest:
                quietest = requests
            if seen > GONE * quietest or exp(-self.share * quietest) >= self.alpha:
                return quietest
        return quietest

    def _list_starts(self, history: History, now: int, window: int) -> Iterator[int]:
        """When the earlier windows began. Seldom is more than the first of them needed."""
        young = now - history.first < 7 * MINUTES_OF_DAY + window
        if young:
            yield now - 2 * window
        yield from range(now - window - MINUTES_OF_DAY, now - window - 8 * MINUTES_OF_DAY, -MINUTES_OF_DAY)
        if young:
            yield from range(history.first, now - window, max(window // 2, 5))


class SatisfactionFall(WindowRule, frozen=True, kw_only=True, tag="satisfaction_fall"):
    """Fewer ratings are positive than in the four weeks before: Fisher's exact test, and a fall that matters.

    Where the ratings are too few for a fall of `must_see` to show in any window, silence does not mean health: then it
    cannot tell, and says which fall it would see.
    """

    windows: Windows = (360, 1440, 4320, 10080)
    min_ratings: Count = 30
    min_before: Count = 100
    min_fall: Share = 0.05
    must_see: Share = 0.1  # a fall that it must be able to see, with a chance of 80 %
    alpha: Chance = 1e-5

    def judge(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        state = Reading("cannot tell", why=f"fewer than {self.min_ratings} ratings, or {self.min_before} earlier ones")
        for window in self.windows:
            rated, satisfied = _sums(history, RATINGS, now - window, now)
            before, satisfied_before = self._before(history, now, window, excluded)
            if rated < self.min_ratings or before < self.min_before:
                continue
            share, share_before = satisfied / rated, satisfied_before / before
            if share_before - share >= self.min_fall:
                tail = hypergeometric_low_tail(satisfied, rated, satisfied + satisfied_before, rated + before)
                if tail < self.alpha:
                    why = f"{share:.0%} of {rated} ratings in {_span(window)} were positive, before it was "
                    return Reading("wrong", share, share_before, why + f"{share_before:.0%}")
            if state.state != "fine":
                state = self._say_what_shows(rated, before, share, share_before, window)
        return state

    def _say_what_shows(self, rated: int, before: int, share: float, share_before: float, window: int) -> Reading:
        """Fine, if a fall that matters would have shown in this window."""
        least = find_least_fall(rated, before, share_before, self.alpha)
        if least is not None and least <= self.must_see:
            return Reading("fine", share)
        shows = "not even a fall to 0%" if least is None else f"a fall of {100 * least:.0f} points or more"
        why = f"{rated} ratings in {_span(window)} and {before} before show {shows}; one of {100 * self.must_see:.0f} "
        return Reading("cannot tell", share, share_before, why + "points cannot be judged at this traffic")

    def persists(self, history: History, now: int, excluded: Sequence[Span]) -> Reading:
        longest = max(self.windows)
        rated, satisfied, window = _recent(history, now, RATINGS, min(self.windows), longest)
        before, satisfied_before = self._before(history, now, longest, excluded)
        if rated < self.min_ratings or not before:
            return Reading("cannot tell", why="too few ratings to judge")
        bound = satisfied_before / before - self.min_fall / 2
        text = f"{satisfied / rated:.0%} of {rated} ratings in {_span(window)} were positive"
        return Reading("wrong" if satisfied / rated <= bound else "fine", satisfied / rated, bound, text)

    def _before(self, history: History, now: int, window: int, excluded: Sequence[Span]) -> tuple[int, int]:
        return _sum_before(history, RATINGS, now, 28 + window / MINUTES_OF_DAY, window, excluded)


AnyRule = BurnRate | FailureRise | LevelShift | TrafficGone | SatisfactionFall | RefusalRise  # in files of rules
WatchedRule = AnyRule | ObjectiveBurn

DEFAULT_RULES: Final[tuple[AnyRule, ...]] = (
    BurnRate(
        name="error-burn",
        severity="page",
        inhibited_by=("failures-up",),
        summary="Requests fail so fast that the error budget will not last.",
    ),
    BurnRate(
        name="error-burn-slow",
        pairs=((1440, 120, 3.0), (4320, 360, 1.5)),
        every_minutes=5,
        inhibited_by=("error-burn", "failures-up"),
        summary="Requests fail steadily at more than the error budget allows.",
    ),
    FailureRise(
        name="failures-up",
        severity="page",
        inhibited_by=("error-burn",),
        summary="Many more requests fail than in the days before.",
    ),
    TrafficGone(name="traffic-gone", severity="page", needed=2, looks=2, summary="Requests have stopped arriving."),
    LevelShift(
        name="latency-doubled",
        severity="page",
        field="latency_ms",
        ratio=2.0,
        needed=3,
        looks=5,
        inhibited_by=("error-burn", "failures-up"),
        summary="Answers take twice as long as at this time of day on any recent day.",
    ),
    LevelShift(
        name="latency-up",
        field="latency_ms",
        ratio=1.3,
        every_minutes=5,
        needed=2,
        looks=3,
        inhibited_by=("latency-doubled", "first-token-doubled", "error-burn", "failures-up"),
        summary="Answers take longer than at this time of day on any recent day.",
    ),
    LevelShift(
        name="first-token-doubled",
        severity="page",
        field="ttft_ms",
        ratio=2.0,
        needed=3,
        looks=5,
        inhibited_by=("latency-doubled", "error-burn", "failures-up"),
        summary="The first token takes twice as long as at this time of day on any recent day.",
    ),
    LevelShift(
        name="first-token-up",
        field="ttft_ms",
        ratio=1.3,
        every_minutes=5,
        needed=2,
        looks=3,
        inhibited_by=("first-token-doubled", "latency-doubled", "latency-up", "error-burn", "failures-up"),
        summary="The first token takes longer than at this time of day on any recent day.",
    ),
    SatisfactionFall(name="satisfaction-down", every_minutes=60, summary="Fewer ratings are positive than before."),
    RefusalRise(name="refusals-up", every_minutes=30, summary="The model declines more often than before."),
    LevelShift(
        name="answer-length-shift",
        field="output_tokens",
        ratio=1.2,
        both_ways=True,
        windows=(360, 1440),
        min_days=7,
        z=6.0,
        every_minutes=30,
        needed=2,
        looks=2,
        summary="Answers have become longer or shorter than on any recent day.",
    ),
    LevelShift(
        name="prompt-length-shift",
        field="input_tokens",
        ratio=1.2,
        both_ways=True,
        windows=(360, 1440),
        min_days=7,
        z=6.0,
        every_minutes=30,
        needed=2,
        looks=2,
        summary="Prompts have become longer or shorter than on any recent day.",
    ),
    LevelShift(
        name="cost-shift",
        field="usd",
        ratio=1.3,
        windows=(360, 1440),
        min_days=7,
        z=6.0,
        every_minutes=30,
        needed=2,
        looks=2,
        inhibited_by=("answer-length-shift", "prompt-length-shift"),
        summary="A request costs more than on any recent day.",
    ),
)


def without(excluded: Sequence[Span], start: int, end: int) -> Iterator[Span]:
    """What remains of minutes `start` to `end`; `excluded` is in order and does not overlap.

    >>> list(without([(2, 4), (8, 12)], 0, 10))
    [(0, 2), (4, 8)]
    """
    for low, high in excluded:
        if start < min(low, end):
            yield start, min(low, end)
        start = max(start, high)
    if start < end:
        yield start, end


def _overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    for low, high in spans:  # noqa: SIM110 - asked millions of times in a backtest; `any` takes twice as long
        if low < end and start < high:
            return True
    return False


def _sum_before(
    history: History, columns: tuple[str, str], now: int, days: float, window: int, excluded: Sequence[Span]
) -> tuple[int, int]:
    """Both columns over the last `days` up to the window that ends now, without what is excluded."""
    spans = tuple(without(excluded, now - round(days * MINUTES_OF_DAY), now - window))
    first, second = (round(sum(history.sum(column, *span) for span in spans)) for column in columns)
    return first, second


def _recent(history: History, now: int, columns: tuple[str, str], shortest: int, longest: int) -> tuple[int, int, int]:
    """Both columns over the shortest window that holds enough to judge by, else the longest; and its minutes."""
    window = shortest
    while window < longest and history.sum(columns[0], now - window, now) < ENOUGH:
        window = min(longest, 2 * window)
    return *_sums(history, columns, now - window, now), window


def _sums(history: History, columns: tuple[str, str], start: int, end: int) -> tuple[int, int]:
    first, second = (round(history.sum(column, start, end)) for column in columns)
    return first, second


def _scale(successes: int, trials: int) -> tuple[int, int]:
    """The same share of fewer trials, where there are more than a tail needs."""
    return (successes, trials) if trials <= SATURATED else (successes * SATURATED // trials, SATURATED)


def _span(minutes: int) -> str:
    """
    >>> _span(90), _span(60), _span(4320)
    ('90 minutes', '1 hour', '3 days')
    """
    for size, word in ((MINUTES_OF_DAY, "day"), (HOUR, "hour")):
        if minutes % size == 0:
            return f"{minutes // size} {word}{'s' if minutes > size else ''}"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
