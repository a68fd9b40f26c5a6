"""Llama models between GGUF files and transformers: reads one to train on, writes one that llama.cpp serves.

llama.cpp rotates neighbouring pairs where transformers rotates halves, so q and k are permuted (k by its own number of
heads). Names and keys: the GGUF specification, and the `gguf` package that reads and writes them. It does not know
other architectures and tokenizers other than byte-level BPE with digits one by one ("smollm"), which it refuses.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import torch
from safetensors.numpy import load_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from steward.core.errors import InputError
from steward.core.excerpts import cut_reason

LAYER: Final = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TYPES: Final = {
    "f32": (gguf.LlamaFileType.ALL_F32, gguf.GGMLQuantizationType.F32),
    "f16": (gguf.LlamaFileType.MOSTLY_F16, gguf.GGMLQuantizationType.F16),
    "q8_0": (gguf.LlamaFileType.MOSTLY_Q8_0, gguf.GGMLQuantizationType.Q8_0),
}
_TRANSFORMERS: Final[Any] = importlib.import_module("transformers")  # whose types vary between releases
_CONTROL: Final = int(gguf.TokenType.CONTROL)


def permute_halves(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows reordered from halves to neighbouring pairs, head by head. weight: (heads x 2 x half, columns)"""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def permute_pairs(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes `permute_halves`."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, half, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def read_llama(file: Path) -> tuple[Any, Any]:
    """The model, in float32, and its tokenizer. :raises InputError: another architecture or tokenizer"""
    reader = gguf.GGUFReader(file)
    architecture = _read(reader, "general.architecture")
    pre = _read(reader, "tokenizer.ggml.pre")
    if architecture != "llama" or pre != "smollm":
        raise InputError(
            f"{file}: architecture {architecture}, tokenizer {pre}; expected llama and smollm, as the starter has. "
            "Train on the folder that transformers reads instead"
        )
    tokenizer = _read_tokenizer(reader)
    model = _TRANSFORMERS.LlamaForCausalLM(_read_config(reader))
    weights = {tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    heads = {"attn_q": model.config.num_attention_heads, "attn_k": model.config.num_key_value_heads}
    state = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}
    for layer in range(model.config.num_hidden_layers):
        state |= {f"model.layers.{layer}.{theirs}": f"blk.{layer}.{ours}" for theirs, ours in LAYER.items()}
    loaded = {}
    for theirs, ours in state.items():
        weight = np.array(weights[f"{ours}.weight"], dtype=np.float32)
        count = heads.get(ours.rpartition(".")[2])
        loaded[f"{theirs}.weight"] = torch.from_numpy(weight if count is None else permute_pairs(weight, count))
    missing, unexpected = model.load_state_dict(loaded, strict=False)
    if unexpected or set(missing) > {"lm_head.weight"}:  # tied to the embeddings
        raise InputError(f"{file}: tensors are missing: {cut_reason(', '.join(sorted(missing)))}")
    return model, tokenizer


def _read_config(reader: gguf.GGUFReader) -> Any:
    def value(name: str) -> Any:
        return _read(reader, f"llama.{name}")

    return _TRANSFORMERS.LlamaConfig(
        vocab_size=len(reader.fields["tokenizer.ggml.tokens"].data),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=value("attention.head_count"),
        num_key_value_heads=value("attention.head_count_kv"),
        head_dim=value("attention.key_length"),
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        rope_theta=value("rope.freq_base"),
        tie_word_embeddings=all(tensor.name != "output.weight" for tensor in reader.tensors),
        bos_token_id=_read(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=_read(reader, "tokenizer.ggml.eos_token_id"),
        pad_token_id=_read(reader, "tokenizer.ggml.padding_token_id"),
        attn_implementation="sdpa",
    )


def _read(reader: gguf.GGUFReader, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _read_tokenizer(reader: gguf.GGUFReader) -> Any:
    """Digits one by one, then bytes, with the file's special tokens and chat template."""
    tokens, kinds = _read(reader, "tokenizer.ggml.tokens"), _read(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in _read(reader, "tokenizer.ggml.merges")]
    inner = Tokenizer(models.BPE({token: number for number, token in enumerate(tokens)}, merges))
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    inner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pieces])
    inner.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    inner.add_special_tokens([AddedToken(token, special=True) for token in special])
    ids = {role: _read(reader, f"tokenizer.ggml.{role}_token_id") for role in ("bos", "eos", "padding")}
    tokenizer = _TRANSFORMERS.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=tokens[ids["bos"]],
        eos_token=tokens[ids["eos"]],
        pad_token=tokens[ids["padding"]],
        additional_special_tokens=[token for token in special if tokens.index(token) not in ids.values()],
        clean_up_tokenization_spaces=False,
        model_max_length=_read(reader, "llama.context_length"),
    )
    tokenizer.chat_template = _read(reader, "tokenizer.chat_template")
    return tokenizer


def write_llama(folder: Path, out: Path, kind: str, name: str) -> None:
    """The model that transformers saved in `folder` as a GGUF file of a type of `TYPES`."""
    config = json.loads((folder / "config.json").read_text())
    file_type, quantization = TYPES[kind]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(name)
    writer.add_license("apache-2.0")
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_shape(writer, config)
    _add_tokenizer(writer, folder, config["vocab_size"])
    _add_tensors(writer, folder, config, quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(theta)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, size: int) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    special = {item["id"]: item["content"] for item in tokenizer["added_tokens"]}
    names = {index: token for token, index in tokenizer["model"]["vocab"].items()} | special
    kinds = [gguf.TokenType.CONTROL if index in special else gguf.TokenType.NORMAL for index in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")  # digits one by one, then GPT-2's pattern
    writer.add_token_list([names[index] for index in range(size)])
    writer.add_token_types(kinds)
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    ids = {content: index for index, content in special.items()}
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_eot_token_id(ids["<|im_end|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())


def _add_tensors(
    writer: gguf.GGUFWriter, folder: Path, config: dict[str, Any], kind: gguf.GGMLQuantizationType
) -> None:
    weights = load_file(folder / "model.safetensors")

    def put(name: str, weight: np.ndarray) -> None:
        weight = np.ascontiguousarray(weight, dtype=np.float32)
        if weight.ndim == 1:
            writer.add_tensor(name, weight)
        else:
            packed = gguf.quants.quantize(weight, kind)
            writer.add_tensor(name, packed, raw_shape=packed.shape, raw_dtype=kind)

    put("token_embd.weight", weights["model.embed_tokens.weight"])
    put("output_norm.weight", weights["model.norm.weight"])
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for layer in range(config["num_hidden_layers"]):
        for theirs, ours in LAYER.items():
            weight = weights[f"model.layers.{layer}.{theirs}.weight"]
            put(f"blk.{layer}.{ours}.weight", permute_halves(weight, heads[ours]) if ours in heads else weight)
