"""Write src/steward/gateway/pricing/table.csv from a public list of prices.

    python -m pip download --no-deps litellm && unzip -p litellm-*.whl \\
        litellm/model_prices_and_context_window_backup.json > prices.json
    python scripts/prices.py prices.json 2026-11-28 "litellm 1.110.2"

Facts only: names, numbers and the page that the list names as their source. Prices become US dollars per million
tokens; rows of providers that `table.py` cannot find by their URL are left out, and so are rows without a price.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

from steward.gateway.pricing.table import PROVIDERS

OUT = Path(__file__).parents[1] / "src/steward/gateway/pricing/table.csv"
SAME = {"vertex_ai-language-models": "gemini", "cohere_chat": "cohere", "text-completion-openai": "openai"}
COLUMNS = [
    *("provider", "model", "input", "output", "cached_input", "cache_write", "cache_write_1h", "reasoning"),
    *("audio_input", "audio_output", "image_input", "per_image_usd", "image_prices", "per_audio_second_usd"),
    *("per_million_characters_usd", "per_search_usd", "batch_factor", "flex_factor", "priority_factor"),
    *("tier_above_tokens", "tier_input", "tier_output", "tier_cached_input", "tier_cache_write"),
    *("tier_cache_write_1h", "source", "as_of"),
]
MODES = (
    *("chat", "responses", "completion", "embedding", "moderation", "rerank"),
    *("image_generation", "image_edit", "audio_transcription", "audio_speech"),
)
FACTORS = {name: f"input_cost_per_token_{cost}" for name, cost in
           (("batch", "batches"), ("flex", "flex"), ("priority", "priority"))}  # fmt: skip
SIZED = re.compile(r"(?:([a-z]+)/)?(\d+)-x-(\d+)/(.+)")  # hd/1024-x-1792/dall-e-3


def main(listed: str, as_of: str, origin: str) -> None:
    entries: dict[str, dict[str, Any]] = json.loads(Path(listed).read_text())
    rows: dict[tuple[str, str], dict[str, str]] = {}
    sizes: dict[tuple[str, str], dict[str, str]] = {}
    for name, entry in entries.items():
        provider = SAME.get(entry.get("litellm_provider", ""), entry.get("litellm_provider"))
        if provider not in PROVIDERS.values() or entry.get("mode") not in MODES:
            continue
        model = name.removeprefix(f"{provider}/")
        if SIZED.fullmatch(model):
            add_size(sizes, provider, model, entry, entry.get("source") or origin)
            continue
        units = price_units(entry)
        if not isinstance(entry.get("input_cost_per_token"), int | float) and not units:
            continue
        row = (
            price_row(entry)
            | units
            | {
                "provider": provider,
                "model": model,
                "source": entry.get("source") or origin,
                "as_of": as_of,
            }
        )
        rows.setdefault((provider, model), row)
    for (provider, model), found in sizes.items():
        row = rows.setdefault(
            (provider, model),
            {"provider": provider, "model": model, "input": "0", "output": "0", "as_of": as_of, **found},
        )
        if row["input"] == row["output"] == "0":  # tokens without a price
            row["image_prices"] = found["image_prices"]
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))
    print(f"{OUT.name}: {len(rows)} models")


def price_row(entry: dict[str, Any]) -> dict[str, str]:
    """The columns of one entry."""
    plain = entry.get("input_cost_per_token") or 0.0
    row: dict[str, str] = {
        "input": per_million(plain),
        "output": per_million(output_price(entry)),
        "cached_input": per_million(entry.get("cache_read_input_token_cost")),
        "cache_write": per_million(entry.get("cache_creation_input_token_cost")),
        "cache_write_1h": per_million(entry.get("cache_creation_input_token_cost_above_1hr")),
        "reasoning": per_million(entry.get("output_cost_per_reasoning_token")),
        "audio_input": per_million(entry.get("input_cost_per_audio_token")),
        "audio_output": per_million(entry.get("output_cost_per_audio_token")),
        "image_input": per_million(entry.get("input_cost_per_image_token")),
        "per_image_usd": f"{entry['output_cost_per_image']:.6g}" if entry.get("output_cost_per_image") else "",
        **{
            f"{name}_factor": f"{entry[cost] / plain:.4g}" if entry.get(cost) and plain else ""
            for name, cost in FACTORS.items()
        },
    }
    found = sorted(
        int(match[1]) for key in entry if (match := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key))
    )
    if found and f"output_cost_per_token_above_{found[0]}k_tokens" in entry:
        above = f"above_{found[0]}k_tokens"
        row |= {
            "tier_above_tokens": str(found[0] * 1000),
            "tier_input": per_million(entry[f"input_cost_per_token_{above}"]),
            "tier_output": per_million(entry[f"output_cost_per_token_{above}"]),
            "tier_cached_input": per_million(entry.get(f"cache_read_input_token_cost_{above}")),
            "tier_cache_write": per_million(entry.get(f"cache_creation_input_token_cost_{above}")),
            "tier_cache_write_1h": per_million(entry.get(f"cache_creation_input_token_cost_above_1hr_{above}")),
        }
    return row


def output_price(entry: dict[str, Any]) -> float:
    """US dollars per token; of a model that draws, its pictures' tokens, unless pictures have a price each."""
    drawn = entry.get("output_cost_per_image_token") if entry.get("mode", "").startswith("image") else None
    if drawn and not entry.get("output_cost_per_image"):
        return float(drawn)
    return float(entry.get("output_cost_per_token") or 0.0)


def price_units(entry: dict[str, Any]) -> dict[str, str]:
    """Prices of units beside tokens, where tokens have none: a provider bills one or the other."""
    if entry.get("input_cost_per_token"):
        return {}
    mode, units = entry["mode"], {}
    if mode == "audio_transcription" and entry.get("input_cost_per_second"):
        units["per_audio_second_usd"] = f"{entry['input_cost_per_second']:.6g}"
    if mode == "audio_speech" and entry.get("input_cost_per_character"):
        units["per_million_characters_usd"] = per_million(entry["input_cost_per_character"])
    if mode == "rerank" and entry.get("input_cost_per_query"):
        units["per_search_usd"] = f"{entry['input_cost_per_query']:.6g}"
    if mode.startswith("image") and (each := entry.get("output_cost_per_image") or entry.get("input_cost_per_image")):
        units["per_image_usd"] = f"{each:.6g}"
    return units


def add_size(
    sizes: dict[tuple[str, str], dict[str, str]], provider: str, name: str, entry: dict[str, Any], source: str
) -> None:
    """Note the price of one size and quality of a model."""
    match = SIZED.fullmatch(name)
    assert match is not None
    quality, width, height, model = match.groups()
    usd = entry.get("input_cost_per_image") or (entry.get("input_cost_per_pixel") or 0.0) * int(width) * int(height)
    if usd:
        row = sizes.setdefault((provider, model), {"image_prices": "", "source": source})
        price = f"{width}x{height} {'' if quality in (None, 'standard') else quality}={usd:.4g}"
        row["image_prices"] = "; ".join(filter(None, [row["image_prices"], price]))


def per_million(usd_per_token: float | None) -> str:
    return "" if usd_per_token is None else f"{usd_per_token * 1e6:.6g}"


if __name__ == "__main__":
    main(*sys.argv[1:])
