"""Right values by hand calculation from the providers' price pages."""

import pytest

from steward.gateway.pricing.prices import Counts, Prices, Tier, find_ceiling, price_request, select_tier

PLAIN = Prices(input=2.5, output=10.0, cached_input=1.25)
LONG = Prices(
    input=1.25,
    output=10.0,
    cached_input=0.125,
    tiers=(
        Tier(above_tokens=100_000, input=2.0, output=12.0),
        Tier(above_tokens=200_000, input=2.5, output=15.0, cached_input=0.25, cache_write=3.0),
    ),
)


@pytest.mark.parametrize(
    ("counts", "usd"),
    [
        (Counts(input=1_000_000, output=1_000_000), 12.5),
        (Counts(input=100_000, cached_input=99_000), 0.12625),  # 1,000 × 2.5 + 99,000 × 1.25
        (Counts(input=10, cache_write=10), 0.000025),  # no price of its own: as input
        (Counts(output=100, reasoning=60), 0.001),
        (Counts(input=10, audio_input=10), 0.000025),
        (Counts(output=10, audio_output=10), 0.0001),
        (Counts(input=5, cached_input=9), 0.00001125),  # an upstream that counts wrongly costs nothing extra
    ],
)
def test_each_kind_of_token_has_its_price(counts: Counts, usd: float) -> None:
    assert price_request(counts, PLAIN) == pytest.approx(usd, abs=1e-12)


def test_kinds_with_prices_of_their_own() -> None:
    prices = Prices(
        input=1.0,
        output=2.0,
        cache_write=1.25,
        reasoning=3.0,
        audio_input=40.0,
        audio_output=80.0,
        per_request_usd=0.01,
    )
    counts = Counts(
        input=100, cache_write=20, audio_input=30, output=50, reasoning=10, audio_output=5
    )  # 50 × 1 + 20 × 1.25 + 30 × 40 + 35 × 2 + 10 × 3 + 5 × 80 = 1,775
    assert price_request(counts, prices) == pytest.approx(0.001775 + 0.01)


def test_pictures_are_priced_each() -> None:
    assert price_request(Counts(images=3), Prices(input=0, output=0, per_image_usd=0.04)) == pytest.approx(0.12)


def test_a_batch_costs_its_share() -> None:
    assert price_request(Counts(input=1_000_000), PLAIN, batch=True) == pytest.approx(1.25)
    assert price_request(Counts(input=1_000_000), Prices(input=1, output=1, batch_factor=0.3), batch=True) == 0.3


@pytest.mark.parametrize(
    ("tokens", "input_price", "cached", "write"),
    [
        (100_000, 1.25, 0.125, None),
        (100_001, 2.0, 0.125, 2.0),  # a kind without a price in the tier keeps the model's, else costs the tier's input
        (200_000, 2.0, 0.125, 2.0),
        (200_001, 2.5, 0.25, 3.0),
    ],
)
def test_a_long_request_is_priced_by_its_tier(
    tokens: int, input_price: float, cached: float, write: float | None
) -> None:
    tier = select_tier(LONG, tokens)
    assert (tier.input, tier.cached_input, tier.cache_write) == (input_price, cached, write)


def test_a_tier_prices_the_whole_request() -> None:
    # Gemini 2.5 Pro, 300,000 in and 1,000 out: 300,000 × 2.5 + 1,000 × 15 per million
    assert price_request(Counts(input=300_000, output=1_000), LONG) == pytest.approx(0.765)


def test_a_budget_reserves_the_most_that_a_token_can_cost() -> None:
    assert find_ceiling(PLAIN) == (2.5, 10.0)
    assert find_ceiling(LONG) == (3.0, 15.0)
    assert find_ceiling(Prices(input=1, output=2, audio_input=40, audio_output=80)) == (40, 80)
    assert find_ceiling(Prices(input=1, output=2, reasoning=5)) == (1, 5)
