"""What fits where: weights, KV cache, activations and what the engine keeps, per accelerator.

KV bytes per token follow the architecture exactly (they match engines' logs to 0.01 GiB); the engine's own need is an
estimate: vLLM's peak while profiling is its sampler, some copies of max_num_seqs x vocabulary x 4 bytes that depend on
its version (`engines.at_version`), or the feed-forward part over one step's tokens.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from steward.capacity.catalog import Accelerator, Model
from steward.capacity.engines import EngineDefaults, Precision

GIB: Final = 2**30
# NCCL and drivers on one accelerator and on two (medians of llm-d-benchmark's table); on four and more the engine says.
NON_TORCH_GIB: Final = (0.14, 0.56)
FIXED_GIB: Final = 0.35  # what remains in the logs of vLLM 0.15.1 with 128 sequences


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One replica: a model on `tp` x `pp` x `dp` equal accelerators, served by an engine."""

    model: Model
    gpu: Accelerator
    precision: Precision
    engine: EngineDefaults
    tp: int = 1
    pp: int = 1
    dp: int = 1  # data-parallel attention within the replica (experts are split over all)
    moe_split: int = 0  # accelerators that share the experts; 0: all
    kv_bytes: float = 2.0  # of one value
    max_num_seqs: int = 256
    max_batched_tokens: int = 8192
    utilisation: float = 0.9
    max_model_len: int = 0  # 0: the model's

    @property
    def gpus(self) -> int:
        return max(self.tp * self.pp * self.dp, self.moe_split)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """GiB on each accelerator of a replica, and what its KV cache holds."""

    visible_gib: float
    usable_gib: float  # utilisation x visible
    weights_gib: float
    activation_gib: float
    overhead_gib: float  # drivers, communication, graphs
    kv_gib: float  # what remains; negative: it does not fit
    kv_bytes_per_token: float  # on one accelerator, at full attention
    kv_tokens: int  # of the replica

    @property
    def fits(self) -> bool:
        return self.kv_tokens > 0


def estimate_memory(deployment: Deployment) -> Memory:
    d = deployment
    weights = compute_weight_bytes(d) / GIB
    activation = compute_activation_bytes(d) / GIB
    overhead = 0.0 if d.gpu.is_cpu else _non_torch_gib(d) + FIXED_GIB + compute_workspace_bytes(d) / GIB
    usable = d.gpu.memory_gib * d.utilisation
    kv = usable - weights - activation - overhead
    per_token = compute_kv_bytes_per_token(d)
    tokens = max(0, int(kv * GIB / per_token)) * d.dp
    if d.engine.slot_tokens:
        tokens = min(tokens, d.engine.slot_tokens * d.max_num_seqs)
    return Memory(
        visible_gib=d.gpu.memory_gib,
        usable_gib=usable,
        weights_gib=weights,
        activation_gib=activation,
        overhead_gib=overhead,
        kv_gib=kv,
        kv_bytes_per_token=per_token,
        kv_tokens=tokens,
    )


def _non_torch_gib(deployment: Deployment) -> float:
    return deployment.engine.collective_gib if deployment.gpus > 3 else NON_TORCH_GIB[deployment.gpus > 1]


def compute_workspace_bytes(deployment: Deployment) -> float:
    """Two buffers that an engine keeps for experts in 8 bit: a step's tokens at each of their experts, in 16 bit. Logs
    of vLLM 0.11 on H200 show 1.0 GiB for Qwen3-235B and 1.8 GiB for DeepSeek-R1 that their 16-bit relatives lack."""
    d, m = deployment, deployment.model
    if d.engine.kind != "python" or d.precision.arithmetic != "8" or not m.experts:
        return 0.0
    return 2 * 2.0 * d.max_batched_tokens * m.experts_per_token * m.hidden


def _repeated_bytes(deployment: Deployment) -> float:
    """What stands on every accelerator rather than in parts: the routers, the down-projections of latent attention, and
    its up-projection of keys and values a second time in 16 bit, as it is absorbed (vLLM; three logs of DeepSeek)."""
    d, m, p = deployment, deployment.model, deployment.precision
    kept = 1 - 1 / (d.tp * d.pp)
    routers = m.moe_layers * m.experts * m.hidden * 2.0 * kept
    if not m.mla_kv_rank or d.engine.kind != "python":
        return routers
    down = m.hidden * (m.mla_q_rank + m.mla_kv_rank + m.mla_rope) * p.weight_bytes * kept
    absorbed = m.mla_kv_rank * m.heads * (m.mla_nope + m.mla_v) * 2.0 / d.tp
    return routers + m.attentions / d.pp * (down + absorbed)


