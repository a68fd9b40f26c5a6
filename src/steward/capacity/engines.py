"""Serving engines and number formats: what they reserve, how they schedule, and how many bytes a parameter takes.

The few figures per engine are its own defaults; how fast it is stands in the fitted terms of `speed.py`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from steward.core.errors import InputError, UnknownName

Arithmetic = Literal["16", "8", "4"]  # which matrix rate of the accelerator multiplies


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """A number format of weights. `weight_bytes` are per parameter of the matrices that it packs, scales included."""

    name: str
    weight_bytes: float
    arithmetic: Arithmetic = "16"  # where the accelerator has that rate, else 16 bit
    embeddings_too: bool = False  # else embeddings and norms stay in 16 bit
    experts_only: bool = False  # only routed experts are packed
    attention_plain: bool = False  # attention stays in 16 bit
    kv_bytes: float = 2.0  # of one value of the cache, where nothing else is said


# GGUF: bits per weight as llama.cpp's quantize tool states them (docs of its types); AWQ and GPTQ: 4 bits plus a
# 16-bit scale and a 4-bit zero for each group of 128; MXFP4: 4 bits plus an 8-bit scale for 32 (OCP MX 1.0, 5.1);
# NVFP4: 4 bits plus an 8-bit scale for 16. Further ones: `get_precision`.
PRECISIONS: Final = {
    item.name: item
    for item in (
        Precision(name="fp32", weight_bytes=4, embeddings_too=True),
        Precision(name="bf16", weight_bytes=2, embeddings_too=True),
        Precision(name="fp8", weight_bytes=1, arithmetic="8"),
        Precision(name="fp8-mlp", weight_bytes=1, arithmetic="8", attention_plain=True),
        Precision(name="int8", weight_bytes=1.01, arithmetic="8"),
        Precision(name="w8a16", weight_bytes=1.01),
        Precision(name="int6", weight_bytes=0.7695),
        Precision(name="int5", weight_bytes=0.6445),
        Precision(name="int4", weight_bytes=0.5195),
        Precision(name="int3", weight_bytes=0.3945),
        Precision(name="int2", weight_bytes=0.2695),
        Precision(name="w4a8", weight_bytes=0.5195, arithmetic="8"),
        Precision(name="fp4", weight_bytes=0.5625, arithmetic="4", kv_bytes=1.0),
        Precision(name="nvfp4a16", weight_bytes=0.5625),
        Precision(name="mxfp4", weight_bytes=0.53125, experts_only=True),
        Precision(name="mxfp4-linear", weight_bytes=0.53125, arithmetic="4"),
        Precision(name="q8_0", weight_bytes=1.0625, embeddings_too=True),
        Precision(name="q6_k", weight_bytes=0.8203, embeddings_too=True),
        Precision(name="q5_k_m", weight_bytes=0.711, embeddings_too=True),
        Precision(name="q4_k_m", weight_bytes=0.606, embeddings_too=True),
        Precision(name="q4_0", weight_bytes=0.5625, embeddings_too=True),
        Precision(name="q3_k_m", weight_bytes=0.489, embeddings_too=True),
        Precision(name="q2_k", weight_bytes=0.395, embeddings_too=True),
    )
}
_SPELLINGS: Final = (  # the first pattern that is found names the format
    (r"mxfp4", "mxfp4"),
    (r"nvfp4|fp4|w4a4", "fp4"),
    (r"w4a8", "w4a8"),
    (r"q8", "q8_0"),
    (r"q6", "q6_k"),
    (r"q5", "q5_k_m"),
    (r"q4_?k|q4[-_ ]?m", "q4_k_m"),
    (r"q4|gguf", "q4_0"),
    (r"q3", "q3_k_m"),
    (r"q2", "q2_k"),
    (r"w8a16", "w8a16"),
    (r"awq|gptq|int4|w4a16|4[-_ ]?bit|marlin|bnb", "int4"),
    (r"fp8|f8|e4m3", "fp8"),
    (r"int8|w8a8|8[-_ ]?bit|smoothquant|sq", "int8"),
    (r"fp32|float32|f32", "fp32"),
    (r"fp16|bf16|half|f16|16|mixed|auto|none|float", "bf16"),
)


def get_precision(name: str) -> Precision | None:
    """A format by its own name: of `PRECISIONS`; `4.25bpw`, by the mean bits of a weight; with `-mlp`, where attention
    stays in 16 bit; with `-experts`, where all but the routed experts does. None: no such format.

    >>> [(p.weight_bytes, p.experts_only) for p in map(get_precision, ("2.5bpw", "int4-experts")) if p]
    [(0.3125, False), (0.5195, True)]
    """
    if name in PRECISIONS:
        return PRECISIONS[name]
    if stated := re.fullmatch(r"(\d+(?:\.\d+)?)bpw", name):
        bits = float(stated[1])
        return Precision(name=name, weight_bytes=bits / 8) if 1 <= bits <= 16 else None
    base, _, kept = name.rpartition("-")
    if kept not in ("mlp", "experts") or (packed := get_precision(base)) is None:
        return None
    changes = {"attention_plain": True} if kept == "mlp" else {"experts_only": True}
    return msgspec.structs.replace(packed, name=name, **changes)


def _get_published(published: str) -> Precision:
    """:raises InputError: the configuration does not tell the format"""
    precision = get_precision(published or "bf16")
    if precision is None:
        method = published.removeprefix("?")
        raise InputError(
            f"the weights are quantised by {method!r}, and the configuration does not tell how many bits they take; "
            "name a format, such as --precision int4 or --precision 4.5bpw (bits per weight)"
        )
    return precision


def find_precision(name: str, model_name: str = "", published: str = "") -> Precision:
    """A format by its spelling; where it says nothing, by the suffix of the model's name; else the one that the model
    is `published` in; else 16 bit.

    >>> find_precision("FP8").name, find_precision("", "Qwen2.5-72B-Instruct-AWQ").name, find_precision("w4a16").name
    ('fp8', 'int4', 'int4')

    :raises UnknownName: a spelling that means nothing
    :raises InputError: nothing says it, and the configuration does not tell what it is published in
    """
    text = name.strip().lower()
    text = re.sub(
        r"[+/, ]*(kv[-_ =:]*(cache)?[-_ =:]*(fp8|int8)|(fp8|int8)[-_ ]*kv[-_ ]*(cache)?)", "", text
    )  # the cache's
    if text == "fp8" and re.search(r"(meta-llama-3\.1-405b|llama-4).*fp8", model_name.lower()):
        text = "fp8-mlp"  # Meta's own checkpoints leave attention in 16 bit
    if precision := get_precision(text):
        return precision
    for pattern, meant in _SPELLINGS:
        if text and re.search(pattern, text):
            return PRECISIONS[meant]
    if text:
        raise UnknownName("precision", name, PRECISIONS)
    if model_name.endswith(".json") or "/config" in model_name:  # a path, not a name
        return _get_published(published)
    suffix = re.search(
        r"(mxfp4|nvfp4|fp4|fp8|int8|int4|awq|gptq|w4a16|w8a8|w8a16|w4a8|q[2-8](?:_[k0](?:_[ms])?)?)(?![a-z0-9])",
        model_name.lower(),
    )
    if suffix:
        return find_precision(suffix[1], model_name)
    return _get_published(published)


class EngineDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """A serving engine's defaults. `reserve`: a request takes its room at its full length, or as it grows."""

    name: str
    kind: Literal["compiled", "python", "cpp"]  # which fitted overheads apply
    utilisation: float = 0.9  # of the memory the driver shows
    max_num_seqs: int
    max_batched_tokens: int = 8192
    reserve: Literal["full", "grow"] = "grow"
    fp8_kv: bool = False  # whether an FP8 checkpoint brings an FP8 cache
    slot_tokens: int = 0  # context of one slot, where room is given to slots; 0: shared
    sampler_copies: float = 0.0  # of max_num_seqs x vocabulary in 32 bit, at the peak of sampling; 0: sampled in place
    front: Literal["python", "native"] = "python"  # what tokenises and answers before the scheduler
    collective_gib: float = 1.6  # drivers and communication on each of four or more accelerators
    source: str = ""


