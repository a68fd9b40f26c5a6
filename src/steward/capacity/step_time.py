"""How long one step of an engine takes: roofline of matrices and KV cache, communication, fixed costs.

A step processes `decode` sequences by one token each and `prefill` tokens of new prompts. Time is the p-norm of memory
and arithmetic time (between their sum and their maximum), plus attention, all-reduces, launches and scheduling. The few
efficiency terms are in `Terms`; `scripts/fit_planner.py` fits them to the shipped measurements, `calibrate.py` to a
user's own. What it does not know: clock throttling, speculative decoding, prefix caches, kernels' shape quirks.

Formulas: docs/explanation/capacity.md; all-reduce bytes 2(n-1)/n (ring), expected experts hit
E(1-(1-k/E)^tokens) under uniform routing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from steward.capacity.catalog import TABLES
from steward.capacity.memory import Deployment, compute_block_bytes, compute_kv_bytes_per_token


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Efficiencies as shares of the datasheet, times in microseconds unless the name says otherwise."""

    bandwidth: float = 0.85  # of weights
    kv_bandwidth: float = 0.75
    matrix_16: float = 0.70
    matrix_8: float = 0.55
    matrix_4: float = 0.35
    attention: float = 0.40  # of the 16-bit rate, in prefill
    overlap: float = 2.5  # p of the norm of memory and arithmetic time
    expert: float = 0.6  # further factor on routed experts' bandwidth
    expert_matrix: float = 0.4  # and on their arithmetic
    layer_compiled_us: float = 25.0
    layer_python_us: float = 40.0
    moe_layer_us: float = 60.0  # more, for a layer with experts
    step_us: float = 1500.0  # scheduling and sampling of a step
    sequence_us: float = 8.0  # of each decoding sequence in a step
    allreduce_us: float = 8.0
    link: float = 0.6
    request_ms: float = 12.0  # tokenising and the API, one request after the other
    request_native_ms: float = 5.0  # the same, where the server before the engine is not written in Python
    stall: float = 1.0  # how much of a prompt's time decoding waits for; below 1 where prompts are partly cached
    scale: float = 1.0  # of every step; calibration's


WIDTHS: Final = {  # log-normal width of each fitted term's prior; the defaults above are its centre
    "bandwidth": 0.10, "kv_bandwidth": 0.15, "matrix_16": 0.15, "matrix_8": 0.15, "matrix_4": 0.30, "attention": 0.5,
    "overlap": 0.3, "expert": 0.4, "expert_matrix": 0.4, "layer_compiled_us": 0.4, "layer_python_us": 0.4,
    "moe_layer_us": 0.5, "step_us": 0.4, "sequence_us": 0.5, "allreduce_us": 0.5, "link": 0.3, "request_ms": 0.5,
    "request_native_ms": 0.5,
}  # fmt: skip


def load_shipped_terms() -> Terms:
    return msgspec.json.decode((TABLES / "terms.json").read_bytes(), type=Terms)


# How much of the NVIDIA-fitted efficiency other vendors' stacks reach on matrices and memory: MI300X GEMM in the
# ROCm and vLLM blogs of 2024-2025 about 45-50 % of peak where H100 reaches 65-70 %. Not fitted; no rows shipped.
_VENDOR: Final = {
    "AMD": (0.7, 0.9),
    "Intel": (0.7, 0.85),
    "Google": (0.75, 0.9),
    "AWS": (0.6, 0.85),
    "Apple": (0.8, 0.9),
}