def compute_weight_bytes(deployment: Deployment) -> float:
    """On one accelerator. Packed formats keep embeddings in 16 bit unless they say otherwise; MXFP4 packs the routed
    experts only, their width padded to 256 (gpt-oss-20b: 13.44 GiB so, logged 13.47)."""
    d, m, p = deployment, deployment.model, deployment.precision
    packed, plain = p.weight_bytes, 2.0
    share = 1.0
    if p.name == "mxfp4" and m.moe_intermediate:
        share = math.ceil(m.moe_intermediate / 256) * 256 / m.moe_intermediate
    routed = m.moe_layers * m.experts * m.expert_params * packed * share
    block = compute_block_bytes(m, p)
    embedding = (m.embedding_params + m.lookup_params) * (packed if p.embeddings_too else plain)
    split = d.tp * d.pp
    whole = routed / (d.moe_split or split * d.dp) + (block + embedding) / split
    return whole + _repeated_bytes(d) + m.encoder_gib * GIB / d.tp


def compute_block_bytes(model: Model, precision: Precision) -> float:
    """Of all layers without their routed experts. A format for experts packs a dense model whole."""
    packed, plain = precision.weight_bytes, 2.0
    if precision.experts_only and model.experts:
        return model.dense_block_params * plain
    attention = model.attentions * model.attention_params * (plain - packed) if precision.attention_plain else 0.0
    return model.dense_block_params * packed + attention


def compute_kv_bytes_per_token(deployment: Deployment) -> float:
    """On one accelerator, full attention in all layers that keep a KV cache. Heads that do not divide are repeated on
    each rank; MLA's latent is repeated on all of them (vllm-project/vllm#51454), and so are an indexer's keys, in 8 bit
    with a 32-bit scale."""
    d, m = deployment, deployment.model
    layers = m.caches / d.pp
    index = m.index_dim + 4 if m.index_dim else 0
    if m.mla_kv_rank:
        return layers * ((m.mla_kv_rank + m.mla_rope) * d.kv_bytes + index)
    return layers * (2 * math.ceil(m.kv_heads / d.tp) * m.head_dim * d.kv_bytes + index)


def count_kv_tokens(deployment: Deployment, context: float) -> float:
    """How many full-attention tokens a request of that context takes: sliding layers stop at their window; recurrent
    ones keep a state of fixed size."""
    m = deployment.model
    tokens = context
    if m.sliding_window:
        share = m.sliding_layers / m.caches
        tokens = (1 - share) * context + share * min(context, m.sliding_window)
    if m.state_bytes:
        states = m.mixer_layers * m.state_bytes / (deployment.tp * deployment.pp)
        tokens += states / compute_kv_bytes_per_token(deployment)
    return tokens


def compute_activation_bytes(deployment: Deployment) -> float:
    """The larger of the sampler's peak and the feed-forward part's over one step's tokens."""
    d, m = deployment, deployment.model
    if d.engine.kind == "cpp":
        return d.max_batched_tokens * (m.hidden * 8.0 + m.vocab)
    sampler = max(1.0, d.engine.sampler_copies) * d.max_num_seqs * m.vocab * 4.0
    width = max(m.intermediate, m.moe_intermediate * m.experts_per_token) / d.tp
    forward = d.max_batched_tokens * (3 * m.hidden + 3 * width) * 2.0
    return max(sampler, forward)


def default_max_num_seqs(engine: EngineDefaults, gpu: Accelerator) -> int:
    """vLLM takes 1024 slots on cards of 70 GiB and more, but A100 (its usage-context defaults), else 256."""
    return 1024 if engine.name == "vllm" and _is_large(gpu) else engine.max_num_seqs


def default_max_batched_tokens(engine: EngineDefaults, gpu: Accelerator) -> int:
    """Likewise: 8192 tokens a step on those cards, else 2048."""
    return 8192 if engine.name == "vllm" and _is_large(gpu) else engine.max_batched_tokens


def _is_large(gpu: Accelerator) -> bool:
    return gpu.memory_gib > 70 and "A100" not in gpu.name
