"""What each layer of a model is: attention with or without a window, a recurrent mixer, dense or with experts.

Rules are those of transformers' configuration classes, by the fields that families use. A recurrent mixer keeps a state
of fixed size for each sequence, in place of a KV cache that grows. A kind of layer that is not known makes the whole
plan None: the caller declines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgspec

Kind = Literal["full", "sliding", "mixer", "both", "none"]  # both: attention beside a mixer; none: no sequence mixing


class Fields(Protocol):
    """A configuration's fields; `model_config.Shape`."""

    family: str
    mixed: bool  # transformers' default for the family has layers of several kinds
    fields: Mapping[str, Any]

    def get(self, *names: str) -> Any: ...

    def count(self, *names: str) -> int: ...


class LayerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of layers by what they hold; widths of their experts; a mixer's parameters and state."""

    attention: int  # with projections for queries, keys and values
    kv: int  # of these, how many keep a KV cache of their own
    sliding: int
    window: int
    mixers: int
    mixer_params: int  # of one
    state_bytes: int  # of one mixer, a sequence
    ffn: int
    ffn_width: int  # where the mean of the layers is not a field of the configuration; else 0
    moe: int
    experts: int
    experts_per_token: int
    expert_width: int
    shared_width: int
    output_gate: bool  # queries are projected twice, once for a gate

    def attention_extra(self, hidden: int, heads: int, head_dim: int) -> int:
        """Parameters of an attention layer beside its four projections."""
        return hidden * heads * head_dim if self.output_gate else 0


KINDS: Final[dict[str, Kind]] = {  # as transformers 4 and 5, and the authors' own code, name layers
    "full_attention": "full", "attention": "full", "indexed_attention": "full", "global_attention": "full",
    "sliding_attention": "sliding", "chunked_attention": "sliding", "local_attention": "sliding",
    "linear_attention": "mixer", "mamba": "mixer", "mamba2": "mixer", "conv": "mixer", "recurrent": "mixer",
    "moe": "none", "mlp": "none", "hybrid": "both",
}  # fmt: skip
PATTERN_LETTERS: Final[dict[str, Kind]] = {"M": "mixer", "*": "full", "-": "none", "E": "none"}  # Nemotron-H
_RECURRENT: Final = re.compile(
    r"mamba|ssm_|^linear_(?!bias)|conv_l_cache|rwkv|lru_width|short_conv|retention|xlstm", re.I
)
_SEPARATE: Final = ("nemotron_h",)  # families in which a layer is either a mixer, attention or a feed-forward part


def plan_layers(shape: Fields, layers: int, hidden: int) -> LayerPlan | None:
    """None: which layers keep a KV cache cannot be told."""
    kinds = list_kinds(shape, layers)
    if kinds is None:
        return None
    mixer = describe_mixer(shape, hidden) if {"mixer", "both"} & set(kinds) else (0, 0)
    if mixer is None:
        return None
    attention = sum(kind in ("full", "sliding", "both") for kind in kinds)
    if not attention:
        return None
    experts = shape.count(*EXPERTS)
    ffn = _count_ffn(shape, kinds)
    moe = _count_moe(shape, layers) if experts > 1 else 0
    shared = shape.count("num_kv_shared_layers") or _count_cross_layer(shape, attention)
    routed = bool(moe)
    width = shape.count(*EXPERT_WIDTHS) if routed else 0
    return LayerPlan(
        attention=attention,
        kv=attention - shared,
        sliding=min(sum(kind == "sliding" for kind in kinds), attention - shared),
        window=shape.count(*WINDOWS),
        mixers=sum(kind in ("mixer", "both") for kind in kinds),
        mixer_params=mixer[0],
        state_bytes=mixer[1],
        ffn=ffn,
        ffn_width=_mean_block_width(shape, hidden),
        moe=moe,
        experts=experts if routed else 0,
        experts_per_token=shape.count(*EXPERTS_PER_TOKEN) if routed else 0,
        expert_width=width,
        shared_width=_read_shared_width(shape, width) if routed else 0,
        output_gate=bool(shape.get("attn_output_gate")) or shape.family.startswith(("qwen3_next", "qwen3_5")),
    )


def _count_cross_layer(shape: Fields, attention: int) -> int:
    """Layers that read the KV cache of the one before (cross-layer attention: Hunyuan-Large, arXiv 2411.02265)."""
    factor = shape.count("cla_share_factor") if shape.get("use_cla") else 1
    return attention - math.ceil(attention / max(1, factor))


