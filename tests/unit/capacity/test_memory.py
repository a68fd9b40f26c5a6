"""Memory against engines' logs and hand calculation."""

import csv
import statistics
from pathlib import Path

import msgspec
import pytest

from steward.capacity.catalog import Accelerator, Model, find_accelerator, find_model
from steward.capacity.engines import ENGINES, Precision, at_version, find_precision
from steward.capacity.memory import (
    GIB,
    Deployment,
    compute_activation_bytes,
    compute_kv_bytes_per_token,
    compute_weight_bytes,
    compute_workspace_bytes,
    count_kv_tokens,
    default_max_batched_tokens,
    default_max_num_seqs,
    estimate_memory,
)
from steward.capacity.sizing import build_deployment


def deployed(model: str, precision: str = "", gpu: str = "h100", tp: int = 1, **more: int) -> Deployment:
    found = find_model(model).model
    kind = find_precision(precision, model, found.precision)
    return build_deployment(found, find_accelerator(gpu), kind, ENGINES["vllm"], tp, kv_bytes=2.0, **more)


@pytest.mark.parametrize(
    ("model", "precision", "tp", "logged_gib"),
    [  # "Model loading took" of vLLM, llm-d-benchmark empirical-vllm-memory-results.md and vllm#6746
        ("Llama-3.1-8B", "bf16", 1, 14.99), ("Qwen3-32B", "bf16", 1, 61.03), ("Qwen3-32B", "bf16", 2, 30.59),
        ("Llama-3.1-70B", "fp8", 1, 67.72), ("gpt-oss-20b", "mxfp4", 1, 13.47),
        ("Meta-Llama-3.1-405B-Instruct-FP8", "fp8", 8, 57.75),
    ],
)  # fmt: skip
def test_weights_are_what_engines_log(model: str, precision: str, tp: int, logged_gib: float) -> None:
    assert compute_weight_bytes(deployed(model, precision, tp=tp)) / GIB == pytest.approx(logged_gib, rel=0.03)


def test_kv_bytes_by_hand() -> None:
    assert compute_kv_bytes_per_token(deployed("llama-3.1-8b")) == 2 * 32 * 8 * 128 * 2
    assert compute_kv_bytes_per_token(deployed("llama-3.1-8b", tp=8)) == 2 * 32 * 1 * 128 * 2
    assert (
        compute_kv_bytes_per_token(deployed("qwen2.5-7b", tp=8)) == 2 * 28 * 1 * 128 * 2
    )  # 4 heads on 8 ranks: repeated
    assert (
        compute_kv_bytes_per_token(deployed("deepseek-v3", "fp8", tp=8)) == 61 * (512 + 64) * 2
    )  # MLA: repeated on each


def test_kv_room_is_what_vllm_logs_for_128_sequences() -> None:
    found = estimate_memory(deployed("Qwen2.5-7B-Instruct", max_num_seqs=128, max_batched_tokens=2048))
    assert found.kv_tokens == pytest.approx(1_045_888, rel=0.01)  # vLLM 0.15.1, inference-sim roofline_goldendataset


def test_sliding_layers_stop_at_their_window() -> None:
    oss = deployed("gpt-oss-20b")
    assert count_kv_tokens(oss, 100) == 100 and count_kv_tokens(oss, 1128) == (1128 + 128) / 2


def test_the_embedded_engine_has_its_slots_contexts_and_no_more() -> None:
    starter = build_deployment(
        find_model("starter").model,
        find_accelerator("t4"),
        find_precision("", "starter", "q8_0"),
        ENGINES["embedded"],
        max_num_seqs=8,
    )
    assert (
        estimate_memory(starter).kv_tokens == 8 * 2048
    )  # models[].slots x models[].context, docs/reference/settings.md


def test_what_does_not_fit_has_no_room() -> None:
    assert not estimate_memory(deployed("llama-3.1-70b")).fits


LOGS = Path(__file__).parents[3] / "benchmarks" / "planner_memory.csv"  # each row with its version and source


