"""Step times against the roofline by hand."""

import re
from pathlib import Path

import msgspec
import pytest

from steward.capacity.catalog import Accelerator, Model, find_accelerator, find_model
from steward.capacity.engines import ENGINES, Precision, find_precision
from steward.capacity.memory import Deployment
from steward.capacity.sizing import build_deployment
from steward.capacity.step_time import WIDTHS, StepTime, Terms, _p_norm, load_shipped_terms

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
    quarter = msgspec.structs.replace(IDEAL, matrix_4=0.25, attention=1e9)
    b200 = build_deployment(model, find_accelerator("b200"), find_precision("fp4"), ENGINES["vllm"])
    assert StepTime(b200, quarter).prefill_s(8192) == pytest.approx(flops / (0.25 * 9000e12), rel=0.02)


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


SMALL = Model(
    name="small", layers=3, hidden=4, heads=2, kv_heads=1, head_dim=2, intermediate=8, vocab=10, experts=4,
    experts_per_token=2, moe_intermediate=6, mixer_layers=2, mixer_params=50, state_bytes=96,
)  # fmt: skip
TERMS = Terms(
    bandwidth=0.5, kv_bandwidth=0.25, matrix_16=0.4, attention=0.2, overlap=1.0, expert=0.5, expert_matrix=0.25,
    link=0.5, layer_python_us=11, moe_layer_us=13, step_us=17, sequence_us=19, allreduce_us=7, request_ms=23,
)  # fmt: skip


def small(terms: Terms = TERMS, **degrees: int) -> StepTime:
    """On an AMD card of 10 TFLOP/s and 100 GB/s, of which 0.7 and 0.9 are reached; weights take half a byte."""
    gpu = Accelerator(name="x", vendor="AMD", bf16_tflops=10, memory_gb=80, bandwidth_gb_s=100)
    half = Precision(name="half", weight_bytes=0.5)
    return StepTime(Deployment(model=SMALL, gpu=gpu, precision=half, engine=ENGINES["vllm"], **degrees), terms)


def test_every_part_of_a_step_by_hand() -> None:
    """Three layers of attention (48 parameters each), routers of 16 and two mixers of 50: 292; experts of 72. Two ranks
    times three: 10e12 x 0.7 x 6 flop/s, 0.4 of it for matrices; 100e9 x 0.9 bytes/s."""
    found, rate, memory = small(tp=2, dp=3), 10e12 * 0.7 * 6, 90e9
    assert found.dense_load_s == pytest.approx((292 * 0.5 + 2 * 40) / 2 / (memory * 0.5))
    assert found.dense_flop_s == pytest.approx(2 * 292 / (rate * 0.4))
    assert found.head_flop_s == pytest.approx(2 * 40 / (rate * 0.4))
    assert found.expert_load_s == pytest.approx(3 * 72 * 0.5 / 6 / (memory * 0.5 * 0.5))
    assert found.expert_flop_s == pytest.approx(2 * 3 * 72 * 2 / (rate * 0.4 * 0.25))
    assert found.attention_s == pytest.approx(2 * 3 * (2 * 2 * 2) / (rate * 0.2))
    assert found.kv_s == pytest.approx(3 * (2 * 1 * 2 * 2) / 3 / (memory * 0.25))
    assert found.fixed_s == pytest.approx((3 * 11 + 3 * 13 + 17) * 1e-6)
    assert found.sequence_s == pytest.approx(19e-6 + 2 * (2 * 96 / 6) / (memory * 0.25))
    assert found.comm_s == pytest.approx(8 * 7e-6)  # three attentions, two mixers, three feed-forward parts
    assert found.comm_byte_s == pytest.approx(8 * 4 * 2 * 2 * (5 / 6) / (32e9 * 0.5))  # 32 GB/s where nothing is known
    assert found.api_s == pytest.approx(0.023) and (found.experts, found.routed) == (4, 0.5)


def test_experts_may_be_split_over_fewer_than_all() -> None:
    found = small(tp=2, dp=3, moe_split=3)
    assert found.expert_load_s == pytest.approx(3 * 72 * 0.5 / 3 / (90e9 * 0.5 * 0.5))
    assert found.expert_flop_s == pytest.approx(2 * 3 * 72 * 2 / (10e12 * 0.7 * 3 * 0.4 * 0.25))
    assert found.comm_byte_s == pytest.approx(8 * 4 * 2 * 2 * (2 / 3) / (32e9 * 0.5))


