"""Right values by hand calculation from the providers' price pages."""

import pytest

from steward.gateway.pricing.prices import (
    Counts,
    ImagePrice,
    Prices,
    Tier,
    find_ceiling,
    has_unit_price,
    price_at_most,
    price_image,
    price_request,
    select_tier,
)

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


UNITS = Prices(
    input=1.0,
    output=2.0,
    per_image_usd=0.02,
    image_prices=(
        ImagePrice(size="1024x1024", usd=0.04),
        ImagePrice(size="1024x1024", quality="hd", usd=0.08),
        ImagePrice(quality="low", usd=0.01),
    ),
    per_audio_second_usd=0.0001,
    per_million_characters_usd=15.0,
    per_search_usd=0.002,
)


@pytest.mark.parametrize(
    ("counts", "usd"),
    [
        (Counts(audio_seconds=90.0), 0.009),
        (Counts(characters=2_000), 0.03),
        (Counts(searches=3), 0.006),
        (Counts(images=2, image_size="1024x1024", image_quality="hd"), 0.16),
        (Counts(images=1, image_size="1024x1024", image_quality="standard"), 0.04),
        (Counts(images=1, image_size="512x512", image_quality="low"), 0.01),
        (Counts(images=1, image_size="512x512"), 0.02),
        (Counts(images=1, image_size="1024x1024", image_quality="low"), 0.04),  # the size says more
        (Counts(input=1_000_000, searches=1), 1.002),  # tokens that were told are paid too
    ],
)
def test_units_have_prices(counts: Counts, usd: float) -> None:
    assert price_request(counts, UNITS) == pytest.approx(usd)


def test_a_picture_of_an_unknown_kind_costs_the_dearest_that_may_be_meant() -> None:
    prices = Prices(
        input=0,
        output=0,
        image_prices=(ImagePrice(size="a", quality="x", usd=1.0), ImagePrice(size="b", quality="y", usd=3.0)),
    )
    assert price_image("auto", "", prices) == 3.0
    assert price_image("a", "", prices) == 1.0
    assert price_image("a", "", Prices(input=0, output=0)) is None


@pytest.mark.parametrize(
    "counts", [Counts(images=1), Counts(audio_seconds=1), Counts(characters=1), Counts(searches=1)]
)
def test_which_units_have_a_price(counts: Counts) -> None:
    assert has_unit_price(UNITS, counts) and not has_unit_price(Prices(input=1, output=1), counts)
    assert not has_unit_price(UNITS, Counts(input=5))


def test_a_request_never_costs_more_than_its_most() -> None:
    prices = Prices(input=1.0, output=2.0, audio_input=40.0, per_request_usd=0.5, per_search_usd=0.25)
    counts = Counts(input=1_000_000, audio_input=1_000_000, output=1_000_000, searches=2)
    assert price_at_most(counts, prices) == pytest.approx(40 + 2 + 0.5 + 0.5)
    assert price_request(counts, prices) <= price_at_most(counts, prices)


def test_pictures_that_are_looked_at_have_their_price() -> None:
    prices = Prices(input=5.0, output=40.0, image_input=10.0)
    counts = Counts(input=1_000_000, image_input=900_000)  # 0.1 × 5 + 0.9 × 10
    assert price_request(counts, prices) == pytest.approx(9.5)
    assert find_ceiling(prices) == (10.0, 40.0)


def test_what_a_cache_keeps_for_an_hour_has_its_own_price() -> None:
    """Anthropic's: 1.25 times the input for five minutes, twice for an hour: 60 x 3.75 + 40 x 6 = 465 microdollars."""
    prices = Prices(input=3.0, output=15.0, cache_write=3.75, cache_write_1h=6.0)
    assert price_request(Counts(input=100, cache_write=100, cache_write_1h=40), prices) == pytest.approx(0.000465)
    assert price_request(Counts(input=100, cache_write=100, cache_write_1h=400), prices) == pytest.approx(0.0006)
    short = Prices(input=3.0, output=15.0, cache_write=3.75)
    assert price_request(Counts(input=100, cache_write=100, cache_write_1h=40), short) == pytest.approx(0.000375)
