"""Intervals from sources that were left out, by hand."""

import math

import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.measurements import Measurement
from steward.capacity.memory import Deployment
from steward.capacity.predict import Load
from steward.capacity.sizing import build_deployment
from steward.capacity.uncertainty import (
    Distance,
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


def test_a_distance_by_hand() -> None:
    """Four times the prompt is one unit, eight times the clients another: the root of two together."""
    row = next(row for row in list_shipped_measurements() if row.load.kind == "closed")
    load = Load(
        kind="closed", concurrency=row.load.concurrency * 8, input_tokens=row.load.input_tokens * 4,
        output_tokens=row.load.output_tokens,
    )  # fmt: skip
    assert measure_distance(row.deployment, load, [row]).value == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize(
    ("model", "gpu", "count", "precision", "value"),
    [  # llama-3.1-8b in bf16 on one H100 is measured: another format is 1 away, experts another, two GPUs 1/2
        ("llama-3.1-8b", "h100", 1, "bf16", 0.0), ("llama-3.1-8b", "h100", 1, "fp8", 1.0),
        ("llama-3.1-8b", "h100", 2, "bf16", 0.5), ("llama-3.1-8b", "h100", 4, "bf16", 1.0),
        ("llama-3.1-8b", "h200", 1, "bf16", math.log2(4.8 / 3.35)),
        ("llama-3.1-8b", "a100", 1, "bf16", math.hypot(math.log2(3.35 / 2.039), math.log2(989 / 312) / 2)),
    ],
)  # fmt: skip
def test_what_counts_as_far(model: str, gpu: str, count: int, precision: str, value: float) -> None:
    measured = Measurement(id="1", group="g", deployment=deployed(), load=LOAD, measured={})
    asked = build_deployment(
        find_model(model).model, find_accelerator(gpu), find_precision(precision), ENGINES["vllm"], count
    )
    found = measure_distance(asked, LOAD, [measured])
    assert found.value == pytest.approx(value) and found.nearest == "Llama-3.1-8B on 1 x H100-SXM-80GB, vllm"
    assert found.is_extrapolation == (value > 1.0)


def test_answers_three_times_as_long_in_doublings_are_one_unit() -> None:
    measured = Measurement(id="1", group="g", deployment=deployed(), load=LOAD, measured={})
    longer = Load(kind="closed", concurrency=16, input_tokens=1024, output_tokens=1024)
    assert measure_distance(deployed(), longer, [measured]).value == pytest.approx(1.0)


@pytest.mark.parametrize(("value", "widening"), [(0.0, 1.0), (1.0, 1.0), (2.0, 1.25), (5.0, 2.0), (99.0, 3.0)])
def test_widths_grow_by_a_quarter_for_each_unit_beyond_one(value: float, widening: float) -> None:
    assert Distance(value, "").widening == pytest.approx(widening)


def test_eighty_percent_leave_a_tenth_on_each_side() -> None:
    """Ten rows of one source, ten of another: the second lowest and the second highest of twenty are the ends."""
    values = [-1.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.0]
    assert measure_coverage(errors(a=values, b=values), 0.8, 1.0) == pytest.approx(0.8)
    low, high = choose_ratios(errors(a=values, b=values))["tpot_ms"]
    assert (low, high) == (pytest.approx(math.exp(-0.5)), pytest.approx(math.exp(0.5)))
