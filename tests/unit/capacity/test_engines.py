"""Names of engines and number formats as people write them, and what versions change."""

import msgspec
import pytest

from steward.capacity.engines import ENGINES, PRECISIONS, at_version, find_engine, find_precision
from steward.core.errors import UnknownName


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vLLM 0.11", "vllm"), ("TensorRT-LLM (Triton backend)", "tensorrt-llm"), ("trtllm", "tensorrt-llm"),
        ("SGLang", "sglang"), ("NVIDIA NIM", "nim"), ("TurboMind", "lmdeploy"), ("ollama", "llama.cpp"),
        ("llama.cpp", "llama.cpp"), ("TGI 2.0", "tgi"), ("embedded", "embedded"),
    ],
)  # fmt: skip
def test_engines_are_found_by_the_names_people_write(written: str, meant: str) -> None:
    engine = find_engine(written)
    assert engine is not None and engine.name == meant


def test_an_unknown_engine_is_none() -> None:
    assert find_engine("abacus") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("FP8", "fp8"), ("e4m3", "fp8"), ("bfloat16", "bf16"), ("half", "bf16"), ("NVFP4", "fp4"), ("MXFP4", "mxfp4"),
        ("w4a16", "int4"), ("AWQ", "int4"), ("4-bit", "int4"), ("w8a8", "int8"), ("8bit", "int8"), ("W8A16", "w8a16"),
        ("w4a8", "w4a8"), ("Q4_K_M", "q4_k_m"), ("Q8_0", "q8_0"), ("gguf", "q4_0"), ("float32", "fp32"),
        ("bf16 + fp8 kv", "bf16"), ("q2", "q2_k"), ("q3", "q3_k_m"), ("q5", "q5_k_m"), ("q6", "q6_k"),
    ],
)  # fmt: skip
def test_formats_are_found_by_their_spellings(written: str, meant: str) -> None:
    assert find_precision(written).name == meant


@pytest.mark.parametrize(
    ("model", "published", "meant"),
    [
        ("Qwen2.5-72B-Instruct-AWQ", "", "int4"), ("Llama-3.1-8B-FP8", "bf16", "fp8"), ("DeepSeek-R1", "fp8", "fp8"),
        ("Llama-3.1-8B", "", "bf16"), ("a-fp8-folder/config.json", "int4", "int4"), ("x-q4_k_m", "", "q4_k_m"),
        ("Meta-Llama-3.1-405B-Instruct-FP8", "", "fp8-mlp"),
    ],
)  # fmt: skip
def test_without_a_name_the_suffix_counts_then_what_is_published(model: str, published: str, meant: str) -> None:
    assert find_precision("", model, published).name == meant


def test_a_spelling_that_means_nothing_is_unknown() -> None:
    with pytest.raises(UnknownName, match="precision"):
        find_precision("purple")


@pytest.mark.parametrize(
    ("name", "bits"),
    [  # GGUF: bits per weight that llama.cpp's quantize prints; AWQ: 4 + 20/128; MXFP4: 4 + 8/32; NVFP4: 4 + 8/16
        ("q8_0", 8.5), ("q6_k", 6.56), ("q5_k_m", 5.69), ("q4_k_m", 4.85), ("q4_0", 4.5), ("q3_k_m", 3.91),
        ("q2_k", 3.16), ("int4", 4.156), ("mxfp4", 4.25), ("fp4", 4.5), ("fp8", 8), ("bf16", 16), ("fp32", 32),
        ("int8", 8.08), ("w8a16", 8.08), ("w4a8", 4.156), ("fp8-mlp", 8), ("mxfp4-linear", 4.25), ("nvfp4a16", 4.5),
        ("int6", 6.156), ("int5", 5.156), ("int3", 3.156), ("int2", 2.156),  # as AWQ: 20 bits more for a group of 128
    ],
)  # fmt: skip
def test_bits_of_a_weight(name: str, bits: float) -> None:
    assert 8 * PRECISIONS[name].weight_bytes == pytest.approx(bits, rel=0.005)


def test_what_a_format_leaves_in_16_bit() -> None:
    whole = {name for name, item in PRECISIONS.items() if item.embeddings_too}
    assert whole == {"fp32", "bf16", *(name for name in PRECISIONS if name.startswith("q"))}
    assert [name for name, item in PRECISIONS.items() if item.experts_only] == ["mxfp4"]
    assert [name for name, item in PRECISIONS.items() if item.attention_plain] == ["fp8-mlp"]
    assert [name for name, item in PRECISIONS.items() if item.kv_bytes == 1.0] == ["fp4"]


@pytest.mark.parametrize(
    ("version", "copies"), [("0.8.5", 9.07), ("v0.16.2", 9.07), ("0.17.0", 3.5), ("1.0", 3.5), ("", 3.5)]
)
def test_p05_vllm_sorts_before_0_17(version: str, copies: float) -> None:
    assert at_version(ENGINES["vllm"], version).sampler_copies == copies


@pytest.mark.parametrize(
    ("version", "gib"),
    [("0.9.2", 1.6), ("0.10.0", 0.7), ("0.16.9", 0.7), ("0.17", 2.05), ("0.19.1", 2.05), ("0.20", 2.95)],
)
def test_p05_what_vllm_keeps_on_many_accelerators_depends_on_its_version(version: str, gib: float) -> None:
    assert at_version(ENGINES["vllm"], version).collective_gib == gib
    assert ENGINES["vllm"].collective_gib == 2.05 and ENGINES["sglang"].collective_gib == 1.6


def test_other_engines_have_no_versions() -> None:
    assert at_version(ENGINES["sglang"], "0.4") is ENGINES["sglang"]


@pytest.mark.parametrize(
    ("name", "utilisation", "seqs", "tokens", "reserve"),
    [  # documented defaults: gpu_memory_utilization, max_num_seqs and their likes
        ("vllm", 0.9, 256, 2048, "grow"), ("sglang", 0.88, 2048, 8192, "grow"),
        ("tensorrt-llm", 0.93, 2048, 8192, "full"),
        ("nim", 0.9, 256, 8192, "full"), ("lmdeploy", 0.85, 256, 8192, "grow"), ("tgi", 0.9, 256, 4096, "grow"),
        ("llama.cpp", 0.95, 64, 2048, "full"), ("embedded", 0.5, 8, 2048, "full"),
    ],
)  # fmt: skip
def test_engines_start_with_their_documented_defaults(
    name: str, utilisation: float, seqs: int, tokens: int, reserve: str
) -> None:
    engine = ENGINES[name]
    assert (engine.utilisation, engine.max_num_seqs, engine.max_batched_tokens, engine.reserve) == (
        utilisation, seqs, tokens, reserve,
    )  # fmt: skip
    assert engine.source


def test_p06_a_server_in_another_language_stands_before_the_same_engine() -> None:
    """NVIDIA's tables of TensorRT-LLM 0.14 were measured behind Triton; `trtllm-serve` answers from Python."""
    triton, serve = find_engine("TensorRT-LLM (Triton backend)"), find_engine("TensorRT-LLM 1.2.0")
    assert triton is not None and serve is not None and (triton.front, serve.front) == ("native", "python")
    assert msgspec.structs.replace(triton, front="python") == serve
