"""The deployment that a user names: its words resolved to records.

Every word may be missing: the engine then brings its default, or the search for a plan tries what there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from steward.capacity.catalog import (
    Accelerator,
    Model,
    ModelMatch,
    find_accelerator,
    find_model,
    list_accelerators,
    read_accelerator_table,
)
from steward.capacity.engines import ENGINES, EngineDefaults, Precision, at_version, find_engine, find_precision
from steward.capacity.machine import NAMES, measure_this_machine
from steward.capacity.memory import Deployment
from steward.capacity.model_config import read_config
from steward.capacity.sizing import DEGREES, build_deployment
from steward.core.errors import InputError, UnknownName


class DeploymentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as a user names it. None: the engine's default, or what the search finds."""

    model: str
    gpu: str | None = None
    precision: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    count: int | None = None
    tp: int | None = None
    pp: int | None = None
    kv_precision: str | None = None
    max_num_seqs: int | None = None
    max_batched_tokens: int | None = None
    utilisation: float | None = None
    gpu_table: Path | None = None


def resolve_model(name: str) -> ModelMatch:
    """A model by its name, by the path of a config.json, or by the folder of one.

    :raises UnknownName: neither; the nearest names are offered
    :raises InputError: a config.json that lacks fields
    :raises CannotRead: an encoder, or layers that are not understood
    """
    path = Path(name)
    if is_config_path(name):
        return ModelMatch(read_config(path / "config.json" if path.is_dir() else path), "file")
    return find_model(name)


def is_config_path(name: str) -> bool:
    """Whether a model is named by a file or a folder."""
    return Path(name).suffix == ".json" or Path(name).is_dir()


def resolve_deployment(spec: DeploymentSpec, model: Model) -> Deployment:
    """:raises InputError: an unknown name, or parallel degrees that do not make up the count"""
    if spec.gpu is None:
        raise InputError("--gpu is missing; give a name such as h100-sxm, or cpu for this machine")
    pp = spec.pp or 1
    tp = spec.tp or max(1, (spec.count or 1) // pp)
    if spec.count is not None and tp * pp != spec.count:
        raise InputError(f"--tp {tp} x --pp {pp} makes {tp * pp} accelerators, but --count is {spec.count}")
    if model.heads % tp:
        divisors = ", ".join(str(degree) for degree in DEGREES if model.heads % degree == 0)
        raise InputError(f"--tp {tp} does not divide the {model.heads} heads of {model.name}; choose one of {divisors}")
    if pp > model.layers:
        raise InputError(f"--pp {pp} is more than the {model.layers} layers of {model.name}")
    return build_deployment(
        model,
        find_accelerator_or_cpu(spec.gpu, read_own_table(spec)),
        find_precision(spec.precision or "", _get_stated_name(spec), model.precision),
        resolve_engine(spec),
        tp,
        pp,
        kv_bytes=parse_kv_precision(spec),
        max_num_seqs=spec.max_num_seqs,
        max_batched_tokens=spec.max_batched_tokens,
        utilisation=spec.utilisation,
    )


def find_accelerator_or_cpu(name: str, own: Mapping[str, Accelerator]) -> Accelerator:
    """`cpu` and `this-machine` are measured where they are named. :raises UnknownName: no such accelerator"""
    return measure_this_machine() if name.lower() in NAMES else find_accelerator(name, own)


def read_own_table(spec: DeploymentSpec) -> dict[str, Accelerator]:
    """The user's own accelerators, by name."""
    return read_accelerator_table(spec.gpu_table) if spec.gpu_table else {}


def resolve_engine(spec: DeploymentSpec) -> EngineDefaults:
    """vLLM unless another is named; on the CPU, the embedded engine. :raises UnknownName: no such engine"""
    name = spec.engine or ("embedded" if (spec.gpu or "").lower() in NAMES else "vllm")
    engine = find_engine(name)
    if engine is None:
        raise UnknownName("engine", name, ENGINES)
    if spec.engine_version and not re.search(r"\d+\.\d+", spec.engine_version):
        raise InputError(
            f"--engine-version {spec.engine_version!r}: expected a release such as 0.11 or 0.11.0; without it the "
            "current release is meant"
        )
    return at_version(engine, spec.engine_version or name)


def resolve_accelerators(spec: DeploymentSpec, own: Mapping[str, Accelerator]) -> list[Accelerator]:
    """The accelerators named, separated by commas; without a name, the user's own and all from NVIDIA and AMD."""
    if spec.gpu:
        return [find_accelerator_or_cpu(name.strip(), own) for name in spec.gpu.split(",") if name.strip()]
    return [*own.values(), *(gpu for gpu in list_accelerators() if gpu.vendor in ("NVIDIA", "AMD"))]


def resolve_precisions(spec: DeploymentSpec, model: Model) -> list[Precision]:
    """The formats named, separated by commas; without a name, the one that the model is published in."""
    stated = _get_stated_name(spec)
    return [find_precision(name, stated, model.precision) for name in (spec.precision or "").split(",")]


def _get_stated_name(spec: DeploymentSpec) -> str:
    """A model's name, whose suffix may state a format; of a file, nothing: it says itself what it is in."""
    return "" if is_config_path(spec.model) else spec.model


def parse_kv_precision(spec: DeploymentSpec) -> float | None:
    """Bytes of one value of the KV cache; None: the engine's default.

    :raises InputError: neither an 8-bit nor a 16-bit format
    """
    if spec.kv_precision is None:
        return None
    text = spec.kv_precision.lower()
    if re.search(r"8", text) and "16" not in text:
        return 1.0
    if re.search(r"16|auto", text):
        return 2.0
    raise InputError(f"--kv-precision {spec.kv_precision!r}: expected fp8 or bf16")