WINDOWS: Final = ("sliding_window", "attention_chunk_size", "attention_window_size", "sliding_window_size")
EXPERTS: Final = (
    "num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts", "num_moe_experts", "ffn_num_experts",
)  # fmt: skip
EXPERTS_PER_TOKEN: Final = (
    "num_experts_per_tok", "moe_k", "moe_topk", "moe_top_k", "num_experts_per_token", "experts_per_token",
    "num_selected_experts", "top_k_experts",
)  # fmt: skip
EXPERT_WIDTHS: Final = (
    "moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size", "ffn_hidden_size", "intermediate_size",
    "hidden_dim",
)  # fmt: skip


def list_kinds(shape: Fields, layers: int) -> list[Kind] | None:
    """What mixes the sequence in each layer. None: it cannot be told."""
    for rule in (_by_blocks, _by_list, _by_pattern, _by_interval, _by_sliding_rule):
        if rule is _by_sliding_rule and _has_recurrent_fields(shape):
            return None
        kinds = rule(shape, layers)
        if kinds is not None:
            known = [kind for kind in kinds if kind is not None]
            return known if len(known) == len(kinds) == layers else None
    if shape.get("use_sliding_window") is False:
        return ["full"] * layers
    return None if shape.mixed else ["full"] * layers


def _has_recurrent_fields(shape: Fields) -> bool:
    return any(_RECURRENT.search(name) and value for name, value in shape.fields.items())


def _by_blocks(shape: Fields, layers: int) -> list[Kind | None] | None:
    """Llama-Nemotron: layers of which attention or the feed-forward part was pruned away."""
    blocks = shape.get("block_configs")
    if not isinstance(blocks, list):
        return None
    kept = [isinstance(block.get("attention"), dict) and block["attention"].get("n_heads_in_group") for block in blocks]
    return ["full" if each else "none" for each in kept]


def _mean_block_width(shape: Fields, hidden: int) -> int:
    """Of Llama-Nemotron's feed-forward parts: 2/3 of a multiple of the hidden size, rounded up to 256."""
    blocks = shape.get("block_configs")
    if not isinstance(blocks, list):
        return 0
    multiples = [block["ffn"].get("ffn_mult") or 0 for block in blocks if isinstance(block.get("ffn"), dict)]
    widths = [256 * math.ceil(int(2 * each * hidden / 3) / 256) for each in multiples if each]
    return round(sum(widths) / len(widths)) if widths else 0


def _by_list(shape: Fields, layers: int) -> list[Kind | None] | None:
    named = shape.get("layer_types", "layers_block_type", "block_types", "attn_type_list")
    if not isinstance(named, list) or not named:
        linear = shape.get("linear_attn_config")
        if isinstance(linear, dict) and linear.get("full_attn_layers"):  # Kimi Linear: numbered from 1
            full = set(linear["full_attn_layers"])
            return ["full" if layer in full else "mixer" for layer in range(1, layers + 1)]
        return None
    repeated = [named[layer % len(named)] for layer in range(layers)]  # RecurrentGemma names one block
    numbered: dict[object, Kind] = {0: "mixer", 1: "full"}  # MiniMax-Text-01
    return [KINDS.get(kind) if isinstance(kind, str) else numbered.get(kind) for kind in repeated]


def _by_pattern(shape: Fields, layers: int) -> list[Kind | None] | None:
    text = shape.get("hybrid_override_pattern")
    return [PATTERN_LETTERS.get(letter) for letter in text] if isinstance(text, str) else None


def _by_interval(shape: Fields, layers: int) -> list[Kind | None] | None:
    """Families that repeat: one attention layer among so many, at a place that their configuration class sets."""
    numbers = range(layers)
    if shape.family == "falcon_h1":
        return ["both"] * layers
    if shape.family.startswith(("qwen3_next", "qwen3_5", "olmo_hybrid")):
        every = shape.count("full_attention_interval") or 4
        return ["full" if (number + 1) % every == 0 else "mixer" for number in numbers]
    if period := shape.count("attn_layer_period"):  # Jamba
        offset = shape.count("attn_layer_offset")
        return ["full" if number % period == offset else "mixer" for number in numbers]
    for name in ("attn_layer_indices", "full_attn_idxs"):  # Bamba, LFM2
        indices = shape.get(name)
        if isinstance(indices, list):
            return ["full" if number in indices else "mixer" for number in numbers]
    if shape.family == "bailing_hybrid" or "layer_group_size" in shape.fields:  # Ling and Ring 2.5
        group = shape.count("layer_group_size") or layers
        return ["full" if (number + 1) % group == 0 else "mixer" for number in numbers]
    if shape.family == "minimax":
        return ["full" if number % 2 else "mixer" for number in numbers]
    return None


