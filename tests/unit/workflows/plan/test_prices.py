"""The shipped prices, and a user's above them."""

import re
from pathlib import Path

import pytest

from steward.capacity.catalog import find_accelerator
from steward.capacity.sizing import Requirements
from steward.core.errors import InputError
from steward.workflows.plan.deployment import DeploymentSpec
from steward.workflows.plan.make import make_plan
from steward.workflows.plan.prices import collect_prices, read_prices, read_public_prices

WANTED = Requirements(rate=5, input_tokens=1024, output_tokens=256, ttft_p95_ms=800, tpot_p95_ms=50)


@pytest.mark.parametrize("price", read_public_prices(), ids=lambda price: price.gpu)
def test_p08_a_public_price_names_its_accelerator_date_and_source(price: object) -> None:
    gpu, as_of = getattr(price, "gpu", ""), getattr(price, "as_of", "")
    assert find_accelerator(gpu).name == gpu and re.fullmatch(r"20\d\d-\d\d", as_of)
    assert 0.05 < getattr(price, "usd_per_hour", 0) < 20 and getattr(price, "source", "")


def test_p08_without_prices_the_smallest_that_holds_comes_first() -> None:
    """An 8-billion model at 5 requests a second needs no GB200: one accelerator at under $2 an hour does."""
    plan = make_plan(DeploymentSpec(model="llama-3.1-8b"), WANTED, None, None)
    assert plan.chosen is not None and plan.chosen.gpus == 1
    assert plan.chosen.usd_per_hour is not None and plan.chosen.usd_per_hour < 2
    rates = [option.max_rate for option in (plan.chosen, *plan.alternatives)]
    assert len({round(rate, 2) for rate in rates}) == len(rates)
    assert any(item.what == "price" and "yours: --prices FILE" in item.value for item in plan.assumptions)


def test_p08_the_users_prices_stand_above_the_public_ones(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("h100-sxm: 0.01\n")
    prices = collect_prices(path, {})
    assert prices["H100-SXM-80GB"] == 0.01 and prices["L4"] == collect_prices(None, {})["L4"]
    plan = make_plan(DeploymentSpec(model="llama-3.1-8b"), WANTED, path, None)
    assert plan.chosen is not None and plan.chosen.gpu == "H100-SXM-80GB"
    assert any(item.what == "price" and item.source == str(path) for item in plan.assumptions)


@pytest.mark.parametrize(
    ("text", "said"),
    [("h100: free\n", "prices.yaml:1: h100: 'free'"), ("h100: -1\n", "0 or more"), ("h1000: 2\n", "unknown GPU")],
)
def test_a_price_that_is_none_is_an_input_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        read_prices(path, {})


def test_what_one_owns_may_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("h100-sxm: 0\nl4: 0.5\n")
    assert read_prices(path, {}) == {"H100-SXM-80GB": 0.0, "L4": 0.5}


@pytest.mark.parametrize(
    ("text", "line"), [("l4: 0.5\nh100: true\n", 2), ("h100: .nan\n", 1), ("h100: '2'\n", 1), ("h100: null\n", 1)]
)
def test_a_price_is_a_number_and_its_line_is_named(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"prices\.yaml:{line}: h100: .*expected dollars an hour, 0 or more"):
        read_prices(path, {})
