"""Step times against the roofline by hand."""

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import Deployment
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import StepTime, Terms, load_shipped_terms

IDEAL = Terms(
    bandwidth=1, kv_bandwidth=1, matrix_16=1, matrix_8=1, attention=1, overlap=50, expert=1, expert_matrix=1, link=1,
    layer_compiled_us=0, layer_python_us=0, moe_layer_us=0, step_us=0, sequence_us=0, allreduce_us=0, request_ms=0,
)  # fmt: skip


def deployed(model: str = "llama-3.1-8b", tp: int = 1, pp: int = 1, precision: str = "bf16") -> Deployment:
    return build_deployment(
        find_model(model).model, find_accelerator("h100"), find_precision(precision), ENGINES["vllm"], tp, pp
    )


def test_one_sequence_reads_the_weights_once() -> None:
    model = find_model("llama-3.1-8b").model
    read = 2 * (model.params - model.vocab * model.hidden)  # the input embedding is looked up, not read
    assert StepTime(deployed(), IDEAL).step_s(1, 0) == pytest.approx(read / 3.35e12, rel=0.01)


def test_kv_is_read_once_a_step() -> None:
    step_time = StepTime(deployed(), IDEAL)
    assert step_time.step_s(1, 100_000) - step_time.step_s(1, 0) == pytest.approx(100_000 * 131_072 / 3.35e12, rel=1e-6)


def test_a_long_prompt_takes_two_operations_a_parameter_and_four_a_pair() -> None:
    model = find_model("llama-3.1-8b").model
    matrices = 2 * model.dense_block_params * 8192 + 2 * model.vocab * model.hidden
    attention = 4 * 32 * 4096 * 8192 * 8192 / 2
    assert StepTime(deployed(), IDEAL).prefill_s(8192) == pytest.approx((matrices + attention) / 989e12, rel=0.01)


def test_experts_hit_follow_the_expected_number() -> None:
    model = find_model("qwen3-30b-a3b").model
    step_time = StepTime(deployed("qwen3-30b-a3b"), IDEAL)
    one, hundred = (model.experts * (1 - (1 - 8 / 128) ** n) for n in (1, 100))
    assert one == pytest.approx(8)
    more = (hundred - one) * model.moe_layers * model.expert_params * 2 / 3.35e12
    assert step_time.step_s(100, 0) - step_time.step_s(1, 0) == pytest.approx(more, rel=0.05)


def test_two_gpus_halve_the_reading_and_pay_for_the_link() -> None:
    assert StepTime(deployed(tp=2), IDEAL).step_s(1, 0) == pytest.approx(
        StepTime(deployed(), IDEAL).step_s(1, 0) / 2, rel=0.01
    )
    slow = msgspec.structs.replace(IDEAL, allreduce_us=10)
    assert StepTime(deployed(tp=2), slow).step_s(1, 0) - StepTime(deployed(tp=2), IDEAL).step_s(1, 0) == pytest.approx(
        640e-6
    )


def test_more_work_never_takes_less_time() -> None:
    step_time = StepTime(deployed(), load_shipped_terms())
    steps = [step_time.step_s(n, 500 * n, 10 * n, 100 * n, 1) for n in (1, 2, 8, 64, 256)]
    assert steps == sorted(steps)


def test_fitted_efficiencies_stay_efficiencies() -> None:
    found = load_shipped_terms()
    shares = (
        "bandwidth",
        "kv_bandwidth",
        "matrix_16",
        "matrix_8",
        "matrix_4",
        "attention",
        "expert",
        "expert_matrix",
        "link",
    )
    assert all(0.2 < getattr(found, name) < 1.0 for name in shares)
    assert found.scale == found.stall == 1.0 and 5 < found.layer_compiled_us < found.layer_python_us < 100
