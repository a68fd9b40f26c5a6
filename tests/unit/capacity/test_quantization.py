"""`quantization_config` as published checkpoints have it."""

from typing import Any

import pytest

from steward.capacity.catalog import find_model
from steward.capacity.engines import PRECISIONS, find_precision, get_precision
from steward.capacity.memory import compute_block_bytes
from steward.capacity.quantization import read_published_precision
from steward.core.errors import InputError

WEIGHTS = {"num_bits": 8, "type": "float", "group_size": None}


def compressed(activations: Any = None, **weights: Any) -> dict[str, Any]:
    group = {"weights": {**WEIGHTS, **weights}, "input_activations": activations, "targets": ["Linear"]}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


@pytest.mark.parametrize(
    ("config", "precision"),
    [
        ({"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}, "fp8"),  # deepseek-ai/DeepSeek-R1
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}, "mxfp4"),  # openai/gpt-oss-20b
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4"),  # Qwen/Qwen2.5-72B-Instruct-AWQ
        ({"quant_method": "gptq", "bits": 4}, "int4"),  # Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4
        ({"quant_method": "gptq", "bits": 8}, "w8a16"),  # Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),  # unsloth/…-bnb-4bit
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "w8a16"),
        (compressed({"num_bits": 8, "type": "float", "dynamic": True}), "fp8"),  # RedHatAI/…-FP8-dynamic
        (compressed({"num_bits": 8, "type": "int"}, type="int"), "int8"),  # RedHatAI/…-quantized.w8a8
        (compressed(type="int", num_bits=4, group_size=128), "int4"),  # RedHatAI/…-quantized.w4a16
        (compressed(type="int"), "w8a16"),  # RedHatAI/…-quantized.w8a16
        (compressed({"num_bits": 4}, num_bits=4, group_size=16), "fp4"),  # RedHatAI/…-NVFP4
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "fp4"),  # nvidia/…-NVFP4
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),  # nvidia/…-FP8
        ({"quant_method": "fbgemm_fp8"}, "fp8"),  # meta-llama/Llama-3.1-405B-Instruct-FP8
        ({"quant_method": "auto-round", "bits": 4}, "int4"),
        ({"quant_method": "auto-round", "bits": 8, "act_bits": 8}, "int8"),
        ({"quant_method": "auto-round", "bits": 8, "act_bits": 16}, "w8a16"),
        ({"quant_method": "auto-round", "bits": 4, "act_bits": 8}, "int4"),
    ],
)
def test_p01_the_published_format_is_read(config: dict[str, Any], precision: str) -> None:
    assert read_published_precision({"quantization_config": config}) == precision and precision in PRECISIONS


def test_p01_a_text_part_may_say_it_and_none_says_nothing() -> None:
    assert read_published_precision({"text_config": {"quantization_config": {"quant_method": "fp8"}}}) == "fp8"
    assert read_published_precision({}) == "" and read_published_precision({"quantization_config": None}) == ""