def logged_errors() -> dict[str, float]:
    """Relative errors of KV tokens, or of GiB where a log has only those."""
    errors = {}
    for number, cells in enumerate(csv.DictReader(LOGS.read_text().splitlines())):
        model = find_model(cells["model"]).model
        found = estimate_memory(
            build_deployment(
                model,
                find_accelerator(cells["gpu"]),
                find_precision(cells["weight_dtype"], cells["model"], model.precision),
                at_version(ENGINES["vllm"], cells["engine_version"]),
                int(cells["tp"]),
                kv_bytes=1.0 if cells["kv_dtype"] == "fp8" else 2.0,
                max_num_seqs=int(cells["max_num_seqs"] or 0) or None,
                max_batched_tokens=int((cells["max_num_batched_tokens"] or "0").split()[-1]) or None,
                utilisation=float(cells["gpu_memory_utilization"].split()[0])
                if cells["gpu_memory_utilization"]
                else None,
            )
        )
        name = f"{number} {cells['model']} {cells['gpu']}"
        if cells["kv_cache_tokens"]:
            errors[name] = found.kv_tokens / float(cells["kv_cache_tokens"]) - 1
        elif cells["kv_cache_gib_per_gpu"]:
            errors[name] = found.kv_gib / float(cells["kv_cache_gib_per_gpu"]) - 1
    return errors


def test_p05_kv_room_is_what_vllm_logs() -> None:
    errors = logged_errors()
    assert len(errors) >= 44 and statistics.median(abs(error) for error in errors.values()) <= 0.02
    assert [(name, error) for name, error in errors.items() if abs(error) > 0.10] == []


@pytest.mark.parametrize(
    ("model", "gpu", "tp", "logged"),
    [  # GiB of weights: vLLM's "Model loading took", validation_db.json of ashishkamra/vllm-memory-estimator @8b0e21d1
        ("deepseek-r1", "h200", 8, 79.74),  # projections of latent attention stand on each rank, and absorbed in 16 bit
        ("qwen3-235b-a22b", "h200", 4, 109.61),
        ("llama-3.1-70b", "h200", 4, 32.89),
    ],
)
def test_p05_weights_are_what_vllm_loads(model: str, gpu: str, tp: int, logged: float) -> None:
    found = find_model(model).model
    deployment = build_deployment(
        found, find_accelerator(gpu), find_precision("", "", found.precision), ENGINES["vllm"], tp
    )
    assert compute_weight_bytes(deployment) / GIB == pytest.approx(logged, rel=0.004)


def test_p05_experts_in_8_bit_have_a_workspace() -> None:
    """8,192 tokens at 8 experts of a width of 7,168, twice in 16 bit: 1.75 GiB; else none."""
    expected = 2 * 2 * 8192 * 8 * 7168 / GIB
    assert compute_workspace_bytes(deployed("deepseek-r1", "fp8", "h200")) / GIB == pytest.approx(expected)
    assert compute_workspace_bytes(deployed("deepseek-r1", "bf16", "h200")) == 0
    assert compute_workspace_bytes(deployed("llama-3.1-8b", "fp8")) == 0


def test_p05_flashinfer_samples_in_place() -> None:
    """dennislee22/vLLM-benchmarking, Qwen2-7B on an A100 with vLLM 0.10.1.1: 24.83 GiB at a utilisation of 0.5."""
    found = estimate_memory(
        build_deployment(
            find_model("qwen2-7b").model, find_accelerator("a100"), find_precision("bf16"),
            at_version(ENGINES["vllm"], "0.10.1.1+flashinfer"), utilisation=0.5,
        )
    )  # fmt: skip
    assert found.kv_gib == pytest.approx(24.83, rel=0.01)