ENGINES: Final = {
    item.name: item
    for item in (
        EngineDefaults(
            name="vllm",
            kind="python",
            max_num_seqs=256,
            max_batched_tokens=2048,
            sampler_copies=3.5,
            collective_gib=2.05,
            source="vLLM 0.19: gpu_memory_utilization 0.9; max_num_seqs 256 and max_num_batched_tokens 2048, on cards "
            "of 70 GiB and more but A100 1024 and 8192 (EngineArgs, usage context OPENAI_API_SERVER)",
        ),
        EngineDefaults(
            name="sglang",
            kind="python",
            utilisation=0.88,
            max_num_seqs=2048,
            sampler_copies=3.5,
            source="SGLang server arguments: mem_fraction_static about 0.88, chunked_prefill_size 8192",
        ),
        EngineDefaults(
            name="tensorrt-llm",
            kind="compiled",
            utilisation=0.93,
            max_num_seqs=2048,
            reserve="full",
            fp8_kv=True,
            source="TensorRT-LLM: max_batch_size 2048, max_num_tokens 8192, no eviction; its tables use 0.9-0.95",
        ),
        EngineDefaults(
            name="nim",
            kind="compiled",
            max_num_seqs=256,
            reserve="full",
            fp8_kv=True,
            source="NVIDIA NIM runs TensorRT-LLM profiles where it has one",
        ),
        EngineDefaults(
            name="lmdeploy",
            kind="compiled",
            utilisation=0.85,
            max_num_seqs=256,
            source="LMDeploy TurboMind: cache_max_entry_count 0.8 of what is free, max_batch_size 128-256",
        ),
        EngineDefaults(
            name="tgi",
            kind="python",
            utilisation=0.9,
            max_num_seqs=256,
            max_batched_tokens=4096,
            source="Text Generation Inference: max_batch_prefill_tokens 4096",
        ),
        EngineDefaults(
            name="llama.cpp",
            kind="cpp",
            utilisation=0.95,
            max_num_seqs=64,
            max_batched_tokens=2048,
            reserve="full",
            source="llama.cpp server: n_parallel slots, n_batch 2048",
        ),
        EngineDefaults(
            name="embedded",
            kind="cpp",
            utilisation=0.5,
            max_num_seqs=8,
            max_batched_tokens=2048,
            reserve="full",
            slot_tokens=2048,
            source="steward's own llama.cpp: models[].slots 8 of models[].context 2048, batch 2048; half of the memory",
        ),
    )
}
# Peak of vLLM's sampler while it profiles, in copies of the logits in 32 bit. Sorting for top-p and top-k takes nine
# (8.99 to 9.23 in six logs of 0.11 in llm-d-benchmark's empirical-vllm-memory-results.md); since 0.17 a kernel does
# without (3.3 and 3.9 in logs of 0.19.1 on H200 and 0.19.0 on A100).
SORTING_COPIES: Final = 9.07
SORTS_BEFORE: Final = (0, 17)
# What vLLM keeps on each of four and more accelerators beside weights, cache and the sampler: 1.6 GiB in one log of 0.9
# (4 x H100), 0.63 to 0.71 in eight logs of 0.11 to 0.16, 2.05 in two of 0.18, 2.95 in one of 0.20 (4 x H200; all of
# Llama-3.3-70B in the validation_db.json of ashishkamra/vllm-memory-estimator @8b0e21d1ec49).
COLLECTIVES_GIB: Final = (((0, 10), 1.6), ((0, 17), 0.7), ((0, 20), 2.05))
NEWEST_COLLECTIVES_GIB: Final = 2.95