_EVERY: Final = {  # one full layer in so many, where neither a list nor a number says it
    "gemma2": 2, "vaultgemma": 2, "gpt_oss": 2, "gemma3_text": 6, "gemma3": 6, "gemma3n_text": 5, "cohere2": 4,
    "olmo3": 4, "cwm": 4, "llama4_text": 4, "gemma4_text": 6, "exaone4": 4, "afmoe": 4, "exaone_moe": 4,
    "modernbert-decoder": 3,
}  # fmt: skip
_FIRST_FULL: Final = ("cwm", "modernbert-decoder")  # the first layer of each group is the full one; else the last


def _by_sliding_rule(shape: Fields, layers: int) -> list[Kind | None] | None:
    numbers = range(layers)
    if shape.family == "llama4_text" and not shape.count("attention_chunk_size"):
        return None
    if not shape.count(*WINDOWS) or shape.get("use_sliding_window") is False:
        return None
    pattern = shape.get("sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers")
    if isinstance(pattern, str):  # "LLLG": local and global
        return ["full" if pattern[number % len(pattern)] in "Gg" else "sliding" for number in numbers]
    every = _EVERY.get(shape.family, 0)
    if isinstance(pattern, int) and pattern > 0 and ("sliding_window_pattern" in shape.fields or not every):
        every = pattern
    if every:
        first = shape.family in _FIRST_FULL
        return ["full" if (number if first else number + 1) % every == 0 else "sliding" for number in numbers]
    if shape.family.startswith(("qwen2", "qwen3")):
        below = shape.count("max_window_layers")
        if not shape.get("use_sliding_window"):
            return None
        return ["sliding" if number >= below else "full" for number in numbers]
    return None if shape.mixed else ["sliding"] * layers


def _count_ffn(shape: Fields, kinds: Sequence[Kind]) -> int:
    """Layers with a feed-forward part: all of them, but where layers are of one kind each."""
    if shape.family in _SEPARATE:
        return sum(kind == "none" for kind in kinds)
    if isinstance(blocks := shape.get("block_configs"), list):
        return sum(bool(isinstance(block.get("ffn"), dict) and block["ffn"].get("ffn_mult")) for block in blocks)
    return len(kinds)


def _count_moe(shape: Fields, layers: int) -> int:
    """Layers whose feed-forward part has experts."""
    named = shape.get("mlp_layer_types")
    if isinstance(named, list):
        return sum(kind in ("sparse", "moe") for kind in named)
    if shape.family in _SEPARATE:
        named = shape.get("hybrid_override_pattern", "layer_types", "layers_block_type") or ()
        return sum(kind in ("E", "moe") for kind in named)
    if period := shape.count("expert_layer_period"):
        offset = shape.count("expert_layer_offset")
        return sum(number % period == offset for number in range(layers))
    chosen = shape.get("moe_layers", "moe_layers_enum")
    chosen = chosen.split(",") if isinstance(chosen, str) else chosen  # Step-3: "4,5,6"
    if isinstance(chosen, list):
        return len(chosen)
    if isinstance(frequency := shape.get("moe_layer_freq"), list):
        return sum(bool(each) for each in frequency)
    first = shape.count("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", "first_k_dense")
    last = shape.count("moe_layer_end_index")
    last = last if "moe_layer_end_index" in shape.fields and last >= 0 else layers - 1
    every = shape.count("interleave_moe_layer_step", "decoder_sparse_step", "moe_layer_interval", "moe_layer_freq")
    dense = shape.get("mlp_only_layers") or ()
    return sum((number + 1) % (every or 1) == 0 and number not in dense for number in range(first, last + 1))


