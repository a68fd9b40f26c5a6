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
    *("provider", "model", "input", "output", "cached_input", "cache_write", "reasoning"),
    *("audio_input", "audio_output", "per_image_usd", "batch_factor"),
    *("tier_above_tokens", "tier_input", "tier_output", "tier_cached_input", "tier_cache_write", "source", "as_of"),
]
MODES = ("chat", "responses", "completion", "embedding", "image_generation", "rerank", "moderation")


def main(listed: str, as_of: str, origin: str) -> None:
    entries: dict[str, dict[str, Any]] = json.loads(Path(listed).read_text())
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for name, entry in entries.items():
        provider = SAME.get(entry.get("litellm_provider", ""), entry.get("litellm_provider"))
        if provider not in PROVIDERS.values() or entry.get("mode") not in MODES:
            continue
        if not isinstance(entry.get("input_cost_per_token"), int | float):
            continue
        model = name.removeprefix(f"{provider}/")
        row = price_row(entry) | {
            "provider": provider,
            "model": model,
            "source": entry.get("source") or origin,
            "as_of": as_of,
        }
        rows.setdefault((provider, model), row)
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[key] for key in sorted(rows))
    print(f"{OUT.name}: {len(rows)} models")


def price_row(entry: dict[str, Any]) -> dict[str, str]:
    """The columns of one entry."""
    batch = entry.get("input_cost_per_token_batches")
    plain = entry["input_cost_per_token"]
    row = {
        "input": per_million(plain),
        "output": per_million(entry.get("output_cost_per_token") or 0.0),
        "cached_input": per_million(entry.get("cache_read_input_token_cost")),
        "cache_write": per_million(entry.get("cache_creation_input_token_cost")),
        "reasoning": per_million(entry.get("output_cost_per_reasoning_token")),
        "audio_input": per_million(entry.get("input_cost_per_audio_token")),
        "audio_output": per_million(entry.get("output_cost_per_audio_token")),
        "per_image_usd": f"{entry['output_cost_per_image']:.6g}" if entry.get("output_cost_per_image") else "",
        "batch_factor": f"{batch / plain:.4g}" if batch and plain else "",
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
        }
    return row


def per_million(usd_per_token: float | None) -> str:
    return "" if usd_per_token is None else f"{usd_per_token * 1e6:.6g}"


if __name__ == "__main__":
    main(*sys.argv[1:])
