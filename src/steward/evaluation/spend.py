"""What a run took: tokens, US dollars at given prices, and when it was asked. Tokens are the server's own counts.

An estimate before a run knows no answers: output tokens are `max_tokens`, the most that an answer may have, and input
tokens come from characters, about four a token in English (OpenAI's help page on tokens).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from steward.core.errors import InputError
from steward.evaluation.metrics import MetricOption
from steward.evaluation.run import ItemAnswer
from steward.evaluation.suite import MetricSpec, Suite

CHARACTERS_PER_TOKEN: Final = 4
MESSAGE_TOKENS: Final = 4  # of a chat template around one message
DEFAULT_OUTPUT: Final = 256  # where the suite names no max_tokens


class TokenPrices(msgspec.Struct, frozen=True):
    """US dollars per million tokens."""

    input: float
    output: float

    def cost_usd(self, input_tokens: float, output_tokens: float) -> float:
        """
        >>> TokenPrices(2.5, 10.0).cost_usd(1_000_000, 100_000)
        3.5
        """
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


class RunSpend(msgspec.Struct, frozen=True, kw_only=True):
    """Of answered items. `counted`: those whose tokens the server reported; `cached`: those that cost nothing anew."""

    input_tokens: int
    output_tokens: int
    counted: int
    answered: int
    cached: int
    first_at: float | None  # Unix seconds
    last_at: float | None


class RunEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will take. `output_tokens` is the most that it may be, if the suite names a maximum."""

    items: int
    requests: int  # with those to judges
    input_tokens: int
    output_tokens: int
    output_is_limit: bool
    cost_usd: float | None
    seconds: float | None


def measure_spend(answers: Iterable[ItemAnswer]) -> RunSpend:
    """Sums over answers without an error."""
    answered = [answer for answer in answers if answer.error is None]
    counted = [each for each in answered if each.input_tokens is not None and each.output_tokens is not None]
    times = [answer.at for answer in answered if answer.at]
    return RunSpend(
        input_tokens=sum(answer.input_tokens or 0 for answer in counted),
        output_tokens=sum(answer.output_tokens or 0 for answer in counted),
        counted=len(counted),
        answered=len(answered),
        cached=sum(answer.cached for answer in answered),
        first_at=min(times, default=None),
        last_at=max(times, default=None),
    )


def find_prices(metrics: Sequence[MetricSpec]) -> TokenPrices | None:
    """Those of the suite's metric `cost`."""
    options = next((metric.options for metric in metrics if metric.name == "cost"), None)
    if options is None:
        return None
    return TokenPrices(_read_price(options.get("input", 0.0)), _read_price(options.get("output", 0.0)))


def _read_price(option: MetricOption) -> float:
    try:
        return float(option)
    except ValueError:
        raise InputError(f"cost: price {option!r}, expected a number of USD per million tokens") from None


def estimate_run(
    suite: Suite, prices: TokenPrices | None, seconds_per_answer: float | None, concurrency: int, graded: int = 0
) -> RunEstimate:
    """`graded`: metrics that ask another model once an item; their tokens are not counted, only their requests."""
    letters = sum(len(message.content) for item in suite.items for message in item.messages)
    messages = sum(len(item.messages) for item in suite.items)
    input_tokens = round(letters / CHARACTERS_PER_TOKEN) + MESSAGE_TOKENS * messages
    parameters = suite.spec.parameters
    most = parameters.get("max_tokens", parameters.get("max_completion_tokens"))
    output_tokens = len(suite.items) * (most if isinstance(most, int) else DEFAULT_OUTPUT)
    requests = len(suite.items) * (1 + graded)
    return RunEstimate(
        items=len(suite.items),
        requests=requests,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        output_is_limit=isinstance(most, int),
        cost_usd=None if prices is None else prices.cost_usd(input_tokens, output_tokens),
        seconds=None if seconds_per_answer is None else requests * seconds_per_answer / max(1, concurrency),
    )


def format_date(seconds: float) -> str:
    """
    >>> format_date(1_767_225_600)
    '2026-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def format_usd(usd: float) -> str:
    """
    >>> format_usd(0.00123), format_usd(12.3456), format_usd(0)
    ('$0.0012', '$12.35', '$0.00')
    """
    return f"${usd:,.2f}" if usd >= 0.1 or not usd else f"${usd:.2g}" if usd < 1e-4 else f"${usd:.4f}"