def test_one_accelerator_talks_to_nobody_and_stages_take_30_us() -> None:
    assert (small().comm_s, small().comm_byte_s) == (0.0, 0.0)
    two = small(pp=3)
    assert two.comm_s == pytest.approx(2 * 30e-6) and two.kv_s == pytest.approx(24 / (90e9 * 0.25))


def test_a_step_adds_its_parts_up() -> None:
    """Two stages, so half of each: 2 sequences of 50 tokens, 3 tokens of 1 prompt, 10 pairs; of four experts
    4 x (1 - 0.5^5) are hit. With a norm of 1 memory and arithmetic add up."""
    t = small(msgspec.structs.replace(TERMS, scale=1.5), pp=2)
    expected = t.dense_load_s + 5 * t.dense_flop_s + 3 * t.head_flop_s + 3.875 * t.expert_load_s + 5 * t.expert_flop_s
    expected += 50 * t.kv_s + 10 * t.attention_s + t.fixed_s + 2 * t.sequence_s + t.comm_s + 5 * t.comm_byte_s
    assert t.step_s(4, 100, 6, 20, 2) == pytest.approx(1.5 * expected, rel=1e-12)
    idle = t.dense_load_s + 2 * t.expert_load_s + t.fixed_s + t.comm_s  # one token's experts are read at least
    assert t.step_s(0, 0) == pytest.approx(1.5 * idle, rel=1e-12)


def test_memory_and_arithmetic_overlap_as_their_norm_says() -> None:
    assert _p_norm(3.0, 4.0, 2.0) == _p_norm(4.0, 3.0, 2.0) == 5.0
    assert _p_norm(0.0, 0.0, 2.0) == 0.0 and _p_norm(0.0, 7.0, 3.0) == 7.0


def test_a_prompt_alone_is_a_step_of_its_pairs() -> None:
    t = small()
    assert t.prefill_s(10, 3) == t.step_s(0, 0, 30, 3 * 50, 3) and t.prefill_s(10) == t.step_s(0, 0, 10, 50, 1)
    assert t.is_same_as(small()) and not t.is_same_as(small(tp=2))


def test_sliding_layers_see_their_window_where_contexts_are_longer() -> None:
    """A third of the layers that keep a cache see 8 tokens: of two contexts of 20 in all (20 x 2 + 8) / 3 each."""
    model = msgspec.structs.replace(SMALL, sliding_window=8, sliding_layers=1, experts=0)
    gpu = find_accelerator("h100")
    t = StepTime(Deployment(model=model, gpu=gpu, precision=find_precision("bf16"), engine=ENGINES["vllm"]), TERMS)
    base = t.step_s(2, 0)
    assert t.step_s(2, 40) - base == pytest.approx(t.kv_s * (40 * 2 + 16) / 3, rel=1e-6)
    assert t.step_s(2, 16) - base == pytest.approx(t.kv_s * 16, rel=1e-6)
    assert t.count_pairs(0, 8) == 32 and t.count_pairs(4, 8) == pytest.approx((2 * 64 + 64) / 3)
    assert t.count_pairs(0, 20) == pytest.approx((2 * 200 + 160) / 3)


@pytest.mark.parametrize(
    ("vendor", "matrix", "memory"),
    [("Intel", 0.7, 0.85), ("Google", 0.75, 0.9), ("AWS", 0.6, 0.85), ("Apple", 0.8, 0.9)],
)
def test_what_other_vendors_reach(vendor: str, matrix: float, memory: float) -> None:
    gpu = Accelerator(name="x", vendor=vendor, bf16_tflops=10, memory_gb=80, bandwidth_gb_s=100)
    d = Deployment(model=SMALL, gpu=gpu, precision=find_precision("bf16"), engine=ENGINES["vllm"])
    found = StepTime(d, TERMS)
    assert found.head_flop_s == pytest.approx(80 / (10e12 * 0.4 * matrix))
    assert found.kv_s == pytest.approx(24 / (100e9 * memory * 0.25))


def test_a_request_waits_for_the_front_that_the_engine_has() -> None:
    terms = msgspec.structs.replace(IDEAL, request_ms=12, request_native_ms=5)
    python = deployed()
    native = msgspec.structs.replace(python, engine=msgspec.structs.replace(python.engine, front="native"))
    assert StepTime(python, terms).api_s == 0.012 and StepTime(native, terms).api_s == 0.005
