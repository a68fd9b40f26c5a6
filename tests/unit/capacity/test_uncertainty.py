"""Intervals from sources that were left out, by hand."""

import math

import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.measurements import Measurement
from steward.capacity.memory import Deployment
from steward.capacity.predict import Load, predict
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import Terms
from steward.capacity.uncertainty import (
    Distance,
    UnseenError,
    _weighted_quantiles,
    choose_factor,
    choose_ratios,
    estimate_coverage,
    estimate_ratios,
    list_shipped_measurements,
    list_source_coverages,
    list_unseen_errors,
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


def test_p06_the_factor_of_a_left_out_source_is_chosen_without_it() -> None:
    """By hand: 1.5 lies outside what b, c and d give. a, b and d hold 35 of 40 of each other with factor 1, so that
    their lower end stays at -LEAST and c lies outside."""
    apart = errors(a=[1.5] * 5, b=[0.2] * 5, c=[-0.09] * 5, d=[0.1] * 40)
    assert [(one.source, one.held, one.rows) for one in list_source_coverages(apart, 0.8)] == [
        ("a", 0.0, 5), ("b", 1.0, 5), ("c", 0.0, 5), ("d", 1.0, 40)
    ]  # fmt: skip
    assert estimate_coverage(apart, 0.8) == pytest.approx(35 / 45)  # d weighs as thirty rows
    assert estimate_coverage(errors(a=[0.1], b=[0.1]), 0.8) is None  # nobody to choose the factor on


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


def distance(one: Measurement, deployment: Deployment, load: Load) -> float:
    return measure_distance(deployment, load, [one]).value


def measured(model: str = "llama-3.1-8b", load: Load = LOAD, source: str = "", value: float = 0.0) -> Measurement:
    return Measurement(
        id="1",
        group=source,
        source=source,
        deployment=deployed(model),
        load=load,
        measured={"output_tok_s": value} if value else {},
    )


def test_a_model_of_another_size_is_as_far_as_its_parameters_and_those_that_a_token_takes() -> None:
    """Half a doubling each."""
    small, large = find_model("qwen3-30b-a3b").model, find_model("gpt-oss-120b").model
    active, whole = math.log2(large.active_params / small.active_params), math.log2(large.params / small.params)
    assert distance(measured("qwen3-30b-a3b"), deployed("gpt-oss-120b"), LOAD) == pytest.approx(
        math.hypot(active / 2, whole / 2)
    )


@pytest.mark.parametrize(
    ("load", "batch"),
    [
        (Load(kind="open", rate=0.5, input_tokens=1024, output_tokens=128), 1),
        (Load(kind="open", rate=8.0, input_tokens=1024, output_tokens=128), 8),
        (Load(kind="open", rate=math.inf, input_tokens=1024, output_tokens=128), 256),
        (Load(kind="offline", requests=64, input_tokens=1024, output_tokens=128), 64),
    ],
)
def test_a_load_counts_as_so_many_clients(load: Load, batch: int) -> None:
    closed = Load(kind="closed", concurrency=batch, input_tokens=1024, output_tokens=128)
    assert distance(measured(load=closed), deployed(), load) == 0.0


def test_factors_go_up_in_twentieths_to_five() -> None:
    apart = errors(a=[-0.1] * 5 + [0.1] * 5, b=[-0.15] * 5 + [0.15] * 5)
    assert choose_factor(apart, 0.8) == 1.5  # where the narrower source's interval holds the wider one
    assert choose_factor(errors(a=[0.1] * 9, b=[9.0] * 9), 0.8) == 5.0
    assert choose_factor(errors(a=[-0.1, 0.1] * 5, b=[-0.1, 0.1] * 5), 0.8) == 1.0
    low, high = choose_ratios(apart)["tpot_ms"]
    assert (math.log(low), math.log(high)) == pytest.approx((-0.15 * 1.5, 0.15 * 1.5))


def test_a_row_of_few_counts_as_one_of_many() -> None:
    """Three rows beside sixty that weigh thirty are a eleventh: less than the tenth that is left out below."""
    low, _ = choose_ratios(errors(few=[-0.6] * 3, many=[0.0] * 60))["tpot_ms"]
    assert measure_coverage(errors(few=[-0.6] * 3, many=[0.0] * 60), 0.8, 1.0) == pytest.approx(30 / 33)
    assert math.log(low) == pytest.approx(-0.02)  # the least width


def test_errors_of_a_source_are_those_of_a_fit_that_saw_the_others() -> None:
    """Sources a and b measured what is predicted, c half of it: its error is ln 2. What is far from the other sources
    counts less, by the widening of its distance."""
    true = predict(deployed(), LOAD, Terms()).output_tok_s
    rows = [measured(source="a", value=true), measured(source="b", value=true), measured(source="c", value=true / 2)]
    found = {item.source: item.error for item in list_unseen_errors(rows)}
    assert found["c"] == pytest.approx(math.log(2), abs=0.01) and abs(found["a"]) < 0.4
    long = Load(kind="closed", concurrency=16, input_tokens=1024 * 64, output_tokens=128)
    far = measured(source="d", load=long, value=predict(deployed(), long, Terms()).output_tok_s / 2)
    near = next(item for item in list_unseen_errors([*rows[:2], far]) if item.source == "d")
    assert near.error == pytest.approx(math.log(2) / 1.5, abs=0.01)  # three units away, two beyond one


def test_four_fifths_leave_out_a_tenth_on_each_side() -> None:
    """A hundred errors from -0.50 to 0.49 of one source: ten are below -0.40, and ten above 0.39."""
    assert _weighted_quantiles(errors(one=[number / 100 - 0.5 for number in range(100)])[::-1], 0.8) == pytest.approx(
        (-0.40, 0.39)
    )
    assert _weighted_quantiles(errors(one=[0.0] * 5), 0.8) == (-0.02, 0.02)  # an interval has a width
