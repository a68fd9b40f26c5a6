"""Tokens, money and time of a run, by hand."""

from __future__ import annotations

import pytest

from steward.core.errors import InputError
from steward.evaluation.run import ItemAnswer
from steward.evaluation.spend import RunEstimate, TokenPrices, estimate_run, find_prices, format_usd, measure_spend
from steward.evaluation.suite import MetricSpec, PromptMessage, Suite, SuiteItem, SuiteSpec


def test_e16_failures_and_uncounted_answers_cost_nothing() -> None:
    answers = [
        ItemAnswer(id="1", prediction="a", input_tokens=10, output_tokens=4, at=20.0),
        ItemAnswer(id="2", prediction="b", input_tokens=5, output_tokens=None, at=10.0),
        ItemAnswer(id="3", error="HTTP 500", input_tokens=9, output_tokens=9, at=1.0),
        ItemAnswer(id="4", prediction="c", input_tokens=1, output_tokens=2, cached=True),
    ]
    found = measure_spend(answers)
    assert (found.input_tokens, found.output_tokens, found.counted, found.answered, found.cached) == (11, 6, 2, 3, 1)
    assert (found.first_at, found.last_at) == (10.0, 20.0)
    assert measure_spend([]).first_at is None


def test_e16_prices_are_those_of_the_metric_cost() -> None:
    assert find_prices([MetricSpec("exact_match")]) is None
    assert find_prices([MetricSpec("cost", {"input": 1, "output": "2.5"})]) == TokenPrices(1.0, 2.5)
    with pytest.raises(InputError, match="expected a number"):
        find_prices([MetricSpec("cost", {"input": "cheap"})])


def suite(parameters: dict[str, object]) -> Suite:
    spec = SuiteSpec(name="s", data="d", metrics=("exact_match",), prompt="{q}", parameters=parameters)
    message = PromptMessage("user", "x" * 400)  # 100 tokens, and 4 around them
    return Suite(spec, tuple(SuiteItem(str(n), (message,), (), {}, str(n)) for n in range(10)), "", "")


def test_dry_run_estimates_tokens_money_and_time() -> None:
    """10 items of 104 tokens in and at most 50 out, at 1 and 10 USD a million; 20 requests of 3 s, 4 at a time."""
    found = estimate_run(suite({"max_tokens": 50}), TokenPrices(1.0, 10.0), 3.0, 4, graded=1)
    assert found == RunEstimate(
        items=10, requests=20, input_tokens=1040, output_tokens=500, output_is_limit=True,
        cost_usd=pytest.approx(0.00604), seconds=15.0,
    )  # fmt: skip
    found = estimate_run(suite({}), None, None, 16)
    assert (found.output_tokens, found.output_is_limit, found.cost_usd, found.seconds) == (2560, False, None, None)
    assert estimate_run(suite({"max_completion_tokens": 7}), None, None, 1).output_tokens == 70


@pytest.mark.parametrize(
    ("usd", "shown"), [(0.1, "$0.10"), (0.0999, "$0.0999"), (0.00001234, "$1.2e-05"), (1234.5, "$1,234.50")]
)
def test_money_has_sensible_digits(usd: float, shown: str) -> None:
    assert format_usd(usd) == shown
