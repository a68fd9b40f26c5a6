"""What a request costs: counts of one request and a model's prices in, US dollars out. Pure.

Prices are US dollars per million tokens, unless a field says otherwise. The counts follow OpenAI's `usage`: input
includes what was read from a cache and written to it, output includes reasoning; audio is part of both. A kind that
has no price of its own costs what its whole costs. It does not know where prices come from: see `table.py`.
"""

from __future__ import annotations

from typing import Final

import msgspec

OWN_PRICE: Final = "steward.yaml"  # the source of prices that the operator set


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of the whole request once its input is longer than `above_tokens`."""

    above_tokens: int
    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None


class ImagePrice(msgspec.Struct, frozen=True, kw_only=True):
    """Of one picture that is generated, of this size and quality; an empty one stands for any."""

    size: str = ""  # "1024x1024"
    quality: str = ""  # "hd"
    usd: float


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model; None where the kind has no price of its own."""

    input: float
    output: float
    cached_input: float | None = None  # read from the provider's cache
    cache_write: float | None = None  # written to it
    cache_write_1h: float | None = None  # written to it for an hour rather than for minutes
    reasoning: float | None = None
    audio_input: float | None = None
    audio_output: float | None = None
    image_input: float | None = None
    per_request_usd: float = 0.0
    per_image_usd: float | None = None  # of each picture that was generated and has no price of its own
    image_prices: tuple[ImagePrice, ...] = ()
    per_audio_second_usd: float | None = None  # of a sound that is transcribed or translated
    per_million_characters_usd: float | None = None  # of a text that is spoken
    per_search_usd: float | None = None  # of a reranking
    batch_factor: float = 0.5  # what a request of a batch costs, relative to one that is answered at once
    flex_factor: float = 1.0  # what an answer of the service tier `flex` costs, relative to one of the default
    priority_factor: float = 1.0  # and of the service tier `priority`
    tiers: tuple[Tier, ...] = ()  # by rising `above_tokens`
    source: str = OWN_PRICE  # where the prices were read
    as_of: str = ""  # the day on which they were read there, YYYY-MM-DD


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What one request used."""

    input: int = 0  # all of it, what follows included
    output: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0  # a part of the former
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    images: int = 0
    image_size: str = ""
    image_quality: str = ""
    audio_seconds: float = 0.0
    characters: int = 0
    searches: int = 0
    service_tier: str = ""  # of the provider, as its answer names it


class MeasuredUsage(msgspec.Struct, frozen=True):
    """What was used of each kind, and whether any of it is an estimate."""

    counts: Counts
    estimated: bool


def price_request(counts: Counts, prices: Prices, batch: bool = False) -> float:
    """US dollars of one request.

    >>> prices = Prices(input=2.0, output=8.0, cached_input=0.5)
    >>> price_request(Counts(input=1_000_000, cached_input=900_000, output=100_000), prices)
    1.45
    """
    tier = select_tier(prices, counts.input)
    media = counts.audio_input + counts.image_input
    plain_input = max(0, counts.input - counts.cached_input - counts.cache_write - media)
    plain_output = max(0, counts.output - counts.reasoning - counts.audio_output)
    microdollars = (
        plain_input * tier.input
        + counts.cached_input * _own(tier.cached_input, tier.input)
        + (_price_writes(counts, tier) if counts.cache_write else 0.0)
        + counts.audio_input * _own(prices.audio_input, tier.input)
        + counts.image_input * _own(prices.image_input, tier.input)
        + plain_output * tier.output
        + counts.reasoning * _own(prices.reasoning, tier.output)
        + counts.audio_output * _own(prices.audio_output, tier.output)
    )
    factor = find_tier_factor(prices, counts.service_tier) if counts.service_tier else 1.0
    usd = microdollars / 1e6 * factor + prices.per_request_usd + price_units(counts, prices)
    return usd * prices.batch_factor if batch else usd


def _price_writes(counts: Counts, tier: Tier) -> float:
    """Microdollars of what was written to a cache, for minutes and for an hour."""
    minutes = _own(tier.cache_write, tier.input)
    hour = min(counts.cache_write, counts.cache_write_1h)
    return (counts.cache_write - hour) * minutes + hour * _own(tier.cache_write_1h, minutes)


def find_tier_factor(prices: Prices, service_tier: str) -> float:
    """What tokens of a service tier cost, relative to the default one's.

    >>> find_tier_factor(Prices(input=1, output=1, flex_factor=0.5), "flex")
    0.5
    """
    return {"flex": prices.flex_factor, "priority": prices.priority_factor}.get(service_tier, 1.0)


def price_units(counts: Counts, prices: Prices) -> float:
    """US dollars for what is not counted in tokens.

    >>> price_units(Counts(characters=2_000), Prices(input=0, output=0, per_million_characters_usd=15.0))
    0.03
    """
    usd = 0.0
    if counts.images:
        usd += counts.images * (price_image(counts.image_size, counts.image_quality, prices) or 0.0)
    if counts.audio_seconds:
        usd += counts.audio_seconds * (prices.per_audio_second_usd or 0.0)
    if counts.characters:
        usd += counts.characters * (prices.per_million_characters_usd or 0.0) / 1e6
    if counts.searches:
        usd += counts.searches * (prices.per_search_usd or 0.0)
    return usd


def price_image(size: str, quality: str, prices: Prices) -> float | None:
    """US dollars of one picture: the price that names its size and quality best, else the dearest of those that may
    be meant (`auto`, or a default that only the provider knows). None where pictures have no price.
    """
    fitting = [item for item in prices.image_prices if item.size in ("", size) and item.quality in ("", quality)]
    if fitting:
        return max(fitting, key=lambda item: (bool(item.size), bool(item.quality))).usd
    if prices.per_image_usd is not None:
        return prices.per_image_usd
    known_size = any(item.size == size for item in prices.image_prices)
    meant = [item.usd for item in prices.image_prices if not known_size or item.size == size]
    return max(meant, default=None)


def has_unit_price(prices: Prices, counts: Counts) -> bool:
    """Whether the units among `counts` have a price of their own."""
    return (
        (bool(counts.images) and price_image(counts.image_size, counts.image_quality, prices) is not None)
        or (bool(counts.audio_seconds) and prices.per_audio_second_usd is not None)
        or (bool(counts.characters) and prices.per_million_characters_usd is not None)
        or (bool(counts.searches) and prices.per_search_usd is not None)
    )


def price_at_most(counts: Counts, prices: Prices) -> float:
    """US dollars that a request cannot pass which uses no more than `counts`, whatever kind its tokens are."""
    ceiling = find_ceiling(prices)
    tokens = (counts.input * ceiling[0] + counts.output * ceiling[1]) / 1e6
    return tokens + prices.per_request_usd + price_units(counts, prices)


def select_tier(prices: Prices, input_tokens: int) -> Tier:
    """The prices of a request of this length: the highest tier that it exceeds, else the model's own.

    >>> long = Tier(above_tokens=200_000, input=2.5, output=15.0)
    >>> select_tier(Prices(input=1.25, output=10.0, tiers=(long,)), 200_000).input
    1.25
    """
    for tier in reversed(prices.tiers):
        if input_tokens > tier.above_tokens:
            return Tier(
                above_tokens=tier.above_tokens,
                input=tier.input,
                output=tier.output,
                cached_input=_own(tier.cached_input, _own(prices.cached_input, tier.input)),
                cache_write=_own(tier.cache_write, _own(prices.cache_write, tier.input)),
                cache_write_1h=_first(tier.cache_write_1h, tier.cache_write, prices.cache_write_1h),
            )
    return Tier(
        above_tokens=0,
        input=prices.input,
        output=prices.output,
        cached_input=prices.cached_input,
        cache_write=prices.cache_write,
        cache_write_1h=prices.cache_write_1h,
    )


def find_ceiling(prices: Prices) -> tuple[float, float]:
    """The most that a token of input and one of output can cost, whatever kind it is and however long the request.

    What a budget reserves: a request never costs more than this.

    >>> find_ceiling(Prices(input=1.0, output=4.0, cache_write=1.25))
    (1.25, 4.0)
    """
    tiers = [select_tier(prices, 0), *(select_tier(prices, tier.above_tokens + 1) for tier in prices.tiers)]
    inputs = [
        price for tier in tiers for price in (tier.input, tier.cached_input, tier.cache_write, tier.cache_write_1h)
    ]
    outputs = [tier.output for tier in tiers]
    factor = max(1.0, prices.flex_factor, prices.priority_factor)
    return (
        max(price for price in (*inputs, prices.audio_input, prices.image_input) if price is not None) * factor,
        max(price for price in (*outputs, prices.reasoning, prices.audio_output) if price is not None) * factor,
    )


def _first(*prices: float | None) -> float | None:
    return next((price for price in prices if price is not None), None)


def _own(price: float | None, otherwise: float) -> float:
    return otherwise if price is None else price