def _read_shared_width(shape: Fields, width: int) -> int:
    """All shared experts of a layer together."""
    one = shape.count("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "share_expert_dim")
    count = shape.count(
        "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert", "num_shared_experts"
    )
    if one:
        return one * max(1, count) if shape.family == "nemotron_h" else one
    whole = shape.count("shared_intermediate_size")
    if whole:
        return whole
    if shape.family == "llama4_text":
        return width
    return count * width


# -- recurrent mixers --------------------------------------------------------------------------------


def describe_mixer(shape: Fields, hidden: int) -> tuple[int, int] | None:
    """Parameters of a mixer, and bytes of its state for a sequence. None: of a kind that is not known.

    Convolution states are kept in 16 bit, recurrent ones as the configuration says, else in 16 bit (vLLM's "auto").
    """
    if shape.count("linear_num_value_heads"):
        return _describe_delta_net(shape, hidden)
    if shape.count("conv_L_cache"):
        kernel = shape.count("conv_L_cache")
        return hidden * 4 * hidden + hidden * kernel, 2 * hidden * (kernel - 1)
    if shape.family == "recurrent_gemma":
        width = shape.count("lru_width") or hidden
        heads = shape.count("num_attention_heads")
        return 3 * hidden * width + 2 * width * width // heads + width * 4, 4 * width + 2 * width * 3
    if shape.count("mamba_num_heads", "mamba_n_heads", "n_mamba_heads"):
        return _describe_mamba2(shape, hidden)
    if shape.count("mamba_d_state") and shape.count("mamba_expand"):
        return _describe_mamba1(shape, hidden)
    linear = shape.get("linear_attn_config")
    if isinstance(linear, dict) or shape.family == "kimi_linear":
        fields = linear if isinstance(linear, dict) else {}
        heads = int(fields.get("num_heads") or shape.count("linear_num_heads"))
        dim = int(fields.get("head_dim") or shape.count("linear_head_dim"))
        kernel, width = int(fields.get("short_conv_kernel_size", 4)), heads * dim
        params = 4 * hidden * width + 2 * (hidden * dim + dim * width) + hidden * heads + 3 * width * kernel
        return params, 4 * width * dim + 2 * 3 * width * (kernel - 1)
    if shape.family == "minimax":
        heads = shape.count("num_attention_heads")
        dim = shape.count("head_dim") or hidden // heads
        return 5 * hidden * heads * dim, 4 * heads * dim * dim
    return None


def _describe_delta_net(shape: Fields, hidden: int) -> tuple[int, int]:
    """Gated delta net (Qwen3-Next)."""
    key_heads, value_heads = shape.count("linear_num_key_heads"), shape.count("linear_num_value_heads")
    key_dim, value_dim = shape.count("linear_key_head_dim"), shape.count("linear_value_head_dim")
    keys, values, kernel = key_heads * key_dim, value_heads * value_dim, shape.count("linear_conv_kernel_dim")
    channels = 2 * keys + values
    params = hidden * (2 * keys + 3 * values + 2 * value_heads) + channels * kernel
    wide = 4 if shape.get("mamba_ssm_dtype") == "float32" else 2
    return params, wide * value_heads * key_dim * value_dim + 2 * channels * (kernel - 1)


def _describe_mamba2(shape: Fields, hidden: int) -> tuple[int, int]:
    heads = shape.count("mamba_num_heads", "mamba_n_heads", "n_mamba_heads")
    state = shape.count("ssm_state_size", "mamba_d_state")
    groups = shape.count("n_groups", "mamba_n_groups", "mamba_ngroups") or 1
    kernel = shape.count("conv_kernel", "mamba_d_conv") or 4
    dim = shape.get("mamba_head_dim", "mamba_d_head", "mamba_headdim")
    inner = heads * dim if isinstance(dim, int) else shape.count("mamba_d_ssm") or shape.count("mamba_expand") * hidden
    channels = inner + 2 * groups * state
    params = hidden * (2 * inner + 2 * groups * state + heads) + channels * kernel + inner * hidden
    wide = 4 if shape.get("mamba_ssm_cache_dtype") == "float32" else 2
    return params, wide * inner * state + 2 * channels * (kernel - 1)


def _describe_mamba1(shape: Fields, hidden: int) -> tuple[int, int]:
    """Jamba's."""
    inner, state = shape.count("mamba_expand") * hidden, shape.count("mamba_d_state")
    kernel = shape.count("mamba_d_conv") or 4
    rank = shape.get("mamba_dt_rank")
    rank = rank if isinstance(rank, int) else math.ceil(hidden / 16)
    params = hidden * 2 * inner + inner * (kernel + 3 * state + 2 * rank) + inner * hidden
    return params, 2 * inner * state + 2 * inner * (kernel - 1)
