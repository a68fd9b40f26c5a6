"""A Hugging Face config.json as a model: fields read by family, as transformers reads them.

`tables/model_types.json` has the aliases and defaults of each `model_type` (scripts/model_types.py takes them from
transformers 5.24); `layers.py` decides what each layer is. What it cannot tell, it declines: models that have an
encoder, and layers of a kind that it does not know.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from steward.capacity.catalog import TABLES, Model
from steward.capacity.layers import LayerPlan, plan_layers
from steward.capacity.quantization import read_published_precision
from steward.core.errors import InputError, StewardError

TEXT_PARTS: Final = ("text_config", "llm_config", "language_config", "thinker_config")
NESTED: Final = ("attn_config", "ffn_config", "moe")  # of dbrx, mpt and params.json: fields beside the others'
LEGACY_TYPES: Final = {  # of configurations that come with code of their own, and of older releases
    "RefinedWeb": "falcon", "RefinedWebModel": "falcon", "kimi_k2": "deepseek_v3", "kimi_k25": "deepseek_v3",
    "deepseek": "deepseek_v2", "minimax_m1": "minimax", "MiniMaxText01": "minimax", "minimax_text_01": "minimax",
    "qwen": "qwen", "internlm2": "internlm2", "gpt_refact": "gpt_bigcode", "step3_text": "step3_text",
}  # fmt: skip
UNGATED: Final = frozenset((  # families whose feed-forward part has two matrices (their modeling files in transformers)
    "apertus", "apertus1p5_text", "arcee", "bart", "big_bird", "biogpt", "blip-2", "bloom", "codegen", "ctrl",
    "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "gpt_neox_japanese", "jais2", "mpt", "nanochat",
    "nemotron", "nemotron_h", "openai-gpt", "opt", "persimmon", "phi", "starcoder2", "xglm",
))  # fmt: skip
ENCODERS: Final = frozenset((  # that transformers also lists as decoders, for `is_decoder: true`
    "bert", "bert-generation", "big_bird", "bigbird_pegasus", "camembert", "data2vec-text", "electra", "ernie",
    "megatron-bert", "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm", "xlm-roberta",
    "xlm-roberta-xl", "xmod", "xlnet", "modernbert",
))  # fmt: skip
RECURRENT: Final = frozenset((
    "mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv5", "rwkv6", "rwkv7", "xlstm",
))  # fmt: skip
UNTOLD: Final = frozenset((  # whose size the fields do not give: weights that layers share or that vary between them
    "zamba", "zamba2", "jetmoe", "longcat_flash", "doge", "dory", "hrm_text", "cpmant", "beam", "blt", "gemma4",
    "gemma4_text", "gemma4_unified_text", "mimo_v2_flash", "inkling_text", "inkling2_text", "inkling2_loop_text",
    "zaya", "git", "moshi", "lara_mini",
))  # fmt: skip
REMOTE_DEFAULTS: Final[dict[str, dict[str, Any]]] = {  # of configuration classes that models bring with them
    "jais": {"tie_word_embeddings": True},
    "minicpm": {"tie_word_embeddings": True},
    "openelm": {"ffn_dim_divisor": 256},
}
MOST_LAYERS: Final = 10_000  # far beyond any; each layer is looked at
_SIZE: Final = re.compile(
    r"(layers?|heads?|hidden|size|dim|rank|experts?|state|window|interval|pattern|width|expand)(_|$)"
)
_SIZE_NEUTRAL: Final = re.compile(
    r"vision|image|audio|video|patch|_token|token_|vocab_size_per|chunk_size|rope|rotary|max_|mtp|nextn|dropout|norm|std|"
    r"output_hidden|window_layers|type_vocab|group_size|_index$|^_|problem|return|state_dict|summary|block_size|init"
)


class CannotRead(StewardError):
    """A configuration whose size cannot be told, with the reason; exit code 3."""

    exit_code = 3


class Shape:
    """The fields of a configuration, under any of their names; the family's default where there is none."""

    def __init__(self, fields: Mapping[str, Any], family: str) -> None:
        entry = load_families().get(family, Family())
        self.family, self.fields, self.mixed = family, fields, entry.mixed
        self.read: set[str] = set()
        self._aliases = {**{v: k for k, v in entry.aliases.items()}, **entry.aliases}
        self._defaults = entry.defaults or REMOTE_DEFAULTS.get(family, {})

    def get(self, *names: str) -> Any:
        """The first of the names, or of their aliases, that has a value; else the first default; else None."""
        spelled = [spelling for name in names for spelling in (name, self._aliases.get(name, name))]
        self.read.update(spelled)
        for source in (self.fields, self._defaults):
            for name in spelled:
                if source.get(name) is not None:
                    return source[name]
        return None

    def count(self, *names: str) -> int:
        """An integer; the mean of a list, rounded; 0 where there is no value. :raises InputError: no number"""
        value = self.get(*names)
        if isinstance(value, list) and value:
            value = round(sum(value) / len(value))
        if value is None or value is False:
            return 0
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise InputError(f"{names[0]} is {value!r}; expected a number")
        return int(value)

    def list_unread(self) -> tuple[str, ...]:
        """Fields that look like sizes and were not read. Known families have no such surprises."""
        if self.family in load_families():
            return ()
        return tuple(
            name
            for name, value in self.fields.items()
            if isinstance(value, int | list)
            and not isinstance(value, bool)
            and name not in self.read
            and _SIZE.search(name)
            and not _SIZE_NEUTRAL.search(name)
        )


