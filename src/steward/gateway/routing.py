"""Which models may answer a request, in which order, and what happens after one has failed.

Pure: the random number, the clock and what is known of the models are arguments. Trying is the handlers'
work, remembering how models did is `health.py`'s.

Sources: power of two choices, Mitzenmacher 2001 (IEEE TPDS 12:10); a latency cost of EWMA times requests in
flight, Finagle's `PeakEwma`; weighted rendezvous hashing, Thaler and Ravishankar 1998 with the weights of
Schindelhauer and Schomaker 2005; backoff with full jitter, Brooker, "Exponential Backoff And Jitter", AWS 2015.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

from steward.core.errors import Refused
from steward.core.excerpts import cut_text
from steward.gateway.route_records import Choice, Failure, ModelStanding, Retry, Route, Target, Unreadable

RETRYABLE: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})  # the set that OpenAI's SDKs retry
BACKOFF_BASE_S: Final = 0.25
BACKOFF_CAP_S: Final = 8.0  # the SDKs' cap
LONGEST_WAIT_S: Final = 10.0  # an upstream that asks for a longer pause gets it from the client, not from us
UNKNOWN: Final = ModelStanding()


def order_models(
    route: Route, draw: float, standings: Mapping[str, ModelStanding] | None = None, sticky: str | None = None
) -> tuple[str, ...]:
    """The models to try: the chosen target, the other targets, the fallbacks; those that are out come last.

    `draw` is uniform in [0, 1). `sticky` is the pseudonym that a sticky route goes by.

    >>> order_models(Route("r", (Target("a", 3), Target("b", 1)), ("c",)), 0.8)
    ('b', 'a', 'c')
    """
    known = standings or {}
    alive = [target for target in route.targets if not known.get(target.model, UNKNOWN).out]
    down = [target for target in route.targets if known.get(target.model, UNKNOWN).out]
    names = [*_rank_targets(route.choice, alive, draw, known, sticky), *route.fallback]
    names = [name for name in names if not known.get(name, UNKNOWN).out]
    names += [*_rank_targets(route.choice, down, draw, known, sticky), *route.fallback]
    return tuple(dict.fromkeys(names))


def _rank_targets(
    choice: Choice, targets: Sequence[Target], draw: float, known: Mapping[str, ModelStanding], sticky: str | None
) -> list[str]:
    if len(targets) < 2:
        return [target.model for target in targets]
    if sticky is not None:
        return rank_by_rendezvous(sticky, targets)
    if choice == "least_loaded":
        start = int(draw * len(targets))  # equal loads take turns
        turned = [*targets[start:], *targets[:start]]
        turned.sort(key=lambda target: (known.get(target.model, UNKNOWN).in_flight + 1) / target.weight)
        return [target.model for target in turned]
    first = pick_by_weight(targets, draw) if choice == "weighted" else _pick_faster_of_two(targets, draw, known)
    rest = sorted((target for target in targets if target.model != first), key=lambda target: -target.weight)
    return [first, *(target.model for target in rest)]


def pick_by_weight(targets: Sequence[Target], draw: float) -> str:
    """One target with a chance in proportion to its weight."""
    mark = draw * sum(target.weight for target in targets)
    for target in targets:
        mark -= target.weight
        if mark < 0:
            return target.model
    return targets[-1].model


def _pick_faster_of_two(targets: Sequence[Target], draw: float, known: Mapping[str, ModelStanding]) -> str:
    """Two different targets at random, and of these the one that should answer first."""
    scaled = draw * len(targets)
    one = int(scaled)
    other = int((scaled - one) * (len(targets) - 1))
    other += other >= one

    def cost(target: Target) -> float:
        standing = known.get(target.model, UNKNOWN)
        return standing.ttft_s * (standing.in_flight + 1)  # 0 where nothing is known: it is tried, and then is

    return min(targets[one], targets[other], key=cost).model


def rank_by_rendezvous(key: str, targets: Sequence[Target]) -> list[str]:
    """The targets in `key`'s own order: the same in every process, and a target that goes moves only its own keys.

    >>> one, other = Target("a"), Target("b")
    >>> rank_by_rendezvous("5f2c", [one, other]) == rank_by_rendezvous("5f2c", [other, one])
    True
    """

    def score(target: Target) -> float:
        hashed = hashlib.blake2b(f"{target.model}\x00{key}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(hashed, "big") + 0.5) / 2**64
        return -target.weight / math.log(min(uniform, 1 - 2**-53))

    return [target.model for target in sorted(targets, key=score, reverse=True)]


def choose_retry(
    names: Sequence[str], failures: Mapping[str, Failure], number: int, draw: float, left_s: float
) -> Retry | None:
    """Which failed model to try again, as the retry of that `number` (from 0); None where waiting is no use.

    A model that timed out is not asked again: it may still be busy with the first try. One whose answer is final is
    not either. The wait is what the upstream asked for plus a full-jitter backoff; it must end within `left_s` seconds.
    """
    again = [name for name in names if name in failures and not (failures[name].timed_out or failures[name].final)]
    if not again:
        return None
    name = min(again, key=lambda name: failures[name].retry_after_s or 0.0)
    asked = failures[name].retry_after_s or 0.0
    wait = asked + draw * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0**number)
    if asked > LONGEST_WAIT_S or wait >= left_s:
        return None
    return Retry(name, wait)


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """What an upstream asked for: `retry-after-ms`, else `retry-after` in seconds or as a date. `now` is epoch seconds.

    >>> parse_retry_after({"retry-after-ms": "1500", "retry-after": "2"}, 0.0)
    1.5
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = _parse_number(headers.get(name, ""))
        if seconds is not None:
            return max(0.0, seconds / unit)
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def client_deadline_s(headers: Mapping[str, str], total_s: float) -> float:
    """How long the client will wait for a first byte: its SDK's declared read timeout, where shorter than ours."""
    declared = _parse_number(headers.get("x-stainless-read-timeout", ""))
    return min(total_s, declared) if declared is not None and declared > 0 else total_s


def _parse_number(text: str) -> float | None:
    if not text:  # as nearly always: an exception costs ten times as much
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def build_routes(
    routes: Iterable[Route], models: Sequence[str], unreadable: Mapping[str, Unreadable] | None = None
) -> dict[str, Route]:
    """All routes by name; every model is also a route of its own name, with its setting for what is `unreadable`."""
    policy = unreadable or {}
    result = {name: Route(name, (Target(name),), unreadable=policy.get(name, "refuse")) for name in models}
    result.update({route.name: route for route in routes})
    return result


def find_route(routes: Mapping[str, Route], name: str, allowed: frozenset[str] | None = None) -> Route:
    """The route that a client asked for, of those that it is `allowed` to use; None: all.

    :raises Refused: 404, listing what it may use
    """
    route = routes.get(name)
    if route is None or (allowed is not None and name not in allowed):
        raise _unknown_model(name, list_allowed(routes, allowed), allowed is not None)
    return route


def list_allowed(names: Iterable[str], allowed: frozenset[str] | None) -> list[str]:
    """Those of `names` that a client may use, in order."""
    return sorted(name for name in names if allowed is None or name in allowed)


def _unknown_model(name: str, available: Sequence[str], restricted: bool) -> Refused:
    """A client with restricted models is told the same of a model that does not exist and of one it may not use."""
    what = "does not exist, or this key may not use it" if restricted else "does not exist"
    return Refused(
        f"The model '{cut_text(name)}' {what}. Available: {', '.join(available) or 'none'}.",
        status=404,
        type="invalid_request_error",
        param="model",
        code="model_not_found",
    )
