"""Latency and cost: by hand, and what was not measured."""

from __future__ import annotations

from typing import Any

import pytest

from steward.core.errors import InputError
from steward.evaluation.metrics import higher_is_better, make_metric
from steward.evaluation.score import Prediction, score_predictions

PRICES = {"input": "0.5", "output": "2"}


def test_means_by_hand() -> None:
    """1.5 s is the mean of 1 and 2; (1000 * 0.5 + 100 * 2) and 0 millionths have the mean 350 millionths."""
    given = [Prediction("1", 1), Prediction("2", 2.0), Prediction("3", None)]
    found = score_predictions("latency", given, {"1": [], "2": [], "3": []})
    assert (found.score.value, found.score.n, found.score.unscored) == (1.5, 2, 1)
    counts = [{"input_tokens": 1000, "output_tokens": 100}, {"input_tokens": 0, "output_tokens": 0}]
    given = [Prediction(str(n), row) for n, row in enumerate(counts)]
    assert score_predictions("cost", given, {"0": [], "1": []}, PRICES).score.value == pytest.approx(350e-6, rel=1e-9)
    found = score_predictions(
        "in_time", [Prediction("1", 1), Prediction("2", 2.0)], {"1": [], "2": []}, {"seconds": "1"}
    )
    assert found.score.value == 0.5 and "clopper-pearson" in found.score.signature
    assert not higher_is_better("latency") and not higher_is_better("cost") and higher_is_better("in_time")


@pytest.mark.parametrize("seen", [{"input_tokens": 3}, {"input_tokens": None, "output_tokens": 2}, {}])
def test_uncounted_tokens_cost_nothing_known(seen: dict[str, Any]) -> None:
    assert make_metric("cost", PRICES).screen(seen, []) == "the server reported no token counts"


@pytest.mark.parametrize(
    ("name", "options", "seen", "said"),
    [
        ("latency", {}, -1, "expected seconds, 0 or more"),
        ("latency", {}, "fast", "expected seconds"),
        ("cost", PRICES, {"input_tokens": -3, "output_tokens": 1}, "a count of tokens"),
        ("cost", {}, {}, "expected prices"),
        ("cost", {"input": "-1", "output": "2"}, {}, "expected prices"),
        ("in_time", {"seconds": "0"}, 1, "expected a number above 0"),
    ],
)
def test_bad_input_is_named(name: str, options: dict[str, str], seen: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_metric(name, options).screen(seen, [])