class Family(msgspec.Struct, frozen=True):
    """What transformers knows of a `model_type`."""

    kind: str = ""  # decoder, encoder, encoder-decoder
    mixed: bool = False  # its layers are not all of one kind
    aliases: dict[str, str] = {}
    defaults: dict[str, Any] = {}


@functools.cache
def load_families() -> dict[str, Family]:
    return msgspec.json.decode((TABLES / "model_types.json").read_bytes(), type=dict[str, Family])


def read_config(path: Path) -> Model:
    """Multimodal configurations: their text part.

    :raises InputError: no such file, not JSON, or fields that are missing, all of them named
    :raises CannotRead: an encoder, or layers that are not understood
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected a model's config.json") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); expected a model's config.json") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: a JSON {type(tree).__name__}; expected an object such as a model's config.json")
    try:
        return build_model(tree, name=str(tree.get("_name_or_path") or path.resolve().parent.name), source=str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}; expected a config.json with the model's shape") from error
    except CannotRead as error:
        raise CannotRead(f"{path}: {error}") from error


def build_model(tree: Mapping[str, Any], *, name: str, source: str) -> Model:
    """:raises InputError: fields are missing or impossible :raises CannotRead: see `read_config`"""
    shape = _find_shape(tree)
    _decline_families(shape, tree)
    sizes = _read_sizes(shape)
    layers = plan_layers(shape, sizes["num_hidden_layers"], sizes["hidden_size"])
    if layers is None:
        raise CannotRead(
            f"the layers of model_type {shape.family!r} mix attention with others, and it does not say which layers "
            "keep a KV cache; measure with `steward plan calibrate` instead"
        )
    heads, hidden = sizes["num_attention_heads"], sizes["hidden_size"]
    latent = shape.count("kv_lora_rank")
    kv_heads = _count_kv_heads(shape, heads)
    head_dim = shape.count("head_dim", "attention_head_dim", "kv_channels", "d_kv") or hidden // heads
    if min(head_dim, kv_heads) <= 0:
        raise InputError(f"head_dim is {head_dim} and num_key_value_heads is {kv_heads}, which must be above 0")
    return Model(
        name=name,
        layers=sizes["num_hidden_layers"],
        attention_layers=layers.attention,
        kv_layers=layers.kv,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        attention_extra=layers.attention_extra(hidden, heads, head_dim)
        + _count_query_saving(shape, hidden, heads * head_dim),
        intermediate=_read_width(shape, hidden, layers),
        vocab=sizes["vocab_size"],
        tied=bool(shape.get("tie_word_embeddings", "share_input_output_layers")) or _is_first_chatglm(shape),
        gated=_is_gated(shape, tree),
        max_position=shape.count("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length"),
        experts=layers.experts,
        experts_per_token=layers.experts_per_token,
        moe_intermediate=layers.expert_width,
        shared_intermediate=layers.shared_width,
        ffn_layers=layers.ffn,
        dense_layers=layers.ffn - layers.moe if layers.experts else 0,
        mixer_layers=layers.mixers,
        mixer_params=layers.mixer_params,
        state_bytes=layers.state_bytes,
        sliding_window=layers.window if layers.sliding else 0,
        sliding_layers=layers.sliding,
        mla_kv_rank=latent,
        mla_rope=shape.count("qk_rope_head_dim") if latent else 0,
        mla_nope=shape.count("qk_nope_head_dim") if latent else 0,
        mla_v=(shape.count("v_head_dim") or hidden // heads) if latent else 0,
        mla_q_rank=shape.count("q_lora_rank") if latent else 0,
        index_dim=shape.count("index_head_dim"),
        lookup_params=_count_lookup(shape, sizes["num_hidden_layers"]),
        precision=read_published_precision(tree),
        not_read=shape.list_unread(),
        source=source,
    )


def _find_shape(tree: Mapping[str, Any]) -> Shape:
    """The text part's fields, with what only the whole configuration says."""
    part: Mapping[str, Any] = tree
    for _ in range(2):  # thinker_config has a text_config of its own
        part = next((part[name] for name in TEXT_PARTS if isinstance(part.get(name), dict)), part)
    fields = dict(part)
    for name in NESTED:
        if isinstance(fields.get(name), dict):
            fields = {**fields[name], **{k: v for k, v in fields.items() if v is not None}}
    family = str(part.get("model_type") or tree.get("model_type") or "")
    if part is not tree and f"{tree.get('model_type')}_text" in load_families() and family not in load_families():
        family = f"{tree.get('model_type')}_text"
    for name in ("tie_word_embeddings", "vocab_size"):
        if fields.get(name) is None and tree.get(name) is not None:
            fields[name] = tree[name]
    return Shape(fields, LEGACY_TYPES.get(family, family))