@pytest.mark.parametrize(
    ("config", "precision"),
    [  # transformers 5, utils/quantization_config.py; vLLM, layers/quantization; the libraries' documentation
        ({"quant_method": "gptq", "bits": 3}, "int3"), ({"quant_method": "gptq", "bits": 2}, "int2"),
        ({"quant_method": "gptq", "bits": 5}, "int5"), ({"quant_method": "awq", "w_bit": 4}, "int4"),
        ({"quant_method": "bitsandbytes", "_load_in_8bit": True, "_load_in_4bit": False}, "w8a16"),
        ({"load_in_8bit": True, "llm_int8_threshold": 6.0}, "w8a16"), ({"load_in_4bit": True}, "int4"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 8}}}, "w8a16"),
        ({"quant_method": "hqq", "quant_config": {"self_attn.q_proj": {"weight_quant_params": {"nbits": 3}}}}, "int3"),
        ({"quant_method": "hqq", "quant_config": {
            "a": {"weight_quant_params": {"nbits": 3}}, "b": {"weight_quant_params": {"nbits": 4}}}}, "?hqq"),
        ({"quant_method": "hqq"}, "int4"), ({"quant_method": "hqq_x", "weight_bits": 3}, "int3"),
        ({"quant_method": "eetq", "weights": "int8"}, "w8a16"), ({"quant_method": "quanto", "weights": "int4"}, "int4"),
        ({"quant_method": "quanto", "weights": "float8"}, "fp8"),
        ({"quant_method": "quanto", "weights": "int2"}, "int2"),
        ({"quant_method": "quanto", "weights": "int8", "activations": "int8"}, "int8"),
        ({"quant_method": "torchao", "quant_type": {"default": "Float8WeightOnlyConfig"}}, "fp8"),
        ({"quant_method": "torchao", "quant_type": {"default": "Int4WeightOnlyConfig"}}, "int4"),
        ({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}, "w8a16"),
        ({"quant_method": "torchao", "quant_type": "int8_weight_only"}, "w8a16"),
        ({"quant_method": "torchao", "quant_type": "int8_dynamic_activation_int8_weight"}, "int8"),
        ({"quant_method": "torchao", "quant_type": "int8_dynamic_activation_int4_weight"}, "w4a8"),
        ({"quant_method": "torchao", "quant_type": {
            "default": {"_type": "Float8DynamicActivationFloat8WeightConfig"}}}, "fp8"),
        ({"quant_method": "torchao", "quant_type": "autoquant"}, "?torchao"),
        ({"quant_method": "quark", "global_quant_config": {
            "weight": {"dtype": "fp8_e4m3"}, "input_tensors": {"dtype": "fp8_e4m3"}}}, "fp8"),
        ({"quant_method": "quark", "global_quant_config": {
            "weight": {"dtype": "fp4", "group_size": 32}}}, "mxfp4-linear"),
        ({"quant_method": "quark", "global_quant_config": {
            "weight": {"dtype": "int8"}, "input_tensors": {"dtype": "int8"}}}, "int8"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "uint4"}}}, "int4"),
        ({"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"}, "w4a8"),
        ({"quant_method": "modelopt", "quant_algo": "W4A16_AWQ"}, "int4"),
        ({"quant_method": "modelopt", "quant_algo": "W8A8_SQ_PER_CHANNEL"}, "int8"),
        ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "?modelopt"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": {
            "model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4"}}}, "fp4"),
        ({"quant_method": "modelopt_fp4"}, "fp4"), ({"quant_method": "modelopt_mxfp8"}, "fp8"),
        ({"quant_method": "exl3", "bits": 4.0}, "int4"), ({"quant_method": "exl3", "bits": 2.5}, "2.5bpw"),
        ({"quant_method": "exl2"}, "int4"), ({"quant_method": "exl2", "bits": 6.5}, "6.5bpw"),
        ({"quant_method": "aqlm", "nbits_per_codebook": 16, "num_codebooks": 1, "in_group_size": 8}, "2bpw"),
        ({"quant_method": "aqlm", "nbits_per_codebook": 8, "num_codebooks": 2, "in_group_size": 8}, "2bpw"),
        ({"quant_method": "aqlm", "num_codebooks": 3, "in_group_size": 16, "out_group_size": 2}, "1.5bpw"),
        ({"quant_method": "aqlm"}, "2bpw"),  # 16 bits for eight weights: AQLM's "1x16"
        ({"quant_method": "bitnet"}, "2bpw"), ({"quant_method": "marlin", "group_size": 128}, "int4"),
        ({"quant_method": "fp_quant", "forward_dtype": "nvfp4"}, "fp4"), ({"quant_method": "qqq", "wbits": 4}, "w4a8"),
        ({"quant_method": "deepspeedfp", "bits": 6}, "int6"), ({"quant_method": "experts_int8"}, "w8a16-experts"),
        ({"quant_method": "auto-round", "bits": 4, "data_type": "mx_fp"}, "mxfp4-linear"),
        ({"quant_method": "intel/auto-round", "bits": 2}, "int2"),
        ({"quant_method": "auto-round", "data_type": "nv_fp"}, "fp4"),
        ({"group_size": 64, "bits": 4}, "int4"),
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, "mxfp4-linear"),  # MLX
        ({**compressed(), "quant_method": ""}, "fp8"), (compressed({"num_bits": 8}, type="int", num_bits=4), "w4a8"),
        (compressed(num_bits=4, group_size=32), "mxfp4-linear"), (compressed(num_bits=4, group_size=16), "nvfp4a16"),
        (compressed(num_bits=2, type="int"), "int2"), (compressed(num_bits=2), "?compressed_tensors"),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": None}}}, "?compressed_tensors"),
        ({"quant_method": "compressed-tensors", "format": "dense"}, ""),  # sparse or only its cache quantised
    ],
)  # fmt: skip
def test_p01_other_methods_and_odd_configurations(config: dict[str, Any], precision: str) -> None:
    assert read_published_precision({"quantization_config": config}) == precision
    assert precision.startswith("?") or not precision or get_precision(precision) is not None


@pytest.mark.parametrize("method", ["gguf", "newfangled", "spqr", "vptq"])
def test_p01_a_format_that_cannot_be_told_is_not_16_bit(method: str) -> None:
    published = read_published_precision({"quantization_config": {"quant_method": method, "bits_of": 3}})
    assert published == f"?{method}"
    with pytest.raises(InputError, match=rf"quantised by '{method}'.*--precision int4"):
        find_precision("", "", published)
    assert find_precision("int4", "", published).name == "int4"  # unless told otherwise


def test_p01_groups_of_different_formats_cannot_be_told() -> None:
    groups = {"a": compressed()["config_groups"]["group_0"], "b": compressed(num_bits=4)["config_groups"]["group_0"]}
    config = {"quant_method": "compressed-tensors", "config_groups": groups}
    assert read_published_precision({"quantization_config": config}) == "?compressed_tensors"


@pytest.mark.parametrize(
    ("ignored", "suffix"),
    [
        (["lm_head", "re:.*self_attn", "re:.*router"], "-mlp"),  # RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic
        (
            ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
            "-experts",
        ),
        (["lm_head"], ""),  # RedHatAI/Qwen3-8B-FP8-dynamic
        (["lm_head", "re:visual.attn", "re:.*linear_attn.*"], ""),
    ],
)  # the second: moonshotai/Kimi-K2-Thinking
def test_p01_layers_that_are_left_in_16_bit_are_read(ignored: list[str], suffix: str) -> None:
    config = {**compressed(type="int", num_bits=4), "ignore": ignored}
    assert read_published_precision({"quantization_config": config}) == f"int4{suffix}"


def test_p01_what_stands_beside_the_experts_counts_in_16_bit() -> None:
    """By hand: a format for experts leaves all else in 2 bytes; one without attention leaves its projections."""
    model = find_model("Qwen3-30B-A3B").model
    names = ("int4", "int4-mlp", "int4-experts")
    block = {name: compute_block_bytes(model, find_precision(name)) for name in names}
    attention = model.attentions * model.attention_params
    assert block["int4-experts"] == 2.0 * model.dense_block_params
    assert block["int4-mlp"] - block["int4"] == pytest.approx(attention * (2 - 0.5195))


def test_p01_mlx_states_it_under_its_own_name() -> None:
    assert read_published_precision({"quantization": {"group_size": 64, "bits": 8}}) == "w8a16"