def test_p05_the_engines_version_decides_what_its_sampler_takes() -> None:
    """llm-d-benchmark logs 51.38 GiB for Llama-3.1-8B on an H100 with 0.11; an H200 log of 0.19.1 leaves 120.53 GiB
    for Qwen2.5-1.5B, whose vocabulary is larger."""

    def kv_gib(model: str, gpu: str, version: str) -> float:
        engine = at_version(ENGINES["vllm"], version)
        return estimate_memory(
            build_deployment(find_model(model).model, find_accelerator(gpu), find_precision("bf16"), engine)
        ).kv_gib

    assert kv_gib("llama-3.1-8b", "h100", "0.11.0") == pytest.approx(51.38, rel=0.01)
    assert kv_gib("qwen2.5-1.5b", "h200", "0.19.1") == pytest.approx(120.53, rel=0.01)
    assert kv_gib("llama-3.1-8b", "h100", "") > 53


@pytest.mark.parametrize(("gpu", "seqs", "tokens"), [("h100", 1024, 8192), ("a100", 256, 2048), ("l40s", 256, 2048)])
def test_p05_vllms_defaults_follow_the_card(gpu: str, seqs: int, tokens: int) -> None:
    """EngineArgs of vLLM, usage context OPENAI_API_SERVER: cards of 70 GiB and more but A100 take the larger."""
    deployment = deployed("llama-3.1-8b", gpu=gpu)
    assert (deployment.max_num_seqs, deployment.max_batched_tokens) == (seqs, tokens)


def test_p02_a_hybrids_state_is_counted_for_each_sequence() -> None:
    """Qwen3-Next: 36 mixers of 1,097,728 bytes are 39.5 MB, as much as 1,608 tokens of 24,576 bytes."""
    hybrid = deployed("qwen3-next", gpu="h200")
    assert compute_kv_bytes_per_token(hybrid) == 24_576
    assert count_kv_tokens(hybrid, 1000) == pytest.approx(1000 + 36 * 1_097_728 / 24_576)


def test_two_stages_and_two_ranks_each_hold_a_quarter() -> None:
    whole = compute_weight_bytes(deployed("llama-3.1-8b"))
    model = find_model("llama-3.1-8b").model
    split = build_deployment(model, find_accelerator("h100"), find_precision("bf16"), ENGINES["vllm"], 2, 2)
    assert whole == 2 * model.params and compute_weight_bytes(split) == pytest.approx(whole / 4)


def test_8_bit_halves_all_but_the_embeddings() -> None:
    model = find_model("llama-3.1-8b").model
    assert compute_weight_bytes(deployed("llama-3.1-8b", "fp8")) == pytest.approx(
        model.dense_block_params + 2 * model.embedding_params
    )
    plain = compute_weight_bytes(deployed("llama-3.1-8b", "fp8-mlp")) - compute_weight_bytes(
        deployed("llama-3.1-8b", "fp8")
    )
    assert plain == pytest.approx(32 * model.attention_params)  # attention in 16 bit: one byte more


def test_room_is_what_utilisation_leaves() -> None:
    """79.18 x 0.9 less 14.96 of weights, 0.14 + 0.35 of the driver and the engine, and the sampler's 3.5 copies."""
    found = estimate_memory(deployed("llama-3.1-8b"))
    sampler = 3.5 * 1024 * 128256 * 4 / GIB
    assert found.usable_gib == pytest.approx(79.18 * 0.9) and found.activation_gib == pytest.approx(sampler)
    assert found.kv_gib == pytest.approx(79.18 * 0.9 - found.weights_gib - sampler - 0.49)
    assert found.kv_tokens == int(found.kv_gib * GIB / 131_072) and found.fits


def test_a_long_step_takes_more_than_the_sampler() -> None:
    """20,000 tokens of three times hidden and feed-forward width in 16 bit: 2.06 GiB."""
    found = estimate_memory(deployed("llama-3.1-8b", gpu="l40s", max_batched_tokens=20_000))
    assert found.activation_gib == pytest.approx(20_000 * 3 * (4096 + 14336) * 2 / GIB)