def _decline_families(shape: Shape, tree: Mapping[str, Any]) -> None:
    kind = load_families().get(shape.family, Family()).kind
    encoder = shape.family in ENCODERS or kind == "encoder"
    if encoder and not tree.get("is_decoder"):
        raise CannotRead(f"model_type {shape.family!r} is an encoder: it generates no tokens and keeps no KV cache")
    if kind == "encoder-decoder" or tree.get("is_encoder_decoder"):
        raise CannotRead(f"model_type {shape.family!r} has an encoder and a decoder; only decoders can be planned for")
    if shape.family in RECURRENT or isinstance(shape.get("ssm_cfg"), dict):  # the second: state-spaces' own files
        raise CannotRead(f"model_type {shape.family!r} is recurrent: it keeps no KV cache that a plan could size")
    if shape.family in UNTOLD:
        raise CannotRead(
            f"the sizes of model_type {shape.family!r} do not follow from its config.json; "
            "measure with `steward plan calibrate` instead"
        )


_NEEDED: Final = (
    ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers"),
    ("hidden_size", "n_embd", "n_embed", "d_model", "model_dim", "dim"),
    ("num_attention_heads", "n_head", "n_heads", "num_query_heads"),
    ("vocab_size", "padded_vocab_size"),
)


def _read_sizes(shape: Shape) -> dict[str, int]:
    """:raises InputError: what is missing or not above 0, all of it"""
    listed = shape.get("layer_types", "layers_block_type", "hybrid_override_pattern")
    missing = [names[0] for names in _NEEDED if shape.get(*names) is None]
    if missing == ["num_hidden_layers"] and listed:
        missing = []
    if missing:
        raise InputError(f"missing {', '.join(missing)}")
    sizes = {names[0]: shape.count(*names) for names in _NEEDED}
    if shape.get(*_NEEDED[0]) is None:
        if not isinstance(listed, list | str):
            raise InputError(f"the kinds of layers are {listed!r}; expected a list, or a pattern of letters")
        sizes["num_hidden_layers"] = len(listed)
    bad = [f"{name} is {number}" for name, number in sizes.items() if number <= 0]
    if bad:
        raise InputError(f"{', '.join(bad)}, which must be above 0")
    if sizes["num_hidden_layers"] > MOST_LAYERS:
        raise InputError(f"num_hidden_layers is {sizes['num_hidden_layers']:,}; expected at most {MOST_LAYERS:,}")
    return sizes


