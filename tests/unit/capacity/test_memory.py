"""Memory against engines' logs and hand calculation."""

import pytest

from steward.capacity.catalog import find_accelerator, find_model
from steward.capacity.engines import ENGINES, find_precision
from steward.capacity.memory import (
    GIB,
    Deployment,
    compute_kv_bytes_per_token,
    compute_weight_bytes,
    count_kv_tokens,
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
