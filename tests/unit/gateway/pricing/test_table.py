import re

import pytest

from steward.gateway.pricing.prices import price_image
from steward.gateway.pricing.table import PROVIDERS, _rows, find_prices, find_provider


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://team-a.openai.azure.com/openai", "azure"),
        ("https://api.anthropic.com", "anthropic"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://API.MISTRAL.AI/v1", "mistral"),
        ("http://127.0.0.1:8000/v1", None),
        ("https://api.openai.com.evil.example/v1", None),
        ("https://notapi.openai.com/v1", None),
    ],
)
def test_a_provider_is_known_by_its_host(url: str, provider: str | None) -> None:
    assert find_provider(url) == provider


def test_list_prices_as_the_providers_publish_them() -> None:
    """GPT-4o: USD 2.50, 1.25 cached, 10.00; Claude Sonnet 4.5: 3, 0.30 read, 3.75 written, 15; both half in batches."""
    gpt, claude = find_prices("openai", "gpt-4o"), find_prices("anthropic", "claude-sonnet-4-5")
    assert gpt is not None and (gpt.input, gpt.cached_input, gpt.output, gpt.batch_factor) == (2.5, 1.25, 10.0, 0.5)
    assert claude is not None
    assert (claude.input, claude.cached_input, claude.cache_write, claude.output) == (3.0, 0.3, 3.75, 15.0)


def test_long_requests_have_their_tier() -> None:
    gemini = find_prices("gemini", "gemini-2.5-pro")
    assert gemini is not None and [tier.above_tokens for tier in gemini.tiers] == [200_000]
    assert (gemini.tiers[0].input, gemini.tiers[0].output) == (2.5, 15.0)


def test_a_model_without_a_batch_price_is_not_half_price() -> None:
    deepseek = find_prices("deepseek", "deepseek-chat")
    assert deepseek is not None and deepseek.tiers == ()
    assert (deepseek.batch_factor, deepseek.flex_factor, deepseek.priority_factor) == (1.0, 1.0, 1.0)


def test_an_unknown_model_has_no_price() -> None:
    assert find_prices("openai", "no-such-model") is None
    assert find_prices("openai", "models/gpt-4o") == find_prices("openai", "gpt-4o")


def test_every_row_has_a_source_and_a_day_and_no_absurd_price() -> None:
    rows = _rows()
    assert len(rows) > 1_000 and {provider for provider, _ in rows} <= set(PROVIDERS.values())
    for prices in rows.values():
        assert prices.source and re.fullmatch(r"20\d\d-\d\d-\d\d", prices.as_of)
        assert 0 <= prices.input <= 1_000 and 0 <= prices.output <= 2_000
        assert prices.cached_input is None or 0 <= prices.cached_input <= prices.input


def test_units_as_the_providers_publish_them() -> None:
    """Whisper: USD 0.006 a minute; TTS: 15 for a million characters; Rerank 3.5: 2 for a thousand searches."""
    whisper, speech, rerank = (
        find_prices(*name) for name in (("openai", "whisper-1"), ("openai", "tts-1"), ("cohere", "rerank-v3.5"))
    )
    assert whisper is not None and (whisper.per_audio_second_usd, whisper.input) == (0.0001, 0.0)
    assert speech is not None and speech.per_million_characters_usd == 15.0
    assert rerank is not None and rerank.per_search_usd == 0.002


def test_pictures_are_priced_by_size_and_quality_or_by_tokens() -> None:
    """DALL-E 3 at Azure: USD 0.044 and, at high definition, 0.088; GPT Image 1: 5 and 10 in, 40 out."""
    dalle, gpt = find_prices("azure", "dall-e-3"), find_prices("openai", "gpt-image-1")
    assert dalle is not None and price_image("1024x1024", "hd", dalle) == 0.088
    assert price_image("1024x1024", "standard", dalle) == 0.044
    assert gpt is not None and (gpt.input, gpt.image_input, gpt.output, gpt.image_prices) == (5.0, 10.0, 40.0, ())


@pytest.mark.parametrize(("model", "flex", "priority"), [("gpt-4o", 1.0, 1.7), ("gpt-5", 0.5, 2.0), ("o3", 0.5, 1.75)])
def test_service_tiers_cost_what_openai_says(model: str, flex: float, priority: float) -> None:
    """OpenAI's page of prices: priority of GPT-4o is 4.25 instead of 2.50, flex of GPT-5 0.625 instead of 1.25."""
    prices = find_prices("openai", model)
    assert prices is not None and (prices.flex_factor, prices.priority_factor) == (flex, priority)
