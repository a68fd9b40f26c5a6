"""`quantization_config` as published checkpoints have it."""

from typing import Any

import pytest

from steward.capacity.engines import PRECISIONS
from steward.capacity.quantization import read_published_precision

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
    ],
)
def test_p01_the_published_format_is_read(config: dict[str, Any], precision: str) -> None:
    assert read_published_precision({"quantization_config": config}) == precision and precision in PRECISIONS


def test_p01_a_text_part_may_say_it_and_none_says_nothing() -> None:
    assert read_published_precision({"text_config": {"quantization_config": {"quant_method": "fp8"}}}) == "fp8"
    assert read_published_precision({}) == "" and read_published_precision({"quantization_config": None}) == ""


@pytest.mark.parametrize(
    ("config", "precision"),
    [
        ({"quant_method": "torchao", "quant_type": {"default": "Float8WeightOnlyConfig"}}, "fp8"),
        ({"quant_method": "torchao", "quant_type": {"default": "Int4WeightOnlyConfig"}}, "int4"),
        ({"quant_method": "awq", "w_bit": 4}, "int4"), ({"quant_method": "exl2"}, "int4"), ({"quant_method": "x"}, ""),
        ({**compressed(), "quant_method": ""}, "fp8"), ({"quant_method": "compressed-tensors"}, ""),
        ({"quant_method": "gptq", "bits": 5}, "w8a16"), ({"quant_method": "hqq_x", "weight_bits": 3}, "int4"),
        ({"quant_method": "modelopt_fp4"}, "fp4"), (compressed(num_bits=4, group_size=32), "mxfp4"),
        (compressed({"num_bits": 8}, type="int", num_bits=4), "w4a8"), (compressed(num_bits=2), ""),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": None}}}, ""),
    ],
)  # fmt: skip
def test_p01_other_methods_and_odd_configurations(config: dict[str, Any], precision: str) -> None:
    assert read_published_precision({"quantization_config": config}) == precision
