"""Which models may answer a request, in which order.

Pure: the random number is an argument. What a failure is and when to try the next is decided here too;
trying is the handlers' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from steward.core.errors import Refused

RETRYABLE: Final = frozenset({408, 409, 429, 500, 502, 503, 504, 529})  # the set that OpenAI's SDKs retry


class Target(msgspec.Struct, frozen=True):
    model: str
    weight: float = 1.0


class Route(msgspec.Struct, frozen=True):
    """A name that clients ask for, and the models behind it."""

    name: str
    targets: tuple[Target, ...]
    fallback: tuple[str, ...] = ()


def order(route: Route, draw: float) -> tuple[str, ...]:
    """The models to try: one target by weight, then the fallbacks. `draw` is uniform in [0, 1).

    >>> order(Route("r", (Target("a", 3), Target("b", 1)), ("c",)), 0.8)
    ('b', 'c')
    """
    total = sum(target.weight for target in route.targets)
    mark, first = draw * total, route.targets[-1].model
    for target in route.targets:
        mark -= target.weight
        if mark < 0:
            first = target.model
            break
    return (first, *(name for name in route.fallback if name != first))


def table(routes: Iterable[Route], models: Sequence[str]) -> dict[str, Route]:
    """All routes by name; every model is also a route of its own name."""
    result = {name: Route(name, (Target(name),)) for name in models}
    result.update({route.name: route for route in routes})
    return result


def find(routes: dict[str, Route], name: str) -> Route:
    """The route that a client asked for.

    :raises Refused: 404, listing what exists
    """
    route = routes.get(name)
    if route is None:
        known = ", ".join(sorted(routes)) or "none"
        raise Refused(
            f"The model '{name[:200]}' does not exist. Available: {known}.",
            status=404,
            type="invalid_request_error",
            param="model",
            code="model_not_found",
        )
    return route
