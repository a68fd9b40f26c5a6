"""Routes as they are configured, and what is known of their models: records, apart from the code that is hot."""

from __future__ import annotations

from typing import Literal

import msgspec

from steward.gateway.prompts import Prompt

Choice = Literal["weighted", "least_loaded", "lowest_latency"]
Sticky = Literal["none", "subject", "conversation"]
Unreadable = Literal["refuse", "pass"]


class Target(msgspec.Struct, frozen=True):
    model: str
    weight: float = 1.0


class Shadow(msgspec.Struct, frozen=True):
    """A model that sees a share of a route's requests and whose answers nobody gets."""

    model: str
    sample: float  # share of the requests, 0 to 1


class ErrorFallbacks(msgspec.Struct, frozen=True):
    """Who is asked after an error that another model might not give, by its class (`upstream_errors.ERROR_CLASSES`).

    True: the models of the route that have not been asked; names: these instead; False: nobody, the client is told.
    """

    context: bool | tuple[str, ...] = True
    content_filter: bool | tuple[str, ...] = True
    quota: bool | tuple[str, ...] = True
    auth: bool | tuple[str, ...] = True
    model: bool | tuple[str, ...] = True
    unsupported: bool | tuple[str, ...] = True

    def names(self) -> tuple[str, ...]:
        """The models that are named for some class."""
        rules = (getattr(self, kind) for kind in self.__struct_fields__)
        return tuple(name for rule in rules if not isinstance(rule, bool) for name in rule)


class Route(msgspec.Struct, frozen=True):
    """A name that clients ask for, and the models behind it. None: the gateway's default applies."""

    name: str
    targets: tuple[Target, ...]
    fallback: tuple[str, ...] = ()
    choice: Choice = "weighted"
    sticky: Sticky = "none"
    retries: int = 1
    shadow: Shadow | None = None
    concurrency: int | None = None
    queue: int | None = None
    unreadable: Unreadable = "refuse"  # sounds and pictures, where a guard is on that cannot read them
    error_fallbacks: ErrorFallbacks = ErrorFallbacks()

    def reachable(self) -> tuple[str, ...]:
        """The models that may answer."""
        names = (*(target.model for target in self.targets), *self.fallback, *self.error_fallbacks.names())
        return tuple(dict.fromkeys(names))


class ServedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate that takes over a share of a route's people.

    `candidate` is the route as it would be with it. `weight`: the share of people who get it; 0 while only shadows see
    it. `sample`: the share of requests of which the candidate gets a copy. `judged`: of these, the share that a judge
    compares.
    """

    id: str
    route: str
    candidate: Route
    prompt: Prompt | None = None  # the candidate's
    weight: float = 0.0
    sample: float = 0.0
    judged: float = 0.0


class ModelStanding(msgspec.Struct, frozen=True):
    """What is known of a model at the moment of choosing."""

    in_flight: int = 0
    ttft_s: float = 0.0  # smoothed time to the first token; 0: not known
    out: bool = False  # resting, ejected, or its breaker is open


BreakerState = Literal["closed", "open", "half_open"]


class BreakerReport(msgspec.Struct, frozen=True):
    """A model's breaker in one worker, and what its window has counted."""

    state: BreakerState = "closed"
    requests: int = 0
    failures: int = 0


class Failure(msgspec.Struct, frozen=True):
    """How a try failed."""

    status: int  # as the client would see it
    retry_after_s: float | None = None  # what the upstream asked for
    timed_out: bool = False
    final: bool = False  # the same request would get the same answer


class Retry(msgspec.Struct, frozen=True):
    """Try `model` again after `wait_s`."""

    model: str
    wait_s: float
