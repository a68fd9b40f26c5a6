"""What a request reserves, in whose name, and how a refusal is told.

Pure: counting is a `Limiter`'s work (adapters/limits). A request reserves itself, its tokens and its money with its
key, its team and its route, all or nothing. Error types and codes, headers: OpenAI API reference, "Rate limits".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from steward.core.errors import Refused
from steward.core.identity import Caller
from steward.core.records import Decision, LimitSpec, Scope
from steward.gateway.limit_table import LimitTable
from steward.gateway.pricing.prices import Prices, find_ceiling


def merge_limits(own: LimitSpec, default: LimitSpec) -> LimitSpec:
    """A caller's own limits; the default where it has none of a kind."""
    values = {
        name: getattr(default, name) if getattr(own, name) is None else getattr(own, name)
        for name in LimitSpec.__struct_fields__
    }
    return LimitSpec(**values)


def list_scopes(caller: Caller, route: str, table: LimitTable) -> tuple[Scope, ...]:
    """Whose limits a request counts against; only those that have any."""
    principal = caller.principal
    scopes = [Scope(f"key:{caller.counted_as or principal.account}", merge_limits(caller.limits, table.default))]
    if principal.team is not None and principal.team in table.teams:
        scopes.append(Scope(f"team:{principal.team}", table.teams[principal.team]))
    if route in table.models:
        scopes.append(Scope(f"model:{route}", table.models[route]))
    return tuple(scope for scope in scopes if scope.limits.any())


def counts_tokens(scopes: Iterable[Scope]) -> bool:
    """Whether a request's length matters to any scope."""
    return any(scope.limits.tokens_per_minute is not None or scope.limits.has_budget() for scope in scopes)


def max_price(models: Sequence[tuple[str, Prices | None]]) -> tuple[float, float]:
    """The most that a token of input and one of output can cost (USD per million tokens) among the models, with their
    names, that a route may reach.

    :raises Refused: a model without a price: a budget that cannot be counted is no budget
    """
    ceilings: list[tuple[float, float]] = []
    for name, prices in models:
        if prices is None:
            raise Refused(
                f"The model '{name}' has no price, so a key with a budget in dollars cannot use it. "
                f"Set its price in steward.yaml: models[{name}].price: {{input: …, output: …}}.",
                status=400,
                type="invalid_request_error",
                param="model",
                code="model_has_no_price",
            )
        ceilings.append(find_ceiling(prices))
    return max(ceiling[0] for ceiling in ceilings), max(ceiling[1] for ceiling in ceilings)


def cost_usd(input_tokens: int, output_tokens: int, prices: tuple[float, float]) -> float:
    return (input_tokens * prices[0] + output_tokens * prices[1]) / 1e6


_UNITS: Final = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "concurrent": "requests at the same time",
    "usd_per_day": "USD per day",
    "usd_per_month": "USD per month",
}


