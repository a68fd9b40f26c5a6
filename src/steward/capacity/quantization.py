"""The number format in which a model's weights are published, from a configuration's `quantization_config`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

METHODS = {"fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp4": "mxfp4", "nvfp4": "fp4", "quanto": "int8", "hqq": "int4"}


def read_published_precision(tree: Mapping[str, Any]) -> str:
    """A name of `engines.PRECISIONS`; "": not quantised, so 16 bit.

    >>> read_published_precision({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    'int4'
    """
    config = tree.get("quantization_config") or tree.get("compression_config")
    if not isinstance(config, dict):
        text = tree.get("text_config")
        return read_published_precision(text) if isinstance(text, dict) else ""
    method = str(config.get("quant_method") or config.get("quant_type") or "").lower().replace("-", "_")
    if method in METHODS:
        return METHODS[method]
    if "compressed" in method or "config_groups" in config:
        return _read_groups(config)
    if method == "bitsandbytes":
        return "w8a16" if config.get("load_in_8bit") else "int4"
    if method in ("modelopt", "modelopt_fp4", "modelopt_mixed"):
        algorithm = str(config.get("quant_algo") or "").upper()
        return "fp4" if "FP4" in algorithm or method == "modelopt_fp4" else "fp8"
    if method == "torchao":
        return "fp8" if "float8" in str(config.get("quant_type")).lower() else "int4"
    bits = config.get("bits") or config.get("w_bit") or config.get("weight_bits") or config.get("num_bits")
    if isinstance(bits, int):
        return "w8a16" if bits > 4 else "int4"
    return "int4" if method in ("gptq", "awq", "auto_round", "autoround", "exl2", "aqlm") else ""


def _read_groups(config: Mapping[str, Any]) -> str:
    """llm-compressor's schemes: the format of weights, and whether activations are quantised too."""
    groups = config.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        if not isinstance(weights, dict):
            continue
        bits, floating = weights.get("num_bits"), weights.get("type") == "float"
        activations = group.get("input_activations")
        if bits == 4:
            if floating:
                return "fp4" if weights.get("group_size") == 16 else "mxfp4"
            return "w4a8" if isinstance(activations, dict) and activations.get("num_bits") == 8 else "int4"
        if bits == 8:
            if floating:
                return "fp8"
            return "int8" if isinstance(activations, dict) else "w8a16"
    return ""