def at_version(engine: EngineDefaults, version: str) -> EngineDefaults:
    """An engine's defaults in another version, such as "0.11.0"; unchanged where the version says nothing. With
    "+flashinfer" the sampler is FlashInfer's, which samples in place.

    >>> at_version(ENGINES["vllm"], "v0.11.0").sampler_copies, at_version(ENGINES["vllm"], "").sampler_copies
    (9.07, 3.5)
    >>> at_version(ENGINES["vllm"], "0.10.1+flashinfer").sampler_copies
    0.0
    """
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if engine.name != "vllm" or numbers is None:
        return engine
    release = int(numbers[1]), int(numbers[2])
    copies = SORTING_COPIES if release < SORTS_BEFORE else engine.sampler_copies
    collective = next((gib for before, gib in COLLECTIVES_GIB if release < before), NEWEST_COLLECTIVES_GIB)
    if "flashinfer" in version.lower():
        copies = 0.0
    return msgspec.structs.replace(engine, sampler_copies=copies, collective_gib=collective)


_ENGINE_SPELLINGS: Final = (
    (r"nim", "nim"),
    (r"tensorrt|trt|triton", "tensorrt-llm"),
    (r"sglang|sgl", "sglang"),
    (r"lmdeploy|turbomind", "lmdeploy"),
    (r"text.generation.inference|tgi", "tgi"),
    (r"embedded", "embedded"),
    (r"llama\.?cpp|llamacpp|ollama|gguf|exllama", "llama.cpp"),
    (r"vllm", "vllm"),
)


def find_engine(name: str) -> EngineDefaults | None:
    """None where nothing of the name is known. Behind Triton, a server in C++, stands the same TensorRT-LLM.

    >>> find_engine("TensorRT-LLM (Triton backend)").name, find_engine("vLLM 0.6").name
    ('tensorrt-llm', 'vllm')
    """
    text = name.lower()
    for pattern, meant in _ENGINE_SPELLINGS:
        if re.search(pattern, text):
            native = meant == "tensorrt-llm" and "triton" in text
            return msgspec.structs.replace(ENGINES[meant], front="native") if native else ENGINES[meant]
    return None