def test_what_nccl_and_drivers_keep_grows_with_the_accelerators() -> None:
    kept = [estimate_memory(deployed("llama-3.1-8b", tp=tp)).overhead_gib for tp in (1, 2, 4, 8)]
    assert kept == [pytest.approx(0.14 + 0.35), pytest.approx(0.56 + 0.35), *[pytest.approx(2.05 + 0.35)] * 2]


def test_an_indexer_keeps_a_key_in_8_bit_and_its_scale_for_each_layer() -> None:
    """DeepSeek-V3.2: 61 layers of 512 + 64 in 16 bit and 128 + 4 bytes."""
    assert compute_kv_bytes_per_token(deployed("deepseek-v3.2", "fp8", tp=8)) == 61 * (576 * 2 + 132)


SMALL = Model(name="small", layers=2, hidden=4, heads=2, kv_heads=1, head_dim=2, intermediate=8, vocab=10)
# Attention 4 x 2 x (2 + 2 + 1 + 1) = 48 and a feed-forward part of 3 x 4 x 8 = 96 in each layer; embeddings 2 x 10 x 4.


def small(precision: str | Precision = "fp8", engine: str = "vllm", **changes: int) -> Deployment:
    """The small model, with changes of its fields or of the deployment's."""
    model = {name: value for name, value in changes.items() if name in Model.__struct_fields__}
    kind = find_precision(precision) if isinstance(precision, str) else precision
    return Deployment(
        model=msgspec.structs.replace(SMALL, **model),
        gpu=find_accelerator("h100"),
        precision=kind,
        engine=ENGINES[engine],
        **{name: value for name, value in changes.items() if name not in model},
    )


def test_embeddings_of_layers_stay_in_16_bit_with_the_others() -> None:
    assert compute_weight_bytes(small("fp8", lookup_params=30)) == 2 * 144 + 2 * (80 + 30)


def test_a_dense_model_in_a_format_of_experts_is_packed_whole() -> None:
    assert compute_weight_bytes(small("mxfp4")) == 2 * 144 * 0.53125 + 2 * 80


def test_attention_in_16_bit_takes_what_the_format_saves() -> None:
    half = Precision(name="half", weight_bytes=0.5, attention_plain=True)
    assert compute_weight_bytes(small(half)) == 2 * (48 * 2 + 96 * 0.5) + 2 * 80


def test_experts_widths_are_padded_to_256_in_mxfp4_only() -> None:
    """Two layers of 4 experts of width 257, taken for 512 in MXFP4; routers 4 x 4."""
    experts = {"experts": 4, "experts_per_token": 1, "moe_intermediate": 257}
    attention = 2 * (48 + 16)
    assert compute_weight_bytes(small("mxfp4", **experts)) == 8 * 3 * 4 * 512 * 0.53125 + 2 * attention + 2 * 80
    assert compute_weight_bytes(small("fp8", **experts)) == 8 * 3 * 4 * 257 + attention + 2 * 80
    halves = compute_weight_bytes(small("fp8", **experts, dp=2))
    assert halves == 8 * 3 * 4 * 257 / 2 + attention + 2 * 80  # data-parallel attention splits the experts only
    assert compute_weight_bytes(small("fp8", **experts, moe_split=8)) == 3 * 4 * 257 + attention + 2 * 80


def test_kv_bytes_of_stages_and_of_indexers_by_hand() -> None:
    assert compute_kv_bytes_per_token(small(pp=2)) == 2 * 1 * 2 * 2
    assert compute_kv_bytes_per_token(small(index_dim=3)) == 2 * (2 * 1 * 2 * 2 + 3 + 4)


def test_states_of_mixers_are_split_over_ranks_and_stages() -> None:
    """Three mixers of 80 bytes on 2 x 2 accelerators take as much as 60 / 8 tokens of 8 bytes."""
    split = small(mixer_layers=3, state_bytes=80, tp=2, pp=2)
    assert count_kv_tokens(split, 100) == 100 + 60 / 8


