"""Writes the fields that decide a model's size, by `model_type`, from the installed transformers into the package.

    pip install transformers==5.24.0 && python scripts/model_types.py

Aliases are each configuration class's `attribute_map`, defaults those of its fields.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from typing import Any, Final

import msgspec
from huggingface_hub.errors import StrictDataclassClassValidationError
from transformers import AutoConfig
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from steward.capacity.catalog import TABLES

KEPT: Final = re.compile(
    r"layer|head|hidden_size|inter.*size|vocab_size|rank|expert|window|interval|pattern|moe|tie_word|position_embeddings|"
    r"n_embd|n_inner|n_positions|ffn|expand|d_model|d_ff|multi_query|new_decoder|period|offset|attn_|linear_|mamba|conv|"
    r"state_size|group|lru|block_|dff|cache|step|attention_chunk|topk|top_k|indices|idxs|num_kv|type|index_"
)
LEFT_OUT: Final = re.compile(
    r"dropout|eps|init|bias|token|act$|activation|use_cache|loss|coef|decay|rope|norm|scal|multiplier|softcap|(?<!attention_)chunk_size|"
    r"kernels|mambapy|vision|image|audio|video|type_vocab|problem|summary|time_step|output_|_dtype|jitter|renormalize|"
    r"embedding_type|rescale|sinkhorn|scoring|chunk$|temperature|layerdrop|layer_id|residual|projection"
)


def main() -> int:
    mapping = {name: set(getattr(modeling_auto, f"MODEL_FOR_{name}_MAPPING_NAMES")) for name in (
        "CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "MASKED_LM",
        "SEQUENCE_CLASSIFICATION", "TOKEN_CLASSIFICATION",
    )}  # fmt: skip
    families: dict[str, Any] = {}
    for family in sorted(CONFIG_MAPPING_NAMES):
        if family in mapping["CAUSAL_LM"] | mapping["IMAGE_TEXT_TO_TEXT"] or family.endswith("_text"):
            kind = "decoder"
        elif family in mapping["SEQ_TO_SEQ_CAUSAL_LM"] | mapping["SPEECH_SEQ_2_SEQ"]:
            kind = "encoder-decoder"
        elif family in mapping["MASKED_LM"] | mapping["SEQUENCE_CLASSIFICATION"] | mapping["TOKEN_CLASSIFICATION"]:
            kind = "encoder"
        else:
            continue
        try:
            config = AutoConfig.for_model(family)
        except (ValueError, TypeError, ImportError, StrictDataclassClassValidationError) as error:
            print(f"{family} left out: {error}", file=sys.stderr)
            continue
        if getattr(config, "is_encoder_decoder", False):
            kind = "encoder-decoder"
        families[family] = {"kind": kind, **(describe(config) if kind == "decoder" else {})}
    path = TABLES / "model_types.json"
    path.write_bytes(msgspec.json.encode(families).replace(b'},"', b'},\n"') + b"\n")
    print(f"{len(families)} families, {path.stat().st_size:,} bytes")
    return 0


def describe(config: Any) -> dict[str, Any]:
    kind, layers = type(config), getattr(config, "layer_types", None)
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    defaults = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields
        if isinstance(field.default, bool | int | list | tuple | str)
        and KEPT.search(field.name)
        and not LEFT_OUT.search(field.name)
    }
    aliases = {old: new for old, new in (getattr(kind, "attribute_map", None) or {}).items() if KEPT.search(old)}
    return {"mixed": len(set(layers or ())) > 1, "aliases": aliases, "defaults": defaults}


if __name__ == "__main__":
    sys.exit(main())