def limit_refusal(decision: Decision, tokens: int) -> Refused:
    """The 429 of a decision that does not allow."""
    unit = _UNITS[decision.what]
    kind, _, name = decision.scope.partition(":")
    whose = "this key" if kind == "key" else f"the {kind} '{name}'"
    if decision.what.startswith("usd"):
        return Refused(
            f"The budget of {whose} is exhausted: {decision.used:.4f} of {decision.limit:.2f} {unit} are used, "
            f"and this request could exceed it. It resets in {format_duration(decision.retry_after_s)}.",
            status=429,
            type="insufficient_quota",
            code="insufficient_quota",
            limit=decision.what,
            scope=kind,
            headers=(
                ("x-should-retry", "false"),  # SDKs would wait for hours
                ("retry-after", str(max(1, math.ceil(decision.retry_after_s)))),
                *limit_headers(decision),
            ),
        )
    asked = f" (requested {tokens}, {decision.used:.0f} in use)" if decision.what == "tokens" else ""
    if decision.what == "tokens" and tokens > decision.limit:
        return Refused(
            f"Request too large for {whose}: it needs {tokens} tokens, and the limit is {decision.limit:.0f} {unit}. "
            f"Send a shorter request or lower max_tokens.",
            status=429,
            type="tokens",
            code="rate_limit_exceeded",
            limit=decision.what,
            scope=kind,  # and no retry-after: it would be too large at any time
            headers=(("x-should-retry", "false"), *limit_headers(decision)),
        )
    wait_ms = max(1, int(decision.retry_after_s * 1000) + 1)
    return Refused(
        f"Rate limit reached for {whose}: {decision.limit:.0f} {unit}{asked}. "
        f"Try again in {decision.retry_after_s:.1f} s.",
        status=429,
        type="tokens" if decision.what == "tokens" else "requests",
        code="rate_limit_exceeded",
        limit=decision.what,
        scope=kind,
        headers=(
            ("retry-after-ms", str(wait_ms)),
            ("retry-after", str(-(-wait_ms // 1000))),
            *limit_headers(decision),
        ),
    )


def cut_off_error(decision_scope: str) -> Refused:
    """The error in the middle of a stream whose reservation could not grow."""
    return Refused(
        f"The stream was cut off: it exceeded its reservation, and the limit of {decision_scope} has no room for more. "
        f"Set max_tokens to reserve the whole answer from the start.",
        status=429,
        type="insufficient_quota",
        code="budget_exceeded",
    )


_REQUEST_HEADERS: Final = tuple(f"x-ratelimit-{what}-requests" for what in ("limit", "remaining", "reset"))
_TOKEN_HEADERS: Final = tuple(f"x-ratelimit-{what}-tokens" for what in ("limit", "remaining", "reset"))


def limit_headers(decision: Decision) -> list[tuple[str, str]]:
    """x-ratelimit-*, as OpenAI spells them; a refusal tells of the limit that refused, all that it looked at."""
    headers: list[tuple[str, str]] = []
    for names, kind, limit, remaining, reset in (
        (_REQUEST_HEADERS, "requests", decision.limit_requests, decision.remaining_requests, decision.reset_requests_s),
        (_TOKEN_HEADERS, "tokens", decision.limit_tokens, decision.remaining_tokens, decision.reset_tokens_s),
    ):
        if limit is not None and (decision.allowed or decision.what == kind):
            left = remaining if decision.allowed else max(0, int(limit - decision.used))
            wait = reset if decision.allowed else decision.retry_after_s
            headers += zip(names, (str(limit), str(left), format_duration(wait)), strict=True)
    return headers


def encode_limit_headers(decision: Decision) -> list[tuple[bytes, bytes]]:
    """`limit_headers` of a request that was allowed, as they are sent with its answer."""
    headers: list[tuple[bytes, bytes]] = []
    if decision.limit_requests is not None:
        headers += (
            (b"x-ratelimit-limit-requests", b"%d" % decision.limit_requests),
            (b"x-ratelimit-remaining-requests", b"%d" % decision.remaining_requests),
            (b"x-ratelimit-reset-requests", _encode_duration(decision.reset_requests_s)),
        )
    if decision.limit_tokens is not None:
        headers += (
            (b"x-ratelimit-limit-tokens", b"%d" % decision.limit_tokens),
            (b"x-ratelimit-remaining-tokens", b"%d" % decision.remaining_tokens),
            (b"x-ratelimit-reset-tokens", _encode_duration(decision.reset_tokens_s)),
        )
    return headers


@lru_cache(1024)
def _encode_duration(seconds: float) -> bytes:
    return format_duration(seconds).encode()


@lru_cache(1024)
def format_duration(seconds: float) -> str:
    """A time as OpenAI's headers spell it.

    >>> [format_duration(seconds) for seconds in (0.012, 59.5, 360, 90000)]
    ['12ms', '59.5s', '6m0s', '25h0m0s']
    """
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole, rest = divmod(seconds, 60)
    tail = f"{rest:.1f}".rstrip("0").rstrip(".") + "s"
    if whole < 1:
        return tail
    hours, minutes = divmod(int(whole), 60)
    return f"{hours}h{minutes}m{tail}" if hours else f"{minutes}m{tail}"