def test_replicas_of_attention_each_have_their_room() -> None:
    one, two = (estimate_memory(small(dp=dp)) for dp in (1, 2))
    assert two.kv_tokens == 2 * int(two.kv_gib * GIB / two.kv_bytes_per_token) and two.kv_gib < one.kv_gib


def test_three_accelerators_keep_as_much_as_two() -> None:
    kept = [estimate_memory(small(pp=pp)).overhead_gib for pp in (2, 3, 4)]
    assert kept == pytest.approx([0.56 + 0.35, 0.56 + 0.35, 2.05 + 0.35])


def test_llama_cpp_keeps_eight_hidden_states_and_the_logits_of_a_step() -> None:
    assert compute_activation_bytes(small(engine="llama.cpp", max_batched_tokens=100)) == 100 * (8 * 4 + 10)


def test_the_sampler_takes_its_copies_or_the_feed_forward_part_of_a_step_if_larger() -> None:
    assert compute_activation_bytes(small(vocab=1000, max_num_seqs=7, max_batched_tokens=1)) == 3.5 * 7 * 1000 * 4
    once = small(engine="tgi", vocab=1000, max_num_seqs=7, max_batched_tokens=1)
    assert compute_activation_bytes(once) == 7 * 1000 * 4
    wide = small(max_num_seqs=1, max_batched_tokens=1000, tp=2, experts=4, experts_per_token=2, moe_intermediate=30)
    assert compute_activation_bytes(wide) == 1000 * (3 * 4 + 3 * 60 / 2) * 2


@pytest.mark.parametrize(("gib", "seqs", "tokens"), [(70.0, 256, 2048), (70.1, 1024, 8192)])
def test_a_large_card_has_more_than_70_gib(gib: float, seqs: int, tokens: int) -> None:
    gpu = Accelerator(name="x", bf16_tflops=1, memory_gb=80, memory_gib_visible=gib, bandwidth_gb_s=1)
    found = default_max_num_seqs(ENGINES["vllm"], gpu), default_max_batched_tokens(ENGINES["vllm"], gpu)
    assert found == (seqs, tokens)


def test_a_deployment_takes_nine_tenths_of_the_memory_unless_told_otherwise() -> None:
    found = estimate_memory(small())
    assert found.usable_gib == pytest.approx(0.9 * 79.18) and small().gpus == 1 and small().max_num_seqs == 256
    assert (small().kv_bytes, small().max_batched_tokens, small(tp=2, pp=2, dp=2).gpus) == (2.0, 8192, 8)
    assert small(tp=2, moe_split=4).gpus == 4 and not small(max_model_len=0).max_model_len


def test_latent_attention_repeats_its_down_projections_on_each_accelerator() -> None:
    """DeepSeek-V3: hidden 7168, ranks 1536 and 512, heads 128, nope 128, rope 64, v 128; 58 routers of 256
    experts. Per layer, down: 7168 x (1536 + 512 + 64) bytes in 8 bit; absorbed: 512 x 128 x (128 + 128) x 2 bytes."""
    whole, half = deployed("deepseek-v3", "fp8"), deployed("deepseek-v3", "fp8", tp=2)
    down, absorbed, routers = 7168 * 2112, 512 * 128 * 256 * 2, 58 * 256 * 7168 * 2
    repeated = routers / 2 + 61 * (down / 2 + absorbed / 2)  # half of it a half would hold anyway
    alone = 61 * absorbed  # nothing is repeated on the only accelerator, but the absorbed ones stand twice
    assert compute_weight_bytes(half) - repeated == pytest.approx((compute_weight_bytes(whole) - alone) / 2)
    staged = msgspec.structs.replace(half, tp=1, pp=2)  # a stage has half of the layers
    of_stage = routers / 2 + 61 / 2 * (down / 2 + absorbed)
    assert compute_weight_bytes(staged) - of_stage == pytest.approx((compute_weight_bytes(whole) - alone) / 2)