class StepTime:
    """A deployment's step time with all constants worked out. Calls are cheap: about two microseconds."""

    __slots__ = (
        "api_s", "attention_s", "comm_byte_s", "comm_s", "dense_flop_s", "dense_load_s", "expert_flop_s",
        "expert_load_s", "experts", "fixed_s", "head_flop_s", "kv_s", "norm", "pp", "routed", "scale",
        "sequence_s", "slide_share", "stall", "window",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, terms: Terms) -> None:
        d, m, t = deployment, deployment.model, terms
        matrix, memory = _VENDOR.get(d.gpu.vendor, (1.0, 1.0))
        rate = _matrix_flop_s(d, t) * matrix * d.tp * d.dp  # flop/s of the replica's one stage
        bandwidth = d.gpu.bandwidth_gb_s * 1e9 * memory
        block_bytes = compute_block_bytes(m, d.precision)
        head_bytes = m.vocab * m.hidden * (d.precision.weight_bytes if d.precision.embeddings_too else 2.0)
        self.dense_load_s = (block_bytes + head_bytes) / d.tp / (bandwidth * t.bandwidth)
        self.dense_flop_s = 2.0 * m.dense_block_params / rate
        self.head_flop_s = 2.0 * m.vocab * m.hidden / rate
        self.experts, self.routed = m.experts, (m.experts_per_token / m.experts if m.experts else 0.0)
        split = d.moe_split or d.tp * d.dp
        routed = m.moe_layers * m.expert_params
        self.expert_load_s = routed * d.precision.weight_bytes / split / (bandwidth * t.bandwidth * t.expert)
        self.expert_flop_s = 2.0 * routed * m.experts_per_token / (rate / (d.tp * d.dp) * split * t.expert_matrix)
        width = m.heads * (m.mla_nope + m.mla_rope + m.mla_v if m.mla_kv_rank else 2 * m.head_dim)
        peak16 = d.gpu.bf16_tflops * 1e12 * matrix * d.tp * d.dp
        self.attention_s = 2.0 * m.attentions * width / (peak16 * t.attention)  # of one pair of tokens
        self.kv_s = compute_kv_bytes_per_token(d) * d.pp / d.dp / (bandwidth * t.kv_bandwidth)
        self.window, self.slide_share = m.sliding_window, m.sliding_layers / m.caches
        self.norm = t.overlap
        self.pp = d.pp
        layer = t.layer_compiled_us if d.engine.kind == "compiled" else t.layer_python_us
        self.fixed_s = 1e-6 * (m.layers * layer + m.moe_layers * t.moe_layer_us + t.step_us)
        states = m.mixer_layers * m.state_bytes / (d.tp * d.dp) / (bandwidth * t.kv_bandwidth)
        self.sequence_s = 1e-6 * t.sequence_us + 2 * states  # a state is read and written
        self.comm_s = self.comm_byte_s = 0.0
        group = max(d.tp, min(split, d.gpus) if m.experts else 1)
        if group > 1:
            link = (d.gpu.link_gb_s or 32.0) * 1e9 * t.link
            hops = m.attentions + m.mixer_layers + m.blocks  # each part of a layer ends with one
            self.comm_s = 1e-6 * hops * t.allreduce_us
            self.comm_byte_s = hops * m.hidden * 2.0 * 2 * (group - 1) / group / link
        self.comm_s += 1e-6 * (d.pp - 1) * 30.0
        self.api_s = 1e-3 * (t.request_native_ms if d.engine.front == "native" else t.request_ms)
        self.scale, self.stall = t.scale, t.stall

    def is_same_as(self, other: StepTime) -> bool:
        """Whether every step takes the same time."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def step_s(
        self, decode: float, context: float, prefill: float = 0.0, pairs: float = 0.0, prompts: float = 0.0
    ) -> float:
        """Seconds of a step: `decode` sequences whose contexts sum to `context` tokens; `prefill` prompt tokens of
        `prompts` prompts that attend `pairs` (query, key) pairs."""
        if self.stall != 1.0 and prefill and decode:
            alone = self._step_s(decode, context, 0.0, 0.0, 0.0)
            return alone + self.stall * (self._step_s(decode, context, prefill, pairs, prompts) - alone)
        return self._step_s(decode, context, prefill, pairs, prompts)

    def _step_s(self, decode: float, context: float, prefill: float, pairs: float, prompts: float) -> float:
        pp = self.pp
        decode, context, prefill, pairs = decode / pp, context / pp, prefill / pp, pairs / pp
        tokens = decode + prefill
        arithmetic = self.dense_flop_s * tokens + self.head_flop_s * (decode + prompts / pp)
        load = self.dense_load_s
        time = _p_norm(load, arithmetic, self.norm)
        if self.experts:
            hit = self.experts * (1.0 - (1.0 - self.routed) ** max(tokens, 1.0))
            time += _p_norm(self.expert_load_s * hit, self.expert_flop_s * tokens, self.norm)
        if self.slide_share and decode > 0 and context / decode > self.window:
            context = (1 - self.slide_share) * context + self.slide_share * self.window * decode
        time += self.kv_s * context + self.attention_s * pairs
        time += self.fixed_s + self.sequence_s * decode + self.comm_s + self.comm_byte_s * tokens
        return time * self.scale

    def prefill_s(self, tokens: float, prompts: float = 1.0) -> float:
        """A step that reads `prompts` whole prompts of `tokens` each."""
        return self.step_s(0, 0, tokens * prompts, self.count_pairs(0, tokens) * prompts, prompts)

    def count_pairs(self, start: float, count: float) -> float:
        """(query, key) pairs of `count` tokens after `start`; sliding layers see their window only."""
        whole = count * (start + count / 2)
        if not self.slide_share or start + count <= self.window:
            return whole
        return (1 - self.slide_share) * whole + self.slide_share * min(whole, count * self.window)


def _p_norm(one: float, other: float, p: float) -> float:
    """
    >>> round(_p_norm(3.0, 4.0, 2.0), 6)
    5.0
    """
    high, low = (one, other) if one > other else (other, one)
    return high * (1.0 + (low / high) ** p) ** (1.0 / p) if high > 0 else 0.0


def _matrix_flop_s(d: Deployment, t: Terms) -> float:
    """flop/s of one accelerator in the format's arithmetic; formats it lacks fall back to the next wider one."""
    gpu, kind = d.gpu, d.precision.arithmetic
    if kind == "4" and gpu.fp4_tflops:
        return gpu.fp4_tflops * 1e12 * t.matrix_4
    eight = (
        gpu.fp8_tflops if d.precision.name.startswith(("fp8", "fp4", "mxfp4")) else (gpu.int8_tops or gpu.fp8_tflops)
    )
    if kind in ("8", "4") and eight:
        return eight * 1e12 * t.matrix_8
    return gpu.bf16_tflops * 1e12 * t.matrix_16
