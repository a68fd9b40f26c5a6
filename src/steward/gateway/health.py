"""How the models have been doing, and what follows: breakers, ejection of outliers, budgets of retries.

Pure: time (monotonic seconds) is an argument. Each worker learns for itself; nothing is shared, so that a
worker that was killed leaves nothing behind and no lock stands in the way of a request.

Sources: the three states of a breaker, Nygard, "Release It!", 2007, and Resilience4j's window with a minimum of
calls; doubling of the open time and the bounded share of ejected targets, Envoy's outlier detection; the retry
budget, Finagle's `RetryBudget` (20 % of requests); z for two proportions, NIST/SEMATECH e-Handbook 7.3.3.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from steward.gateway.health_plan import HealthPlan
from steward.gateway.route_records import BreakerReport, BreakerState, ModelStanding

BUCKETS: Final = 10  # of a window
LONGEST_OPEN: Final = 8  # times open_s
RETRY_RESERVE: Final = 10.0  # retries that a quiet model may spend at once
LATENCY_TAU_S: Final = 10.0  # a sample weighs 1/e after this long
OUTLIER_Z: Final = 3.0  # one in 740 by chance, one-sided
MOST_CALLERS: Final = 1000  # whose own failures one worker remembers for a model
OUTLIER_MARGIN: Final = 0.1  # and this much worse than the others


class Window:
    """Requests and failures of the last `span_s` seconds, in ten buckets; the sums are made once a bucket."""

    def __init__(self, span_s: float) -> None:
        self._width = span_s / BUCKETS
        self._number = 0  # of the newest bucket
        self._requests, self._failures = [0] * BUCKETS, [0] * BUCKETS
        self._sums = (0, 0)

    def add(self, failed: bool, now: float) -> None:
        if now // self._width > self._number:
            self._drop_old_buckets(now)
        at = self._number % BUCKETS
        self._requests[at] += 1
        self._failures[at] += failed
        self._sums = (self._sums[0] + 1, self._sums[1] + failed)

    def counts(self, now: float) -> tuple[int, int]:
        """(requests, failures)"""
        self._drop_old_buckets(now)
        return self._sums

    def clear(self) -> None:
        self._number = 0
        self._requests, self._failures = [0] * BUCKETS, [0] * BUCKETS
        self._sums = (0, 0)

    def _drop_old_buckets(self, now: float) -> None:
        """Empty the buckets whose time has passed."""
        number = int(now // self._width)
        if number <= self._number:
            return
        for passed in range(max(self._number, number - BUCKETS) + 1, number + 1):
            self._requests[passed % BUCKETS] = self._failures[passed % BUCKETS] = 0
        self._number = number
        self._sums = (sum(self._requests), sum(self._failures))


class Breaker:
    """Closed: all pass. Open: none, for a while. Half open: one at a time, to see."""

    def __init__(self, plan: HealthPlan) -> None:
        self._plan = plan
        self.window = Window(plan.window_s)
        self._consecutive = 0
        self._times_opened = 0  # in a row
        self._open_until: float | None = None
        self._probing = False
        self.closed = True

    def state(self, now: float) -> BreakerState:
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half_open"

    def admits(self, now: float) -> bool:
        """Whether one request may go; in half open it is the probe, and `succeeded`, `failed` or `left` must follow."""
        state = self.state(now)
        if state == "half_open" and not self._probing:
            self._probing = True
            return True
        return state == "closed"

    def record_answer(self, now: float) -> None:
        """A first byte came: enough to close a half-open breaker, without waiting for the end of a stream."""
        if self.state(now) == "half_open":
            self._open_until, self._probing, self._times_opened, self._consecutive = None, False, 0, 0
            self.closed = True
            self.window.clear()

    def record_success(self, now: float) -> None:
        if self._open_until is not None:
            self.record_answer(now)
        self.window.add(False, now)
        self._consecutive = 0

    def record_failure(self, now: float) -> None:
        self.window.add(True, now)
        self._consecutive += 1
        state = self.state(now)
        if state == "half_open" or (state == "closed" and self._has_too_many_failures(now)):
            self._probing = False
            self.closed = False
            self._open_until = now + self._plan.open_s * min(LONGEST_OPEN, 2**self._times_opened)
            self._times_opened += 1

    def release(self) -> None:
        """The request ended without a verdict: its client hung up."""
        self._probing = False

    def wait_s(self, now: float) -> float:
        return max(0.0, (self._open_until or now) - now)

    def _has_too_many_failures(self, now: float) -> bool:
        plan = self._plan
        requests, failures = self.window.counts(now)
        by_rate = requests >= plan.minimum_requests and failures >= plan.error_rate * requests
        return by_rate or self._consecutive >= plan.consecutive_failures


class RetryBudget:
    """A token bucket: each request brings `ratio` of a token, each retry takes one."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self.tokens = RETRY_RESERVE if ratio else 0.0

    def request(self) -> None:
        self.tokens = min(RETRY_RESERVE, self.tokens + self._ratio)

    def take(self) -> bool:
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Latency:
    """An exponentially weighted mean in time; without samples it fades to 0, so that a slow model is tried again."""

    def __init__(self) -> None:
        self._value = 0.0
        self._at = -math.inf

    def add(self, seconds: float, now: float) -> None:
        old = math.exp((self._at - now) / LATENCY_TAU_S)
        self._value = self._value * old + seconds * (1.0 - old)
        self._at = now

    def value(self, now: float) -> float:
        return self._value * math.exp((self._at - now) / LATENCY_TAU_S)


