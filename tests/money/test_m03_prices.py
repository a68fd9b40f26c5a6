"""M3: every kind of token has its price; list prices by the provider's URL, the user's own above them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from steward.core.records import Attempt
from steward.gateway import dialects
from steward.gateway.config import ModelConfig, PriceConfig
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.settle import build_settled
from steward.gateway.models import ModelEntry
from steward.gateway.pricing.table import find_prices
from steward.workflows.serve.models import plan_models

GPT_4O = find_prices("openai", "gpt-4o")
CLAUDE = find_prices("anthropic", "claude-sonnet-4-5")


def settled_usd(endpoint: str, answer: bytes, prices: Any) -> float | None:
    exchange = Exchange("req_1", endpoint, {}, b"{}", 0.0, 0.0)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    exchange.model, exchange.usage = "m", dialects.find_dialect(endpoint).envelope(answer).usage
    return build_settled(exchange, "ok", 200, {"m": ModelEntry("m", cast(Any, None), "m", prices)}).usd


@pytest.mark.parametrize(
    ("endpoint", "answer", "prices", "usd"),
    [
        (  # 1,000 × 2.50 + 99,000 × 1.25 per million
            "/v1/chat/completions",
            b'{"usage":{"prompt_tokens":100000,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":99000}}}',
            GPT_4O,
            0.12625,
        ),
        (
            "/v1/responses",
            b'{"usage":{"input_tokens":100000,"output_tokens":0,"input_tokens_details":{"cached_tokens":99000}}}',
            GPT_4O,
            0.12625,
        ),
        (  # 1,000 × 3 + 90,000 × 0.30 + 9,000 × 3.75 + 100 × 15 per million
            "/v1/messages",
            b'{"usage":{"input_tokens":1000,"cache_read_input_tokens":90000,"cache_creation_input_tokens":9000,'
            b'"output_tokens":100}}',
            CLAUDE,
            0.06525,
        ),
        (  # DeepSeek's spelling
            "/v1/chat/completions",
            b'{"usage":{"prompt_tokens":100000,"completion_tokens":0,"prompt_cache_hit_tokens":99000}}',
            GPT_4O,
            0.12625,
        ),
    ],
)
def test_cached_input_costs_its_own_price(endpoint: str, answer: bytes, prices: Any, usd: float) -> None:
    assert settled_usd(endpoint, answer, prices) == pytest.approx(usd)


def test_details_that_are_no_numbers_change_nothing() -> None:
    answer = (
        b'{"usage":{"prompt_tokens":1000000,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":"all"}}}'
    )
    assert settled_usd("/v1/chat/completions", answer, GPT_4O) == pytest.approx(2.5)
    answer = b'{"usage":{"prompt_tokens":1000000,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":-5}}}'
    assert settled_usd("/v1/chat/completions", answer, GPT_4O) == pytest.approx(2.5)
    answer = b'{"usage":{"prompt_tokens":10,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":99000}}}'
    assert settled_usd("/v1/chat/completions", answer, GPT_4O) == pytest.approx(10 * 1.25e-6)


def planned(tmp_path: Path, **fields: Any) -> Any:
    from steward.settings import Settings

    settings = Settings(models=[ModelConfig(name="m", **fields)])
    return plan_models(settings, tmp_path, None)[0].prices


def test_a_known_provider_has_its_list_price(tmp_path: Path) -> None:
    found = planned(tmp_path, backend="openai", url="https://api.openai.com/v1", upstream_model="gpt-4o")
    assert found == GPT_4O and found.source.startswith("https://")
    assert planned(tmp_path, backend="anthropic", upstream_model="claude-sonnet-4-5") == CLAUDE
    assert planned(tmp_path, backend="openai", url="http://127.0.0.1:9/v1", upstream_model="gpt-4o") is None


def test_the_user_s_own_price_goes_before_it(tmp_path: Path) -> None:
    own = PriceConfig(input=1, output=2, cached_input=0.1)
    found = planned(tmp_path, backend="openai", url="https://api.openai.com/v1", upstream_model="gpt-4o", price=own)
    assert (found.input, found.output, found.cached_input, found.source) == (1, 2, 0.1, "steward.yaml")


def test_k3_the_price_of_an_embedded_model_has_an_effect(tmp_path: Path) -> None:
    assert planned(tmp_path, backend="embedded", price=PriceConfig(input=1, output=2)).output == 2
    assert planned(tmp_path, backend="embedded") is None


def test_tiers_must_rise() -> None:
    tier = {"above_tokens": 9, "input": 1, "output": 1}
    with pytest.raises(ValidationError, match="rising above_tokens"):
        PriceConfig.model_validate({"input": 1, "output": 1, "tiers": [tier, tier]})
    prices = PriceConfig.model_validate({"input": 1, "output": 1, "tiers": [tier]}).prices()
    assert prices.tiers[0].above_tokens == 9
