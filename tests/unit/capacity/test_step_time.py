"""Step times against the roofline by hand."""

import re
from pathlib import Path

import msgspec
import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import Deployment
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import WIDTHS, StepTime, Terms, load_shipped_terms

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


def test_decoding_waits_for_the_stall_share_of_a_prompt() -> None:
    """Half of a prompt's time where half of it comes from a cache."""
    whole, half = (StepTime(deployed(), msgspec.structs.replace(IDEAL, stall=value)) for value in (1.0, 0.5))
    alone, both = whole.step_s(8, 8000), whole.step_s(8, 8000, 1000, 5e5, 1)
    assert half.step_s(8, 8000, 1000, 5e5, 1) == pytest.approx(alone + 0.5 * (both - alone))
    assert half.step_s(0, 0, 1000, 5e5, 1) == whole.step_s(0, 0, 1000, 5e5, 1)  # nothing decodes: nothing waits


def test_fixed_costs_add_up_by_layer_step_and_sequence() -> None:
    """32 layers of 40 us, 1500 us of the step, 8 us for each of 10 sequences."""
    slow = msgspec.structs.replace(IDEAL, layer_python_us=40.0, step_us=1500.0, sequence_us=8.0)
    more = StepTime(deployed(), slow).step_s(10, 0) - StepTime(deployed(), IDEAL).step_s(10, 0)
    assert more == pytest.approx((32 * 40 + 1500 + 10 * 8) * 1e-6)


def test_experts_cost_more_for_each_of_their_layers() -> None:
    slow = msgspec.structs.replace(IDEAL, moe_layer_us=60.0)
    pair = (StepTime(deployed("qwen3-30b-a3b"), terms).step_s(1, 0) for terms in (slow, IDEAL))
    assert next(pair) - next(pair) == pytest.approx(48 * 60e-6)


def test_scale_stretches_every_step() -> None:
    doubled = StepTime(deployed(), msgspec.structs.replace(IDEAL, scale=2.0))
    assert doubled.step_s(4, 100, 10, 5, 1) == pytest.approx(2 * StepTime(deployed(), IDEAL).step_s(4, 100, 10, 5, 1))


def test_sliding_layers_attend_their_window_only() -> None:
    """gpt-oss-20b: every second layer sees 128 tokens. 1000 tokens after 0 make 500,000 pairs, or 128,000 there."""
    oss = StepTime(deployed("gpt-oss-20b", precision="mxfp4"), IDEAL)
    assert oss.count_pairs(0, 100) == 5_000 and oss.count_pairs(0, 1000) == (500_000 + 128_000) / 2
    assert oss.count_pairs(100, 10) == 10 * 105
    one, far = oss.step_s(1, 128), oss.step_s(1, 1128)
    assert far - one == pytest.approx(500 * 2 * 24 * 8 * 64 * 2 / 3.35e12)  # half of 1000 tokens of 24 layers


def test_stages_take_turns_and_hand_over() -> None:
    """Two stages of half the layers: a step of half the sequences each; 30 us from one to the next."""
    two = StepTime(deployed(pp=2), IDEAL)
    assert two.step_s(2, 0) == pytest.approx(StepTime(deployed(), IDEAL).step_s(1, 0) + 30e-6, rel=0.01)


def test_what_a_format_lacks_in_rates_falls_back_to_the_next_wider() -> None:
    """H100 multiplies FP4 in 8 bit, A100 in 16: 8192 tokens take the time of those rates."""

    def prefill(gpu: str, precision: str) -> float:
        d = build_deployment(
            find_model("llama-3.1-8b").model, find_accelerator(gpu), find_precision(precision), ENGINES["vllm"]
        )
        terms = msgspec.structs.replace(IDEAL, matrix_4=1, attention=1e9)
        return StepTime(d, terms).prefill_s(8192)

    model = find_model("llama-3.1-8b").model
    flops = 2 * model.dense_block_params * 8192 + 2 * model.vocab * model.hidden
    for gpu, precision, tflops in (
        ("h100", "fp4", 1978), ("b200", "fp4", 9000), ("a100", "fp8", 312), ("h100", "int8", 1978),
        ("a100", "int8", 624), ("h100", "w8a16", 989),
    ):  # fmt: skip
        assert prefill(gpu, precision) == pytest.approx(flops / (tflops * 1e12), rel=0.02), (gpu, precision)


def test_mla_attends_by_its_own_widths() -> None:
    """DeepSeek-V3: 128 heads of 128 + 64 for keys and 128 for values, in 61 layers."""
    deepseek = deployed("deepseek-v3", tp=8, precision="fp8")
    terms = msgspec.structs.replace(IDEAL, attention=0.5)
    pair = (StepTime(deepseek, t).step_s(0, 0, 100, 1e9, 1) for t in (terms, IDEAL))
    assert next(pair) - next(pair) == pytest.approx(2 * 61 * 128 * (128 + 64 + 128) * 1e9 / (989e12 * 8))


def test_the_link_carries_two_bytes_of_each_token_and_part() -> None:
    """A ring of n sends 2 (n - 1) / n of 64 parts x 4096 x 2 bytes over 450 GB/s."""
    tokens = StepTime(deployed(tp=4), IDEAL)
    plain = StepTime(deployed(tp=4), msgspec.structs.replace(IDEAL, link=1e9))
    assert tokens.step_s(100, 0) - plain.step_s(100, 0) == pytest.approx(100 * 64 * 4096 * 2 * 2 * 3 / 4 / 450e9)


def test_other_vendors_reach_less_of_their_data_sheets() -> None:
    """The shares in `_VENDOR`: AMD 0.9 of the bandwidth that the same terms give NVIDIA."""
    amd = build_deployment(
        find_model("llama-3.1-8b").model, find_accelerator("mi300x"), find_precision("bf16"), ENGINES["vllm"]
    )
    read = 2 * (amd.model.params - amd.model.vocab * amd.model.hidden)
    assert StepTime(amd, IDEAL).step_s(1, 0) == pytest.approx(read / (5.3e12 * 0.9), rel=0.01)


def test_priors_are_those_that_the_documentation_states() -> None:
    text = (Path(__file__).parents[3] / "docs" / "explanation" / "capacity.md").read_text()
    stated = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \|", text, re.MULTILINE)
    assert {name: float(width) for name, _, width in stated} == WIDTHS
    assert {name: float(centre) for name, centre, _ in stated} == {name: getattr(Terms(), name) for name in WIDTHS}
    assert Terms().stall == Terms().scale == 1.0
