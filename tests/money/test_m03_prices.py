"""M3: every kind of token has its price; list prices by the provider's URL, the user's own above them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import ValidationError

from compatibility.scripted_engine import Gate, whole
from steward.core.records import Attempt
from steward.gateway import dialects
from steward.gateway.config import ModelConfig, PriceConfig
from steward.gateway.exchange import Exchange
from steward.gateway.middleware.settle import build_settled
from steward.gateway.models import ModelEntry
from steward.gateway.pricing.prices import Prices, find_ceiling
from steward.gateway.pricing.table import find_prices
from steward.gateway.route_records import Route, Target
from steward.gateway.usage import measure_usage
from steward.gateway.wire_fields import TokenUsage
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


@pytest.mark.parametrize(
    ("usage", "usd"),
    [  # 3 in, 15 out, 3.75 for five minutes, 6 for an hour: https://platform.claude.com/docs/en/about-claude/pricing
        (b'"cache_creation_input_tokens":9000', 0.03675),
        (b'"cache_creation_input_tokens":9000,"cache_creation":{"ephemeral_1h_input_tokens":9000}', 0.057),
        (
            b'"cache_creation_input_tokens":9000,"cache_creation":{"ephemeral_5m_input_tokens":4000,'
            b'"ephemeral_1h_input_tokens":5000}',
            0.048,
        ),
        (b'"cache_creation":{"ephemeral_5m_input_tokens":4000,"ephemeral_1h_input_tokens":5000}', 0.048),
        (b'"cache_creation_input_tokens":9000,"cache_creation":{"ephemeral_1h_input_tokens":99000}', 0.057),
        (b'"cache_creation_input_tokens":9000,"cache_creation":"odd"', 0.03675),
    ],
)
def test_writes_to_a_cache_cost_by_how_long_it_keeps_them(usage: bytes, usd: float) -> None:
    answer = b'{"usage":{"input_tokens":1000,"output_tokens":0,%b}}' % usage
    assert settled_usd("/v1/messages", answer, CLAUDE) == pytest.approx(usd)


@pytest.mark.parametrize(
    "details",
    [
        b'"cache_write_tokens":9000,"cache_write_1h_tokens":9000',
        b'"cache_creation_tokens":9000,"cache_creation_token_details":{"ephemeral_1h_input_tokens":9000}',  # LiteLLM
        b'"cache_write_tokens":9000,"cache_creation":{"ephemeral_1h_input_tokens":9000}',
    ],
)
def test_proxies_tell_them_in_the_details(details: bytes) -> None:
    answer = b'{"usage":{"prompt_tokens":10000,"completion_tokens":0,"prompt_tokens_details":{%b}}}' % details
    assert settled_usd("/v1/chat/completions", answer, CLAUDE) == pytest.approx(0.057)


def test_a_service_tier_that_is_no_word_costs_as_the_default() -> None:
    for tier in (b"{}", b"[1]", b"7", b"null", b'"turbo"'):
        answer = b'{"service_tier":%b,"usage":{"prompt_tokens":1000000,"completion_tokens":1000000}}' % tier
        assert settled_usd("/v1/chat/completions", answer, GPT_5) == pytest.approx(11.25)


GPT_5 = find_prices("openai", "gpt-5")


@pytest.mark.parametrize(
    ("tier", "usd"), [("default", 11.25), ("flex", 5.625), ("priority", 22.5), ("scale", 11.25), (None, 11.25)]
)
def test_a_service_tier_has_its_price(tier: str | None, usd: float) -> None:
    """1.25 and 10 dollars a million; half of it at flex, twice at priority: https://openai.com/api/pricing/"""
    named = b'"service_tier":"%b",' % tier.encode() if tier else b""
    chat = b'{%b"usage":{"prompt_tokens":1000000,"completion_tokens":1000000}}' % named
    assert settled_usd("/v1/chat/completions", chat, GPT_5) == pytest.approx(usd)
    response = b'{%b"usage":{"input_tokens":1000000,"output_tokens":1000000}}' % named
    assert settled_usd("/v1/responses", response, GPT_5) == pytest.approx(usd)
    assert GPT_5 is not None and find_ceiling(GPT_5) == (2.5, 20.0)  # what a budget reserves


