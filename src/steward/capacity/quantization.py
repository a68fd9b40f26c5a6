"""The number format in which a model's weights are published, from a configuration's `quantization_config`.

Fields are those of transformers' `utils/quantization_config.py`, of vLLM's `layers/quantization`, and of the libraries
that write them: AutoRound, compressed-tensors, ExLlama, MLX, ModelOpt, Quark. A method that is not known, or that gives
layers different formats, is told apart from 16 bit: whoever plans must then name a format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Config = Mapping[str, Any]
UNTOLD: Final = "?"  # begins what is published in a format that the configuration does not tell

_KEYS: Final = ("quantization_config", "compression_config", "quantization")  # the last: MLX
_BITS: Final = ("bits", "w_bit", "wbits", "weight_bits", "num_bits", "nbits", "load_in_bits")
_WHOLE: Final = {2: "int2", 3: "int3", 4: "int4", 5: "int5", 6: "int6", 8: "w8a16"}
_NAMES: Final = {  # that methods and libraries give the formats of weights, with what is multiplied
    "fp8": "fp8", "float8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "float8_e4m3fn": "fp8", "mxfp8": "fp8",
    "mxfp4": "mxfp4-linear", "nvfp4": "fp4", "mxfp6": "int6", "mxfp6_e3m2": "int6", "mxfp6_e2m3": "int6",
    "int8": "w8a16", "uint8": "w8a16", "int4": "int4", "uint4": "int4", "int3": "int3", "int2": "int2", "uint2": "int2",
}  # fmt: skip


def read_published_precision(tree: Mapping[str, Any]) -> str:
    """A name that `engines.find_precision` knows; "": not quantised, so 16 bit; `UNTOLD` and the method: it cannot be
    told.

    >>> read_published_precision({"quantization_config": {"quant_method": "gptq", "bits": 3}})
    'int3'
    """
    config = next((tree[key] for key in _KEYS if isinstance(tree.get(key), dict)), None)
    if config is None:
        text = tree.get("text_config")
        return read_published_precision(text) if isinstance(text, dict) else ""
    method = _read_method(config)
    name = METHODS[method](config) if method in METHODS else _read_bits(config)
    if name == _PLAIN:
        return ""
    return f"{name}{_read_exceptions(config)}" if name else f"{UNTOLD}{method or 'no method'}"


def _read_method(config: Config) -> str:
    method = str(config.get("quant_method") or config.get("quant_type") or "").lower().replace("-", "_").split("/")[-1]
    if "compressed" in method or (not method and "config_groups" in config):
        return "compressed_tensors"
    if not method and any(config.get(key) for key in ("load_in_8bit", "load_in_4bit")):
        return "bitsandbytes"
    return method


_PLAIN: Final = "16"
_LEFT_OUT: Final = (
    "ignore",
    "ignored_layers",
    "modules_to_not_convert",
    "exclude",
    "exclude_modules",
    "modules_to_not_quantize",
)


def _read_exceptions(config: Config) -> str:
    """What the format leaves in 16 bit beside the embeddings: attention, or all but the routed experts."""
    listed: Iterable[Any] = next((config[key] for key in _LEFT_OUT if isinstance(config.get(key), list)), ())
    text = "\n".join(str(each) for each in listed)
    if not re.search(r"attn|attention", re.sub(r"linear_attn|vision\S*|visual\S*", "", text)):
        return ""
    return "-experts" if re.search(r"shared_expert|mlp\\?\.\(?(gate|up|down)(_up)?(_proj)?[|)_]", text) else "-mlp"


def _read_bits(config: Config) -> str:
    """By the number of bits; a fraction of one is the mean over the layers."""
    value = next((config[key] for key in _BITS if isinstance(config.get(key), int | float)), None)
    if value is None or isinstance(value, bool) or not 0 < value < 16:
        return ""
    return _WHOLE.get(int(value), f"{value:g}bpw") if value == int(value) else f"{value:g}bpw"


def _always(name: str) -> Callable[[Config], str]:
    return lambda config: name


def _bits_or(default: str) -> Callable[[Config], str]:
    """The bits that are stated, else what the method is by default."""
    return lambda config: _read_bits(config) or default


def _read_bitsandbytes(config: Config) -> str:
    return "w8a16" if config.get("load_in_8bit") or config.get("_load_in_8bit") else "int4"


def _read_named(config: Config) -> str:
    """EETQ, Quanto: `weights` names the format."""
    name = _NAMES.get(str(config.get("weights") or "int8").lower(), "")
    return "int8" if name == "w8a16" and config.get("activations") else name


def _read_hqq(config: Config) -> str:
    """`weight_quant_params` stand once, or for each kind of layer."""
    params = config.get("quant_config") or config
    each = [params, *params.values()] if isinstance(params, dict) else []
    found = {
        _read_bits(part["weight_quant_params"])
        for part in each
        if isinstance(part, dict) and isinstance(part.get("weight_quant_params"), dict)
    }
    return found.pop() if len(found) == 1 else "" if found else _read_bits(config) or "int4"


def _read_aqlm(config: Config) -> str:
    """Codes of so many bits, in so many codebooks, for so many weights."""
    group = (config.get("in_group_size") or 8) * (config.get("out_group_size") or 1)
    return f"{(config.get('nbits_per_codebook') or 16) * (config.get('num_codebooks') or 1) / group:g}bpw"


def _read_torchao(config: Config) -> str:
    """A name such as int8_dynamic_activation_int4_weight, or the class of that name."""
    kind = config.get("quant_type")
    if isinstance(kind, dict):
        kind = kind.get("default") or kind.get("_default") or next(iter(kind.values()), "")
    text = str(kind.get("_type") if isinstance(kind, dict) else kind).lower().replace("_", "")
    weights = re.search(r"(float8|u?int\d|mx|nvfp4)(?:\w*?)weight", re.sub(r"^\w*activation(?=\w*weight)", "", text))
    if weights is None:
        weights = re.search(r"(nvfp4|float8)", text)
    if weights is None:
        return ""
    name = _NAMES.get(weights[1], "")
    if "int8dynamicactivation" in text:
        return {"w8a16": "int8", "int4": "w4a8"}.get(name, name)
    return name


def _read_quark(config: Config) -> str:
    """`global_quant_config`, unless single layers have their own."""
    whole = config.get("global_quant_config")
    weight = whole.get("weight") if isinstance(whole, dict) else None
    weight = weight[0] if isinstance(weight, list) and weight else weight
    if not isinstance(weight, dict) or config.get("layer_quant_config"):
        return ""
    kind = str(weight.get("dtype") or "").lower()
    if kind == "fp4":
        return "fp4" if weight.get("group_size") == 16 else "mxfp4-linear"
    name = _NAMES.get(kind, "")
    return "int8" if name == "w8a16" and isinstance(whole, dict) and whole.get("input_tensors") else name


_ALGORITHMS: Final = (  # of ModelOpt; the first pattern that is found
    (r"W4A16_NVFP4|NVFP4_A16", "nvfp4a16"), (r"W4A8_MXFP4", "mxfp4-linear"), (r"MXFP4", "mxfp4-linear"),
    (r"FP4", "fp4"), (r"MXFP8|FP8(?!.*W4)", "fp8"), (r"W4A8", "w4a8"), (r"W4A16|INT4", "int4"), (r"W8A16", "w8a16"),
    (r"W8A8|INT8", "int8"),
)  # fmt: skip


def _read_modelopt(config: Config) -> str:
    """The algorithm; of a mixed one, that of all its layers where they agree."""
    inner = config.get("quantization")
    algorithm = str(config.get("quant_algo") or (inner or {}).get("quant_algo") or "").upper()
    if "MIXED" in algorithm:
        layers = config.get("quantized_layers") or {}
        found = {str(layer.get("quant_algo")).upper() for layer in layers.values() if isinstance(layer, dict)}
        algorithm = found.pop() if len(found) == 1 else "MIXED"
    name = next((meant for pattern, meant in _ALGORITHMS if re.search(pattern, algorithm)), "")
    return name or ("" if algorithm else _read_groups(config))


def _read_groups(config: Config) -> str:
    """llm-compressor's schemes: the format of weights, and whether activations are quantised too. Groups of different
    formats cannot be told without the sizes of what they target."""
    groups = config.get("config_groups")
    if not groups:
        return _PLAIN if str(config.get("format") or "dense") in ("dense", "sparse-24-bitmask") else ""
    found = {_read_group(group) for group in groups.values()} if isinstance(groups, dict) else {""}
    return found.pop() if len(found) == 1 else ""


def _read_group(group: Any) -> str:
    weights = group.get("weights") if isinstance(group, dict) else None
    if not isinstance(weights, dict):
        return ""
    bits, floating = weights.get("num_bits"), weights.get("type") == "float"
    activations = group.get("input_activations")
    eight = isinstance(activations, dict) and activations.get("num_bits") == 8
    if floating and bits == 4:
        if weights.get("group_size") == 16:
            return "fp4" if isinstance(activations, dict) else "nvfp4a16"
        return "mxfp4-linear"
    if floating:
        return "fp8" if bits == 8 else ""
    if eight and bits in (4, 8):
        return "w4a8" if bits == 4 else "int8"
    return _read_bits(weights)


def _read_auto_round(config: Config) -> str:
    kind = str(config.get("data_type") or "int").lower()
    if "mx_fp" in kind:
        return "fp8" if config.get("bits") == 8 else "mxfp4-linear"
    if "nv_fp" in kind:
        return "fp4"
    if kind.startswith("fp"):
        return "fp8"
    return ("int8" if config.get("act_bits") == 8 and config.get("bits") == 8 else _read_bits(config)) or "int4"


def _read_mlx(config: Config) -> str:
    return _NAMES.get(str(config.get("mode") or "affine").lower(), "") or _read_bits(config)


def _read_deepspeed(config: Config) -> str:
    return {8: "fp8", 6: "int6"}.get(int(config.get("bits") or 8), "")


def _read_fp_quant(config: Config) -> str:
    return _NAMES.get(str(config.get("forward_dtype") or "nvfp4").lower(), "")


METHODS: Final[dict[str, Callable[[Config], str]]] = {
    "": _read_mlx,
    "aqlm": _read_aqlm,
    "auto_round": _read_auto_round,
    "autoround": _read_auto_round,
    "awq": _bits_or("int4"),
    "awq_marlin": _bits_or("int4"),
    "bitnet": _always("2bpw"),  # four ternary weights to a byte
    "bitsandbytes": _read_bitsandbytes,
    "compressed_tensors": _read_groups,
    "deepspeedfp": _read_deepspeed,
    "eetq": _read_named,
    "exl2": _bits_or("int4"),
    "exl3": _bits_or("int4"),
    "experts_int8": _always("w8a16-experts"),
    "fbgemm_fp8": _always("fp8"),
    "fouroversix": _always("fp4"),
    "fp8": _always("fp8"),
    "fp_quant": _read_fp_quant,
    "gptq": _bits_or("int4"),
    "gptq_marlin": _bits_or("int4"),
    "hqq": _read_hqq,
    "marlin": _bits_or("int4"),
    "modelopt": _read_modelopt,
    "modelopt_fp4": _always("fp4"),
    "modelopt_mixed": _read_modelopt,
    "modelopt_mxfp8": _always("fp8"),
    "mxfp4": _always("mxfp4"),
    "mxfp8": _always("fp8"),
    "nvfp4": _always("fp4"),
    "ptpc_fp8": _always("fp8"),
    "qqq": _always("w4a8"),
    "quanto": _read_named,
    "quark": _read_quark,
    "spqr": _always(""),  # single weights stay wide: three bits are stated, and more are kept
    "torchao": _read_torchao,
    "tpu_int8": _always("w8a16"),
    "w4afp8": _always("w4a8"),
    "w8a8_fp8": _always("fp8"),
    "w8a8_int8": _always("int8"),
}
