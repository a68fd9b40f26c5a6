"""Intervals from sources that were left out, by hand."""

import math

import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import Deployment
from steward.capacity.predict import Load
from steward.capacity.sizing import build_deployment
from steward.capacity.uncertainty import (
    UnseenError,
    choose_ratios,
    estimate_ratios,
    list_shipped_measurements,
    load_shipped_ratios,
    measure_coverage,
    measure_distance,
)

LOAD = Load(kind="closed", concurrency=16, input_tokens=1024, output_tokens=128)


def deployed(model: str = "llama-3.1-8b", gpu: str = "h100") -> Deployment:
    return build_deployment(find_model(model).model, find_accelerator(gpu), find_precision("bf16"), ENGINES["vllm"])


def errors(**sources: list[float]) -> list[UnseenError]:
    return [UnseenError(name, "tpot_ms", value) for name, values in sources.items() for value in values]


def test_p06_coverage_is_of_a_source_by_the_others() -> None:
    """Where each source has its own bias, intervals of the others miss it: pooled rows would not show that."""
    biased = errors(a=[0.5] * 9, b=[-0.5] * 9, c=[0.0] * 9)
    assert measure_coverage(biased, 0.8, 1.0) == pytest.approx(1 / 3)  # a and b lie outside; c within [-0.5, 0.5]
    same = errors(a=[-0.2, 0.0, 0.2], b=[-0.2, 0.0, 0.2])
    assert measure_coverage(same, 0.8, 1.0) == 1.0


def test_p06_widths_grow_until_left_out_sources_are_held() -> None:
    apart = errors(a=[0.3] * 5, b=[0.2] * 5, c=[-0.1] * 5, d=[0.1] * 5)
    low, high = choose_ratios(apart)["tpot_ms"]
    assert math.log(low) <= -0.1 and math.log(high) >= 0.3  # at least what was seen


def test_a_source_weighs_as_its_rows_up_to_thirty() -> None:
    """Thirty rows at 0.6 are half of the weight, beside a thousand at 0: the upper tenth is theirs."""
    low, high = choose_ratios(errors(many=[0.0] * 1000, few=[0.6] * 30))["tpot_ms"]
    assert high >= math.exp(0.6) and low < 1
    biased = errors(many=[0.0] * 1000, two=[0.6] * 2)
    assert measure_coverage(biased, 0.8, 1.0) == pytest.approx(0.0 + 30 / 32)  # the two miss what 0 gives


def test_p06_an_interval_widens_with_the_distance_from_what_was_measured() -> None:
    row = next(row for row in list_shipped_measurements() if row.deployment.engine.name == "vllm")
    near = measure_distance(row.deployment, row.load)
    far = measure_distance(deployed("smollm2-135m", "t4"), Load(
        kind="closed", concurrency=1, input_tokens=100_000, output_tokens=4))  # fmt: skip
    assert not near.is_extrapolation and near.widening == 1.0
    assert far.is_extrapolation and far.value > 3 and 1.5 < far.widening <= 3.0
    narrow, wide = estimate_ratios(row.deployment, row.load), estimate_ratios(deployed("smollm2-135m", "t4"), LOAD)
    assert narrow is not None and wide is not None
    assert narrow == load_shipped_ratios() and wide["tpot_ms"][0] < narrow["tpot_ms"][0]


def test_a_measured_deployment_is_no_distance_away() -> None:
    row = list_shipped_measurements()[0]
    assert measure_distance(row.deployment, row.load).value == 0.0


@pytest.mark.parametrize("gpu", ["mi300x", "gaudi3", "tpu-v5e"])
def test_p06_where_nothing_was_measured_coverage_cannot_be_told(gpu: str) -> None:
    assert estimate_ratios(deployed(gpu=gpu), LOAD) is None


def test_p06_at_least_six_sources_measured() -> None:
    assert len({row.source for row in list_shipped_measurements()}) >= 6