def _count_kv_heads(shape: Shape, heads: int) -> int:
    """Of one layer; the mean where layers differ."""
    if shape.family in ("falcon", "gpt_bigcode"):
        if shape.get("multi_query") and not shape.get("new_decoder_architecture"):
            return 1
        return shape.count("num_kv_heads") or heads if shape.get("new_decoder_architecture") else heads
    if shape.get("multi_query_attention") is False:
        return heads
    blocks = shape.get("block_configs")
    if isinstance(blocks, list):
        groups = [
            block["attention"].get("n_heads_in_group") for block in blocks if isinstance(block.get("attention"), dict)
        ]
        sizes = [size for size in groups if size]
        return round(sum(heads / size for size in sizes) / len(sizes)) if sizes else heads
    names = (
        "num_key_value_heads", "num_kv_heads", "kv_n_heads", "n_kv_heads", "multi_query_group_num", "num_query_groups",
        "num_key_value_heads_per_layer", "n_head_kv", "num_attention_groups",
    )  # fmt: skip
    return shape.count(*names) or heads


def _read_width(shape: Shape, hidden: int, layers: LayerPlan) -> int:
    """Of the dense feed-forward part."""
    if shape.family == "llama4_text" and layers.experts:
        return shape.count("intermediate_size_mlp")
    if layers.ffn_width:
        return layers.ffn_width
    if isinstance(multipliers := shape.get("ffn_multipliers"), list) and multipliers:  # OpenELM, a layer each
        multiple = shape.count("ffn_dim_divisor")
        widths = [multiple * max(1, int(each * hidden + multiple / 2) // multiple) for each in multipliers]
        return round(sum(widths) / len(widths))
    if "multiple_of" in shape.fields and not shape.get("intermediate_size", "hidden_dim"):  # Llama's params.json
        multiple = shape.count("multiple_of")
        factor = float(shape.get("ffn_dim_multiplier") or 1)
        return multiple * math.ceil(int(factor * int(8 * hidden / 3)) / multiple)
    names = (
        "intermediate_size", "ff_intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size", "d_ff", "dff",
        "inner_hidden_size", "hidden_dim",
    )  # fmt: skip
    width = shape.count(*names) or (shape.count("expansion_ratio") or 4) * hidden
    if shape.family in ("recurrent_gemma", "qwen"):  # both matrices of the gate together
        return width // 2
    if shape.family == "lfm2" and shape.get("block_auto_adjust_ff_dim"):
        multiple, factor = shape.count("block_multiple_of") or 256, float(shape.get("block_ffn_dim_multiplier") or 1)
        return multiple * math.ceil(int(factor * int(2 * width / 3)) / multiple)
    return width


def _count_lookup(shape: Shape, layers: int) -> int:
    """Embeddings that each layer has of its own (Gemma 3n)."""
    return layers * shape.count("vocab_size_per_layer_input") * shape.count("hidden_size_per_layer_input")


def _count_query_saving(shape: Shape, hidden: int, width: int) -> int:
    """What two thin matrices in place of a query projection add, which is below 0 (Step-3, arXiv 2507.19427)."""
    rank = shape.count("share_q_dim")
    return rank * (hidden + width) - hidden * width if rank else 0


def _is_first_chatglm(shape: Shape) -> bool:
    """ChatGLM-6B, whose successors of the same `model_type` are built otherwise."""
    return shape.family == "chatglm" and shape.get("inner_hidden_size") is not None


def _is_gated(shape: Shape, tree: Mapping[str, Any]) -> bool:
    return not (shape.family in UNGATED or _is_first_chatglm(shape) or _is_ungated_architecture(tree))


def _is_ungated_architecture(tree: Mapping[str, Any]) -> bool:
    """By the name of its class, where a configuration has no known `model_type`."""
    if tree.get("model_type") in load_families():
        return False
    names = tree.get("architectures")
    text = " ".join(map(str, names)).lower() if isinstance(names, list) else str(names).lower()
    return any(word in text for word in ("gptj", "neox", "falcon", "rwforcausal", "starcoder", "bloom", "gpt2", "mpt"))
