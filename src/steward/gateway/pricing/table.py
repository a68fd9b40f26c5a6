"""The shipped table of public prices (`table.csv`), looked up by the provider that a URL belongs to.

Each row names the page that its prices stand on and the day on which they were read; `scripts/prices.py` writes it.
A price in steward.yaml goes before it. It knows list prices only: no discount, no region, no committed use.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from steward.gateway.pricing.prices import ImagePrice, Prices, Tier

PROVIDERS: Final = {  # the last labels of a host → the table's name of the provider
    "api.openai.com": "openai",
    "openai.azure.com": "azure",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gemini",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "xai",
    "api.groq.com": "groq",
    "api.together.xyz": "together_ai",
    "api.fireworks.ai": "fireworks_ai",
    "api.deepinfra.com": "deepinfra",
    "api.perplexity.ai": "perplexity",
    "api.cerebras.ai": "cerebras",
    "api.moonshot.ai": "moonshot",
    "api.z.ai": "zai",
    "api.cohere.com": "cohere",
    "api.voyageai.com": "voyage",
}


def find_provider(url: str) -> str | None:
    """Whose server a base URL is; None for a server that the table does not know.

    >>> find_provider("https://api.deepseek.com/v1"), find_provider("http://127.0.0.1:8000/v1")
    ('deepseek', None)
    """
    host = urlsplit(url).hostname or ""
    return next((name for known, name in PROVIDERS.items() if host == known or host.endswith(f".{known}")), None)


def find_prices(provider: str, model: str) -> Prices | None:
    """The list prices of a provider's model; a dated name falls back to the undated one.

    >>> find_prices("nobody", "gpt-4o") is None
    True
    """
    rows = _rows()
    return rows.get((provider, model)) or rows.get((provider, model.rpartition("/")[2]))


@cache
def _rows() -> dict[tuple[str, str], Prices]:
    text = files("steward.gateway.pricing").joinpath("table.csv").read_text(encoding="utf-8")
    return {(row["provider"], row["model"]): _prices(row) for row in csv.DictReader(text.splitlines())}


def _prices(row: dict[str, str]) -> Prices:
    return Prices(
        input=float(row["input"]),
        output=float(row["output"]),
        cached_input=_number(row["cached_input"]),
        cache_write=_number(row["cache_write"]),
        cache_write_1h=_number(row["cache_write_1h"]),
        reasoning=_number(row["reasoning"]),
        audio_input=_number(row["audio_input"]),
        audio_output=_number(row["audio_output"]),
        image_input=_number(row["image_input"]),
        per_image_usd=_number(row["per_image_usd"]),
        image_prices=_image_prices(row["image_prices"]),
        per_audio_second_usd=_number(row["per_audio_second_usd"]),
        per_million_characters_usd=_number(row["per_million_characters_usd"]),
        per_search_usd=_number(row["per_search_usd"]),
        batch_factor=_number(row["batch_factor"]) or 1.0,
        flex_factor=_number(row["flex_factor"]) or 1.0,
        priority_factor=_number(row["priority_factor"]) or 1.0,
        tiers=_tiers(row),
        source=row["source"],
        as_of=row["as_of"],
    )


def _image_prices(text: str) -> tuple[ImagePrice, ...]:
    """As in "1024x1024 hd=0.08; 1024x1024 =0.04"."""
    prices = []
    for item in filter(None, text.split("; ")):
        kind, _, usd = item.partition("=")
        size, _, quality = kind.partition(" ")
        prices.append(ImagePrice(size=size, quality=quality, usd=float(usd)))
    return tuple(prices)


def _tiers(row: dict[str, str]) -> tuple[Tier, ...]:
    if not row["tier_above_tokens"]:
        return ()
    return (
        Tier(
            above_tokens=int(row["tier_above_tokens"]),
            input=float(row["tier_input"]),
            output=float(row["tier_output"]),
            cached_input=_number(row["tier_cached_input"]),
            cache_write=_number(row["tier_cache_write"]),
            cache_write_1h=_number(row["tier_cache_write_1h"]),
        ),
    )


def _number(text: str) -> float | None:
    return float(text) if text else None