class ModelHealth:
    """All that one worker remembers of one model."""

    def __init__(self, plan: HealthPlan) -> None:
        self._plan = plan
        self.breaker = Breaker(plan)
        self._own: OrderedDict[str, Breaker] = OrderedDict()  # of callers whose requests got a 500
        self._doubted: set[str] = set()  # callers that got one since anybody succeeded
        self.budget = RetryBudget(plan.retry_ratio)
        self.latency = Latency()
        self.in_flight = 0
        self.rests_until = -math.inf  # it answered 429 and said until when

    @property
    def is_sound(self) -> bool:
        """Whether requests of all callers go, and none of them is a probe, as nearly always."""
        return not self._own and self.breaker.closed

    def admits(self, caller: str, now: float) -> bool:
        """Whether a request of `caller` may go; as `Breaker.admits`, an outcome or `left` must follow."""
        own = self._own.get(caller)
        if own is not None and not own.admits(now):
            return False
        if self.breaker.admits(now):
            return True
        if own is not None:
            own.release()
        return False

    def is_probing(self, caller: str, now: float) -> bool:
        """Whether the next request of `caller` is one that finds out whether the model answers again."""
        own = self._own.get(caller)
        return self.breaker.state(now) == "half_open" or (own is not None and own.state(now) == "half_open")

    def release(self, caller: str) -> None:
        """The request ended without a verdict."""
        self.breaker.release()
        if (own := self._own.get(caller)) is not None:
            own.release()

    def record_success(self, caller: str, now: float) -> None:
        self._doubted.clear()
        self.breaker.record_success(now)
        if self._own and (own := self._own.get(caller)) is not None:
            own.record_success(now)

    def record_error(self, caller: str, now: float) -> None:
        """Status 500, no answer in time, or a stream that broke: the server may be broken, or the request may break it.

        What only one caller meets depends on its requests, so it counts against that caller alone; what a second one
        meets before anybody succeeds depends on the server.
        """
        own = self._own.pop(caller, None) or Breaker(self._plan)
        while len(self._own) >= MOST_CALLERS:
            self._own.popitem(last=False)
        self._own[caller] = own
        own.record_failure(now)
        self._doubted.add(caller)
        if len(self._doubted) > 1:
            self.breaker.record_failure(now)
        else:
            self.breaker.record_answer(now)

    def wait_s(self, caller: str, now: float) -> float:
        """Until a request of `caller` may go again."""
        own = self._own.get(caller)
        return max(self.breaker.wait_s(now), own.wait_s(now) if own is not None else 0.0)

    def describe(self, ejected: bool, now: float) -> ModelStanding:
        out = ejected or now < self.rests_until or self.breaker.state(now) == "open"
        return ModelStanding(self.in_flight, self.latency.value(now), out)


class HealthTracker:
    """The health of every model of a worker."""

    def __init__(self, plan: HealthPlan, models: Iterable[str], before: HealthTracker | None = None) -> None:
        """`before`: what an earlier configuration knew of the same models stays known."""
        self._plan = plan
        known = before._models if before is not None and before._plan == plan else {}
        self._models: dict[str, ModelHealth] = {name: known.get(name) or ModelHealth(plan) for name in models}

    def __getitem__(self, model: str) -> ModelHealth:
        return self._models[model]

    def report(self, now: float) -> dict[str, BreakerReport]:
        """Every model's breaker, for people to look at."""
        return {
            name: BreakerReport(health.breaker.state(now), *health.breaker.window.counts(now))
            for name, health in self._models.items()
        }

    def standings(self, targets: Iterable[str], others: Iterable[str], now: float) -> dict[str, ModelStanding]:
        """What `routing.order` must know; outliers are looked for among `targets`, which share the same work."""
        names = list(targets)
        counts = {name: self._models[name].breaker.window.counts(now) for name in names} if len(names) > 1 else {}
        ill = any(failures for _, failures in counts.values())
        gone = find_outliers(counts, self._plan.minimum_requests, self._plan.ejected_share) if ill else frozenset()
        return {name: self._models[name].describe(name in gone, now) for name in (*names, *others)}


def find_outliers(counts: Mapping[str, tuple[int, int]], minimum: int, share: float) -> frozenset[str]:
    """Targets that fail clearly more often than the others: worst first, at most `share` of all. Never all: the best
    one fails no more often than the others.

    `counts` are (requests, failures) of a window. A target is one when its failure rate is `OUTLIER_MARGIN` above
    that of the others together and the difference is `OUTLIER_Z` standard errors. It comes back by itself, when
    its failures have left the window.
    """
    outliers: list[tuple[float, str]] = []
    for name, (requests, failures) in counts.items():
        others = [pair for other, pair in counts.items() if other != name]
        rest, rest_failures = sum(pair[0] for pair in others), sum(pair[1] for pair in others)
        if requests < minimum or rest < minimum:
            continue
        z = two_proportions_z(failures, requests, rest_failures, rest)
        if z >= OUTLIER_Z and failures / requests - rest_failures / rest >= OUTLIER_MARGIN:
            outliers.append((failures / requests, name))
    return frozenset(name for _, name in sorted(outliers, reverse=True)[: int(share * len(counts))])


def two_proportions_z(failures: int, requests: int, other_failures: int, other_requests: int) -> float:
    """How many standard errors the first rate is above the second, with the pooled rate; 0 where both are equal.

    >>> round(two_proportions_z(10, 20, 2, 20), 3)
    2.76
    """
    pooled = (failures + other_failures) / (requests + other_requests)
    error = math.sqrt(pooled * (1 - pooled) * (1 / requests + 1 / other_requests))
    return (failures / requests - other_failures / other_requests) / error if error else 0.0