def stream_usd(endpoint: str, events: list[bytes], prices: Any) -> float | None:
    exchange = Exchange("req_1", endpoint, {}, b"{}", 0.0, 0.0)
    exchange.attempts.append(Attempt("m", 200, None, 0.0, 0.1))
    scanner = dialects.find_dialect(endpoint).scanner()
    for event in events:
        scanner.inspect(event)
    exchange.model, exchange.usage, exchange.events = "m", scanner.usage, 1
    return build_settled(exchange, "ok", 200, {"m": ModelEntry("m", cast(Any, None), "m", prices)}).usd


def test_streams_tell_tiers_and_writes_too() -> None:
    chunks = [
        b'data: {"id":"c","service_tier":"flex","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
        b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1000000,"completion_tokens":1000000}}\n\n',
    ]
    assert stream_usd("/v1/chat/completions", chunks, GPT_5) == pytest.approx(5.625)
    usage = b'"input_tokens":1000,"cache_creation":{"ephemeral_1h_input_tokens":9000},"output_tokens":1'
    events = [
        b'data: {"type":"message_start","message":{"id":"m","usage":{%b}}}\n\n' % usage,
        b'data: {"type":"message_delta","delta":{},"usage":{"output_tokens":0}}\n\n',
    ]
    assert stream_usd("/v1/messages", events, CLAUDE) == pytest.approx(0.057, abs=1e-4)
    ended = b'{"service_tier":"priority","usage":{"input_tokens":1000000,"output_tokens":1000000}}'
    response = [b'data: {"type":"response.completed","response":%b}\n\n' % ended]
    assert stream_usd("/v1/responses", response, GPT_5) == pytest.approx(22.5)


def failing(usage: dict[str, int]) -> Any:
    """A whole answer that is none, and is billed all the same."""
    return lambda body: (200, {"choices": [{"error": {"message": "broke", "code": 502}}], "usage": usage})


def test_a_fallback_is_billed_once_and_what_the_failed_try_cost_is_known() -> None:
    routed = Route(name="r", targets=(Target("a", 1.0),), fallback=("b",))
    told = {"prompt_tokens": 1000, "completion_tokens": 200}
    good = whole(usage={"prompt_tokens": 10, "completion_tokens": 2})
    gate = Gate({"a": failing(told), "b": lambda body: (200, good)}, routed)
    assert gate.ask({"model": "r", "messages": [{"role": "user", "content": "hi"}]})[0] == 200
    prices = Prices(input=1.0, output=10.0)
    models = {name: ModelEntry(name, cast(Any, None), name, prices) for name in "ab"}
    row = build_settled(gate.exchange, "ok", 200, models)
    assert (row.input_tokens, row.output_tokens) == (10, 2) and row.usd == pytest.approx(30e-6)
    failed, last = row.attempts
    assert (failed.model, failed.input_tokens, failed.output_tokens) == ("a", 1000, 200)
    assert failed.usd == pytest.approx(3e-3) and (last.model, last.usd, last.input_tokens) == ("b", None, 0)


def test_a_try_that_told_no_usage_cost_nothing_that_is_known() -> None:
    routed = Route(name="r", targets=(Target("a", 1.0),), fallback=("b",))
    gate = Gate({"a": lambda body: (503, b"down"), "b": lambda body: (200, whole())}, routed)
    assert gate.ask({"model": "r", "messages": [{"role": "user", "content": "hi"}]})[0] == 200
    assert [attempt.input_tokens for attempt in gate.exchange.attempts] == [0, 0]


@pytest.mark.parametrize(
    ("usage", "counts"),
    [  # one half is missing, or zero beside a total that says otherwise (thoughts only: Gemini)
        ({"prompt_tokens": 10, "total_tokens": 15}, (10, 5)),
        ({"completion_tokens": 5, "total_tokens": 15}, (10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 210}, (10, 200)),
        ({"prompt_tokens": 0, "completion_tokens": 5, "total_tokens": 15}, (10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, (10, 5)),
    ],
)
def test_m04_a_total_tells_the_half_that_is_missing(usage: dict[str, int], counts: tuple[int, int]) -> None:
    exchange = Exchange("req_1", "/v1/chat/completions", {}, b"{}", 0.0, 0.0)
    exchange.usage, exchange.events = TokenUsage(**usage), 1
    measured = measure_usage(exchange, True)
    assert (measured.counts.input, measured.counts.output, measured.estimated) == (*counts, False)
